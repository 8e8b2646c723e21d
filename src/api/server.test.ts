import { request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CONFIG, REGISTER, startApi, type TestApi } from '../../test/support/api-harness.ts';

let api: TestApi;
let draining = false;
let logIsAway = false;
const unled = new Set<string>();
beforeEach(async () => {
  draining = false;
  logIsAway = false;
  unled.clear();
  const check = async (): Promise<void> => {
    if (logIsAway) throw new Error('connect ECONNREFUSED 10.0.0.1:2113');
  };
  api = await startApi({
    unledPools: {
      get list() {
        return [...unled];
      },
      has: (pool) => unled.has(pool),
    },
    readiness: {
      parts: () => [
        { name: 'log', check },
        { name: 'postgres', check: async () => 1 },
      ],
      draining: () => draining,
    },
  });
});
afterEach(() => api.stop());

const get = async (path: string, init: RequestInit = {}) => {
  const response = await fetch(`${api.url}${path}`, init);
  const text = await response.text();
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape
  const body = (response.headers.get('content-type') ?? '').includes('json') ? (JSON.parse(text) as any) : undefined;
  return { status: response.status, headers: response.headers, text, body };
};

const beat = (agentId: string, body?: string, type = 'application/json') =>
  get(`/agents/${agentId}/heartbeat`, {
    method: 'POST',
    ...(body === undefined ? {} : { body, headers: { 'content-type': type } }),
  });

const beats = (body: unknown) =>
  get('/agents/heartbeats', {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });

describe('health', () => {
  it('is alive whatever the state of the stores', async () => {
    logIsAway = true;
    expect(await get('/healthz')).toMatchObject({ status: 200, body: { status: 'alive' } });
  });

  it('is ready while every part works', async () => {
    expect((await get('/readyz')).body).toEqual({ status: 'ready', parts: { log: 'ok', postgres: 'ok' } });
    logIsAway = true;
    const { status, body, text } = await get('/readyz');
    expect({ status, body }).toEqual({
      status: 503,
      body: { status: 'not ready', parts: { log: 'down', postgres: 'ok' } },
    });
    expect(text).not.toContain('10.0.0.1');
  });

  it('names pools in use that no process leads, and takes their work in all the same', async () => {
    unled.add('batch');
    expect(await get('/readyz')).toMatchObject({ status: 200, body: { status: 'ready', unledPools: ['batch'] } });
    expect((await get('/metrics')).text).toContain('baton_unled_pools 1');
  });

  it('is not ready from the moment it drains', async () => {
    draining = true;
    expect(await get('/readyz')).toMatchObject({ status: 503, body: { status: 'draining' } });
  });
});

