import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type AgentServer, BatonRefused, type ServeOptions, serveAgent } from '../index.ts';

/** A server that writes down what it is told, and answers as Baton does unless a test says otherwise. */
type Told = { readonly call: string; readonly body: unknown };
type Answer = readonly [status: number, body?: unknown];

let agent: AgentServer | undefined;
let server: Server | undefined;
let told: Told[] = [];
let lines: string[] = [];
let answers: Map<string, (said: Told) => Answer | undefined> = new Map();
let openTasks = 0;

afterEach(async () => {
  await agent?.close();
  server?.closeAllConnections();
  server?.close();
  [agent, server, told, lines, answers, openTasks] = [undefined, undefined, [], [], new Map(), 0];
  vi.unstubAllEnvs();
});

const recorded: Answer = [200, { agentId: 'clerk', position: '7', repeated: false }];
const usual = (call: string): Answer => {
  if (call === 'GET /api/v1/agents/clerk') return [200, { heartbeatIntervalMs: 50, maxConcurrency: 4, openTasks }];
  return call.endsWith('/heartbeat') ? [204] : recorded;
};

const problem = (status: number, code: string, detail: string, more: object = {}): Answer => [
  status,
  { code, detail, retryable: false, ...more },
];

const reply = (response: ServerResponse, [status, body]: Answer): void => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
};

const baton = async (port = 0): Promise<string> => {
  server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request.setEncoding('utf8')) text += chunk;
    const call = `${request.method} ${request.url?.replace(/\?.*/, '')}`;
    const said = { call, body: text === '' ? undefined : JSON.parse(text) };
    told.push(said);
    reply(response, answers.get(call)?.(said) ?? usual(call));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const serve = async (url: string | undefined, options: Partial<ServeOptions> = {}): Promise<AgentServer> => {
  agent = await serveAgent({
    card: { name: 'clerk' },
    handlers: { work: () => 1 },
    handleSignals: false,
    graceMs: 2_000,
    ...options,
    baton: options.baton ?? { ...(url === undefined ? {} : { url }), log: (line) => lines.push(line) },
  });
  return agent;
};

const calls = (): string[] => told.map(({ call }) => call);
const bodies = (call: string): unknown[] => told.filter((said) => said.call === call).map(({ body }) => body);
const until = (condition: () => boolean) => vi.waitUntil(condition, { timeout: 10_000, interval: 5 });

const REGISTER = 'POST /api/v1/agents';
const HEARTBEAT = 'POST /agents/clerk/heartbeat';
const verb = (name: string): string => `POST /api/v1/agents/clerk/${name}`;

const ask = (url: string): Promise<Response> =>
  fetch(`${url}/a2a/json-rpc`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'a2a-version': '1.0' },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'SendMessage',
      params: {
        message: {
          messageId: crypto.randomUUID(),
          role: 'ROLE_USER',
          parts: [{ data: {} }],
          metadata: { capability: 'work' },
        },
      },
    }),
  });

const promised = () => {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve: () => resolve() };
};

describe('an agent that joins Baton', () => {
  it('registers what it knows of itself, and what it is told beside that', async () => {
    const url = await baton();
    const { cardUrl } = await serve(url, {
      handlers: { work: () => 1, check: { version: '1.2.0', confidence: 0.9, run: () => 2 } },
      baton: { url, tags: ['eu'], maxConcurrency: 4 },
    });
    expect(bodies(REGISTER)).toEqual([
      {
        agentId: 'clerk',
        cardUrl,
        capabilities: [{ name: 'work' }, { name: 'check', version: '1.2.0', confidence: 0.9 }],
        heartbeats: true,
        tags: ['eu'],
        maxConcurrency: 4,
        replace: true,
      },
    ]);
  });

  it('is told the address by BATON_URL, makes an id of the name of its card, and stays alone where it is told to', async () => {
    vi.stubEnv('BATON_URL', `${await baton()}/`);
    await serve(undefined, { baton: false });
    await agent?.close();
    expect(told).toEqual([]);
    answers.set('GET /api/v1/agents/The-clerk', () => usual('GET /api/v1/agents/clerk'));
    await serve(undefined, { card: { name: 'The clerk!' } });
    expect(bodies(REGISTER)).toMatchObject([{ agentId: 'The-clerk' }]);
  });

  it('sends heartbeats before each interval of the server is over, with its load', async () => {
    const finish = promised();
    const { url } = await serve(await baton(), { handlers: { work: () => finish.promise } });
    const answered = ask(url);
    await until(() => bodies(HEARTBEAT).some((body) => (body as { load: number }).load === 0.25));
    finish.resolve();
    await answered;
    await until(() => (bodies(HEARTBEAT).at(-1) as { load: number }).load === 0);
  });

  it('says when it is warm, and refuses calls until then', async () => {
    const warm = promised();
    const url = await baton();
    const serving = serve(url, { warmUp: () => warm.promise, baton: { url, warmUpMs: 9_000 } });
    await until(() => calls().includes(REGISTER));
    expect(bodies(REGISTER)).toMatchObject([{ warmUpMs: 9_000 }]);
    const { cardUrl } = bodies(REGISTER)[0] as { cardUrl: string };
    expect((await ask(new URL(cardUrl).origin)).status).toBe(503);
    expect(calls()).not.toContain(verb('ready'));
    warm.resolve();
    await serving;
    expect(calls().filter((call) => call === verb('ready'))).toHaveLength(1);
    expect((await ask(new URL(cardUrl).origin)).status).toBe(200);
  });

  it('deregisters when its warm-up fails, and says why', async () => {
    const warmUp = async () => {
      await until(() => calls().includes('GET /api/v1/agents/clerk'));
      throw new Error('the model is missing');
    };
    await expect(serve(await baton(), { warmUp })).rejects.toThrow('the model is missing');
    expect(calls()).toContain(verb('deregister'));
    expect(calls()).not.toContain(verb('ready'));
  });

  it('drains, finishes what Baton gave it, and deregisters when it stops', async () => {
    const finish = promised();
    const { url, close } = await serve(await baton(), { handlers: { work: () => finish.promise } });
    openTasks = 2;
    const first = ask(url);
    await until(() => bodies(HEARTBEAT).some((body) => (body as { load: number }).load > 0));
    const stopped = close();
    await until(() => calls().includes(verb('drain')));
    const second = ask(url); // given before the drain, and still on its way
    finish.resolve();
    expect([(await first).status, (await second).status]).toEqual([200, 200]);
    expect(calls()).not.toContain(verb('deregister'));
    openTasks = 0;
    await stopped;
    expect(bodies(verb('drain'))).toEqual([{ reason: 'the agent stops', limitMs: 2_000 }]);
    expect(calls().at(-1)).toBe(verb('deregister'));
    expect(lines).toEqual([]);
  });

  it('registers again, and says again that it is warm, when Baton has given it up', async () => {
    await serve(await baton(), { warmUp: () => {} });
    let known = false;
    answers.set(HEARTBEAT, () => (known ? undefined : problem(404, 'NOT_FOUND', 'agent "clerk" does not exist')));
    answers.set(REGISTER, () => {
      known = true;
      return undefined;
    });
    await until(() => bodies(REGISTER).length === 2 && bodies(verb('ready')).length === 2);
    await until(() => calls().at(-1) === HEARTBEAT);
    expect(lines).toEqual(['Baton no longer knows agent clerk: it registers again']);
  });
});