describe('a heartbeat', () => {
  beforeEach(() => api.post(REGISTER, { input: { agentId: 'a1', capabilities: [{ name: 'echo' }] } }));

  it('is accepted from a registered agent, with or without figures', async () => {
    expect((await beat('a1')).status).toBe(204);
    expect((await beat('a1', '{"load":0.5,"errorRate":0}')).status).toBe(204);
    expect(api.beats).toEqual([
      ['default', [{ agentId: 'a1', signs: undefined }], expect.any(Number)],
      ['default', [{ agentId: 'a1', signs: { load: 0.5, errorRate: 0 } }], expect.any(Number)],
    ]);
  });

  it('is accepted for many agents at once; those that are not registered are named', async () => {
    const heartbeats = [
      { agentId: 'a1', cpu: 0.9, memory: 0.2, responseMs: 12 },
      { agentId: 'nobody' },
      { agentId: '../x' },
    ];
    const events = await api.events();
    expect(await beats({ heartbeats })).toMatchObject({
      status: 200,
      body: { accepted: 1, unknown: ['nobody', '../x'] },
    });
    expect(api.beats).toEqual([
      ['default', [{ agentId: 'a1', signs: { cpu: 0.9, memory: 0.2, responseMs: 12 } }], expect.any(Number)],
    ]);
    expect(await api.events()).toEqual(events);
  });

  it.each([
    [{ heartbeats: [] }, '/heartbeats'],
    [{ heartbeats: [{ agentId: 'a1', cpu: 2 }] }, '/heartbeats/0/cpu'],
    [{ heartbeats: [{ cpu: 1 }] }, '/heartbeats/0/agentId'],
    [{ heartbeats: Array.from({ length: 1_001 }, () => ({ agentId: 'a1' })) }, '/heartbeats'],
    [{}, '/heartbeats'],
  ])('is refused for many agents as %.60j', async (body, pointer) => {
    expect(await beats(body)).toMatchObject({ status: 400, body: { code: 'BAD_USER_INPUT', issues: [{ pointer }] } });
    expect(api.beats).toEqual([]);
  });

  it('is refused with a problem document for anyone else', async () => {
    const { status, headers, body } = await beat('nobody');
    expect(status).toBe(404);
    expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(body).toEqual({
      type: 'urn:baton:problem:not-found',
      title: 'NOT_FOUND',
      status: 404,
      detail: 'agent "nobody" does not exist',
      instance: '/agents/nobody/heartbeat',
      code: 'NOT_FOUND',
      retryable: false,
    });
    for (const id of ['%00', '..%2fx', 'x'.repeat(200), '%f0%9f%98%80']) expect((await beat(id)).status).toBe(404);
    expect((await beat('%')).status).toBe(400);
    expect(api.beats).toEqual([]);
  });

  it('is refused from an agent that was deregistered meanwhile', async () => {
    expect((await beat('a1')).status).toBe(204);
    await api.post('mutation { deregisterAgent(agentId: "a1") { __typename } }');
    await expect.poll(async () => (await beat('a1')).status).toBe(404);
  });

  it.each([
    ['{"load":2}', 400, 'BAD_USER_INPUT'],
    ['{"laod":1}', 400, 'BAD_USER_INPUT'],
    ['{"load":1,"load":0}', 400, 'DUPLICATE_KEY'],
    ['[]', 400, 'BAD_USER_INPUT'],
    ['{', 400, 'MALFORMED_JSON'],
    [`{"load":${' '.repeat(5_000)}1}`, 413, 'BODY_TOO_LARGE'],
  ])('is refused with invalid figures: %.20s', async (body, status, code) => {
    expect(await beat('a1', body)).toMatchObject({ status, body: { code } });
    expect(api.beats).toEqual([]);
  });

  it('is refused from a page of another site, with or without a body', async () => {
    for (const origin of ['https://evil.example', 'null'])
      expect(await get('/agents/a1/heartbeat', { method: 'POST', headers: { origin } })).toMatchObject({
        status: 403,
        body: { code: 'FORBIDDEN' },
      });
    expect((await get('/agents/a1/heartbeat', { method: 'POST', headers: { origin: api.url } })).status).toBe(204);
    expect(api.beats).toHaveLength(1);
  });

  it('must be JSON', async () => expect(await beat('a1', 'x', 'text/plain')).toMatchObject({ status: 415 }));

  it('answers that the agent should retry when it cannot be stored', async () => {
    const broken = await startApi({
      commands: api.commands,
      heartbeats: {
        beat: async () => {
          throw new Error('Connection is closed.');
        },
      },
    });
    const response = await fetch(`${broken.url}/agents/a1/heartbeat`, { method: 'POST' });
    await broken.stop();
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
  });
});

describe('every answer', () => {
  it('carries the id of its request, the one that was sent or a new one', async () => {
    const given = await get('/', { headers: { 'x-request-id': 'req-7' } });
    expect(given.headers.get('x-request-id')).toBe('req-7');
    const long = await get('/', { headers: { 'x-request-id': 'x'.repeat(500) } });
    expect(long.headers.get('x-request-id')).not.toContain('xx');
    expect((await get('/nope')).headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}\.[0-9a-z]+$/);
  });

  it('forbids sniffing and framing, and does not name the server software', async () => {
    for (const path of ['/', '/graphql', '/queues', '/nope']) {
      const { headers } = await get(path);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toContain("default-src 'self'");
      expect(headers.get('x-powered-by')).toBeNull();
    }
  });

  it('is a problem document for an unknown path', async () => {
    expect(await get('/v1/tasks')).toMatchObject({ status: 404, body: { code: 'NOT_FOUND', instance: '/v1/tasks' } });
  });
});

describe('a request that does not arrive completely', () => {
  const answerTo = (url: string, sent: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(url);
      const socket = connect(Number(port), hostname, () => socket.write(sent));
      let answer = '';
      socket.on('data', (data) => {
        answer += data;
      });
      socket.once('error', reject).once('close', () => resolve(answer));
    });

  it.each([
    [
      'its body',
      'POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
    ],
    ['its headers', 'POST /graphql HTTP/1.1\r\nhost: localhost\r\n'],
  ])('is ended: %s', async (_, sent) => {
    const impatient = await startApi({}, { headersMs: 200, requestMs: 300 });
    const answer = await answerTo(impatient.url, sent);
    await impatient.stop();
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
  });
});

describe('a request with a foreign host name', () => {
  const asHost = (url: string, host: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const call = request(`${url}/healthz`, { headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      call.once('error', reject).end();
    });

  it('is refused while the server listens only on loopback: a page of another site may have sent it', async () => {
    for (const host of [
      'evil.example',
      'evil.example:4000',
      '127.0.0.1.evil.example',
      'localhost.evil.example',
      '192.168.1.5',
    ])
      expect(await asHost(api.url, host), host).toBe(403);
    for (const host of ['localhost:4000', '127.0.0.1', '[::1]:1', 'baton.localhost'])
      expect(await asHost(api.url, host), host).toBe(200);
  });

  it('is accepted for the public address, and when the server listens for everyone', async () => {
    const proxied = await startApi({ config: { ...CONFIG, publicUrl: 'https://baton.example' } });
    expect([await asHost(proxied.url, 'baton.example'), await asHost(proxied.url, 'evil.example')]).toEqual([200, 403]);
    await proxied.stop();
    const open = await startApi({ config: { ...CONFIG, host: '0.0.0.0' } });
    expect(await asHost(open.url, 'baton.internal')).toBe(200);
    await open.stop();
  });
});

describe('pages', () => {
  it('list every endpoint', async () => {
    expect((await get('/')).body).toMatchObject({ name: 'baton', graphql: '/graphql', metrics: '/metrics' });
  });

  it('let clients explore the schema without another server', async () => {
    const { status, text } = await get('/graphql', { headers: { accept: 'text/html' } });
    expect(status).toBe(200);
    expect(text).toContain('<title>Baton</title>');
    expect(text).not.toMatch(/<(?:script|link)[^>]+(?:src|href)="https?:/);
  });

  it('show metrics of the process, its requests and the log', async () => {
    await api.post(REGISTER, { input: { agentId: 'a1', capabilities: [{ name: 'echo' }] } });
    await expect
      .poll(async () => (await get('/metrics')).text)
      .toContain('baton_log_events_total{type="AgentRegistered"} 1');
    const { text, headers } = await get('/metrics');
    expect(headers.get('content-type')).toMatch(/^text\/plain/);
    expect(text).toContain('nodejs_eventloop_lag_seconds');
    expect(text).toMatch(
      /baton_http_request_duration_seconds_count\{method="POST",endpoint="graphql",status="200"\} 1/,
    );
    expect(text).toContain('baton_subscriptions 0');
  });
});

describe('the queue dashboard', () => {
  it('is read-only unless configured otherwise', async () => {
    const pause = (url: string) => fetch(`${url}/queues/api/queues/none/pause`, { method: 'PUT' });
    expect((await pause(api.url)).status).toBe(403);
    const writable = await startApi({ config: { ...CONFIG, graphiql: true, queuesWritable: true } });
    expect((await pause(writable.url)).status).toBe(404);
    await writable.stop();
  });
});