describe('an agent that Baton refuses', () => {
  it('does not start, and says what is wrong', async () => {
    const url = await baton();
    const detail = '/capabilities/0/name: must match ^[A-Za-z0-9], not "a b"';
    answers.set(REGISTER, () => problem(400, 'BAD_USER_INPUT', detail, { issues: [{ code: 'INVALID' }] }));
    const refusal = await serve(url).catch((error) => error);
    expect(refusal).toBeInstanceOf(BatonRefused);
    expect(refusal).toMatchObject({
      code: 'BAD_USER_INPUT',
      message: `Baton at ${url} refuses the agent: ${detail}`,
    });
    expect(calls()).toEqual([REGISTER]);
  });

  it('does not start at an address where something else answers', async () => {
    const url = await baton();
    for (const answer of [
      [404, 'not found'],
      [200, '<html>'],
    ] as const) {
      answers.set(REGISTER, () => answer);
      await expect(serve(url)).rejects.toThrow(`${url} answered with`);
    }
  });

  it.each([
    ['an address that is none', { baton: { url: 'nowhere' } }, 'baton.url is "nowhere": it must be an http or https'],
    ['an address with a password', { baton: { url: 'http://a:b@c' } }, 'baton.url must not contain a user name or'],
    ['a public address that is none', { publicUrl: 'clerk:80' }, 'publicUrl is "clerk:80"'],
    ['a name without an id', { card: { name: '…' } }, 'set baton.agentId'],
    ['an address that is every interface', { host: '0.0.0.0' }, 'set publicUrl'],
  ])('does not start with %s', async (_case, options, message) => {
    await expect(serve('http://127.0.0.1:1', options)).rejects.toThrow(message);
  });
});

describe('an agent whose Baton is away', () => {
  it('serves, registers when Baton is there, and says both once', async () => {
    const url = await baton();
    server?.close();
    server?.closeAllConnections();
    await once(server as Server, 'close');
    const { url: own } = await serve(url);
    expect((await ask(own)).status).toBe(200);
    expect(lines).toEqual([`cannot reach Baton at ${url}: ECONNREFUSED; the agent serves and tries again`]);
    await baton(Number(new URL(url).port));
    await until(() => calls().includes(HEARTBEAT));
    expect(bodies(REGISTER)).toHaveLength(1);
    expect(lines[1]).toMatch(/^Baton at .* answers again after \d+ s: agent clerk is registered$/);
    expect(lines).toHaveLength(2);
  });

  it.each([
    ['cannot answer', problem(503, 'UNAVAILABLE', 'not now', { retryable: true })],
    ['cannot fetch the card', problem(400, 'BAD_USER_INPUT', 'not now', { issues: [{ code: 'AGENT_CARD_INVALID' }] })],
  ])('tries again when Baton %s at the moment', async (_case, answer) => {
    const url = await baton();
    let busy = true;
    answers.set(REGISTER, () => (busy ? answer : undefined));
    await serve(url);
    await until(() => bodies(REGISTER).length === 2);
    expect(lines).toEqual([`Baton at ${url} cannot do it yet: not now; the agent serves and tries again`]);
    busy = false;
    await until(() => calls().includes(HEARTBEAT));
  });

  it('stops all the same', async () => {
    const { close } = await serve(await baton());
    server?.close();
    server?.closeAllConnections();
    await close();
    expect(lines.at(-1)).toContain('it will notice that the agent sends no heartbeats');
  });
});
