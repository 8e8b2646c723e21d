import { createClient } from 'graphql-sse';
import { type Client, createClient as createSocketClient } from 'graphql-ws';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { SUBMIT, startApi, type TestApi } from '../../../test/support/api-harness.ts';
import { reportProgress } from '../../commands/task/report-progress.ts';

let api: TestApi;
let sockets: Client;
beforeEach(async () => {
  api = await startApi();
  sockets = createSocketClient({
    url: `${api.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
  });
});
afterEach(async () => {
  await sockets.dispose();
  await api.stop();
});

type Frame = { readonly data?: Record<string, unknown> | null; readonly errors?: readonly unknown[] };
/** Over both transports: they are to give the same frames. */
type Transport = 'sse' | 'ws';

const subscribe = (transport: Transport, query: string, variables: Record<string, unknown> = {}) => {
  if (transport === 'ws') return sockets.iterate({ query, variables });
  const client = createClient({ url: `${api.url}/graphql`, retryAttempts: 0 });
  return client.iterate({ query, variables });
};

const take = async (frames: AsyncIterableIterator<unknown>, count: number): Promise<Frame[]> => {
  const taken: Frame[] = [];
  while (taken.length < count) {
    const { value, done } = await frames.next();
    if (done) break;
    taken.push(value as Frame);
  }
  return taken;
};

const submit = async (capability = 'echo'): Promise<{ taskId: string; position: string }> =>
  (await api.post(SUBMIT, { input: { capability } })).body.data.submitTask;
const submitMany = (count: number) =>
  api.post('mutation ($tasks: [SubmitTasksItemInput!]!) { submitTasks(tasks: $tasks) { acceptedCount } }', {
    tasks: Array.from({ length: count }, () => ({ task: { capability: 'echo' } })),
  });
const cancel = (taskId: string) =>
  api.post('mutation ($id: ID!) { cancelTask(taskId: $id) { __typename } }', { id: taskId });
const openSubscriptions = async (): Promise<number> => {
  const page = await (await fetch(`${api.url}/metrics`)).text();
  return Number(/^baton_subscriptions (\d+)$/m.exec(page)?.[1]);
};

const TASK = `subscription ($id: ID!, $from: Position) {
  taskChanged(taskId: $id, fromPosition: $from) { position entry { type } }
}`;
const TASKS = `subscription ($from: Position, $filter: TaskChangeFilter) {
  tasksChanged(fromPosition: $from, filter: $filter) { position changes { position taskId entry { type } } }
}`;

describe.each(['sse', 'ws'] as const)('a subscription over %s', (transport) => {
  it('resumes after the given position, then follows live', async () => {
    const { taskId, position } = await submit();
    await api.post('mutation ($id: ID!) { reportProgress(taskId: $id, attempt: 1, percent: 5) { __typename } }', {
      id: taskId,
    });
    const frames = subscribe(transport, TASK, { id: taskId, from: position });
    const types = async () => (await take(frames, 1)).map(({ data }) => data);
    expect(await types()).toMatchObject([{ taskChanged: { entry: { type: 'TaskProgressReported' } } }]);
    await submit();
    await cancel(taskId);
    expect(await types()).toMatchObject([{ taskChanged: { entry: { type: 'TaskCancelled' } } }]);
    await frames.return?.();
  });

  it('ends when its client leaves, even if nothing happens', async () => {
    const { taskId } = await submit();
    const frames = subscribe(transport, TASK, { id: taskId, from: '0' });
    await take(frames, 1);
    expect(await openSubscriptions()).toBe(1);
    await frames.return?.();
    await expect.poll(openSubscriptions).toBe(0);
  });

  it('is an error for a task that does not exist', async () => {
    const frames = subscribe(transport, TASK, { id: 'nope' });
    const frame = await take(frames, 1).catch((error: unknown) => [error]);
    expect(JSON.stringify(frame)).toContain('NOT_FOUND');
  });

  it('sends all tasks in frames, in log order, without gap or repetition', async () => {
    const { position } = await submit();
    await submitMany(150);
    const frames = subscribe(transport, TASKS, { from: position });
    const seen: string[] = [];
    const rest = Promise.all(Array.from({ length: 15 }, () => submitMany(10)));
    while (seen.length < 300) {
      const [frame] = await take(frames, 1);
      const { changes, position: last } = frame!.data!['tasksChanged'] as {
        changes: { position: string }[];
        position: string;
      };
      expect(changes.at(-1)?.position).toBe(last);
      seen.push(...changes.map((change) => change.position));
    }
    await frames.return?.();
    await rest;
    const after = (await api.events()).map((event) => event.position).filter((one) => one > BigInt(position));
    expect(seen).toEqual(after.map(String));
  });

  it('sends only what matches its filter', async () => {
    const { taskId } = await submit();
    const frames = subscribe(transport, TASKS, { from: '0', filter: { types: ['TaskCancelled'] } });
    const frame = take(frames, 1);
    await cancel(taskId);
    expect((await frame)[0]?.data).toMatchObject({
      tasksChanged: { changes: [{ taskId, entry: { type: 'TaskCancelled' } }] },
    });
    await frames.return?.();
  });

  it('ends when the server closes', async () => {
    const { taskId } = await submit();
    const frames = subscribe(transport, TASK, { id: taskId, from: '0' });
    await take(frames, 1);
    const ended = take(frames, 1).catch(() => []);
    await api.api.close();
    expect(await ended).toEqual([]);
  });
});

describe('a reader of events that does not keep up', () => {
  it('gets the position to resume from, and then misses nothing', async () => {
    const { taskId } = await submit();
    const progress = (count: number, checkpoint: string) =>
      Promise.all(
        Array.from({ length: count }, () =>
          reportProgress(api.commands, { tenant: 'default', actor: 'test' }, taskId, { attempt: 1, checkpoint }),
        ),
      );
    const listen = async (fromPosition: string): Promise<Response> => {
      const query = `subscription { taskChanged(taskId: "${taskId}", fromPosition: "${fromPosition}") { position entry { data } } }`;
      return fetch(`${api.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
        body: JSON.stringify({ query }),
      });
    };
    /** Reads until the stream ends, or all events of the log have been seen. */
    const read = async (response: Response, until: string): Promise<{ positions: string[]; resumeFrom?: string }> => {
      const positions: string[] = [];
      let text = '';
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        text += Buffer.from(chunk).toString('latin1');
        const frames = text.split('\n\n');
        text = frames.pop() ?? '';
        for (const frame of frames) {
          const position = /"taskChanged":\{"position":"(\d+)"/.exec(frame)?.[1];
          if (position !== undefined) positions.push(position);
          if (position === until) return { positions };
          const resumeFrom = /"code":"SLOW_CONSUMER".*"resumeFrom":"(\d+)"/.exec(frame)?.[1];
          if (resumeFrom !== undefined) return { positions, resumeFrom };
        }
      }
      return { positions };
    };
    const first = await listen('0');
    for (let i = 0; i < 10; i += 1) await progress(20, 'x'.repeat(100_000)); // more than sockets hold
    await progress(1_300, '');
    const all = (await api.events()).map(({ position }) => String(position));
    const last = all.at(-1) as string;
    await expect.poll(openSubscriptions).toBe(0);
    const before = await read(first, last);
    expect(before.resumeFrom).toBe(before.positions.at(-1));
    const after = await read(await listen(before.resumeFrom as string), last);
    expect([...before.positions, ...after.positions]).toEqual(all);
  });
});

describe('a failing part of a frame', () => {
  it.each(['sse', 'ws'] as const)('is an error of that part only, over %s', async (transport) => {
    const { taskId } = await submit();
    const frames = subscribe(
      transport,
      'subscription ($id: ID!) { taskChanged(taskId: $id, fromPosition: "0") { position task { id } } }',
      {
        id: taskId,
      },
    );
    const [frame] = await take(frames, 1);
    expect(frame?.data).toMatchObject({ taskChanged: { task: null } });
    expect(frame?.errors).toMatchObject([
      { path: ['taskChanged', 'task'], extensions: { code: 'UNAVAILABLE', retryable: true } },
    ]);
    expect(JSON.stringify(frame)).not.toMatch(/ECONNREFUSED|"http"/);
    await frames.return?.();
  });
});

describe('changes of agents', () => {
  it('are sent for one agent or for all', async () => {
    const register = (id: string) =>
      api.post(
        'mutation ($id: String!) { registerAgent(input: { agentId: $id, capabilities: [{ name: "echo" }] }) { __typename } }',
        { id },
      );
    await register('a');
    const all = subscribe('sse', 'subscription { agentChanged(fromPosition: "0") { agentId type summary } }');
    const one = subscribe('ws', 'subscription { agentChanged(agentId: "a", fromPosition: "0") { type } }');
    await register('b');
    await api.post('mutation { drainAgent(agentId: "a", reason: "update") { __typename } }');
    expect((await take(all, 3)).map(({ data }) => data?.['agentChanged'])).toEqual([
      { agentId: 'a', type: 'AgentRegistered', summary: 'registered in pool default, at most 10 at once' },
      { agentId: 'b', type: 'AgentRegistered', summary: 'registered in pool default, at most 10 at once' },
      { agentId: 'a', type: 'AgentDrainStarted', summary: 'draining, for at most 300 s: update' },
    ]);
    expect((await take(one, 2)).map(({ data }) => data?.['agentChanged'])).toEqual([
      { type: 'AgentRegistered' },
      { type: 'AgentDrainStarted' },
    ]);
    await all.return?.();
    await one.return?.();
  });
});

describe('a WebSocket', () => {
  const open = (options: WebSocket.ClientOptions = {}, protocol = 'graphql-transport-ws') =>
    new WebSocket(`${api.url.replace('http', 'ws')}/graphql`, protocol, options);

  const closeOf = (socket: WebSocket, onOpen: (socket: WebSocket) => void): Promise<number | string> =>
    new Promise((resolve) => {
      socket.on('open', () => onOpen(socket));
      socket.on('close', (code) => resolve(code));
      socket.on('error', (error) => resolve(error.message));
    });

  it('is not opened for a page of another site, nor on another path', async () => {
    expect(await closeOf(open({ origin: 'http://evil.example' }), () => undefined)).toMatch(/403/);
    expect(await closeOf(open({ origin: 'null' }), () => undefined)).toMatch(/403/);
    const rebound = { origin: 'http://evil.example', headers: { host: 'evil.example' } };
    expect(await closeOf(open(rebound), () => undefined)).toMatch(/403/);
    const elsewhere = new WebSocket(`${api.url.replace('http', 'ws')}/other`);
    expect(await closeOf(elsewhere, () => undefined)).toMatch(/404/);
    const own = open({ origin: api.url });
    expect(await closeOf(own, (socket) => socket.close(1000))).toBe(1000);
  });

  it.each([
    ['no JSON', 4400, (socket: WebSocket) => socket.send('{')],
    ['a key twice', 4400, (socket: WebSocket) => socket.send('{"type":"ping","type":"ping"}')],
    ['a poisoned string', 4400, (socket: WebSocket) => socket.send('{"type":"ping","payload":{"a":"\\u0000"}}')],
    ['an unknown type', 4400, (socket: WebSocket) => socket.send('{"type":"zzz"}')],
    ['bytes', 1003, (socket: WebSocket) => socket.send(Buffer.from([1, 2]))],
    ['too much', 1009, (socket: WebSocket) => socket.send('x'.repeat(64 * 1024 + 1))],
    [
      'an operation before the greeting',
      4401,
      (socket: WebSocket) => socket.send('{"id":"1","type":"subscribe","payload":{"query":"{__typename}"}}'),
    ],
    [
      'two greetings',
      4429,
      (socket: WebSocket) => {
        socket.send('{"type":"connection_init"}');
        socket.send('{"type":"connection_init"}');
      },
    ],
    [
      'a flood',
      1008,
      (socket: WebSocket) => {
        for (let i = 0; i < 500; i += 1) socket.send('{"type":"pong"}');
      },
    ],
  ])('is closed for %s', async (_, code, send) => expect(await closeOf(open(), send)).toBe(code));

  it('runs operations under the same limits as HTTP', async () => {
    const errorOf = async (query: string, variables: Record<string, unknown> = {}): Promise<string> =>
      JSON.stringify(await take(sockets.iterate({ query, variables }), 1).catch((error: unknown) => error));
    expect(await errorOf('{a'.repeat(9) + '}'.repeat(9))).toContain('QUERY_TOO_DEEP');
    expect(await errorOf('query A{__typename} query B{__typename}')).toContain('OPERATION_NAME_REQUIRED');
    expect(await errorOf('{ tasks(first: 201) { nodes { id } } }')).toContain('BAD_PAGE_SIZE');
    expect(await errorOf(SUBMIT, { input: { capability: 'echo', priority: 9 } })).toContain('/input/priority');
    expect(await errorOf(SUBMIT, { input: { capability: 5 } })).toContain('/variables/input/capability');
    expect(await errorOf('{ nope }')).not.toContain('"http"');
    expect(await api.events()).toEqual([]);
    expect(await errorOf(SUBMIT, { input: { capability: 'echo' } })).toContain('taskId');
  });

  it('carries at most a hundred operations at a time', async () => {
    const { taskId } = await submit();
    const many = Array.from({ length: 101 }, () => subscribe('ws', TASK, { id: taskId, from: '0' }));
    const frames = await Promise.all(many.map((one) => take(one, 1).catch((error: unknown) => [error])));
    const refused = frames.filter((frame) => JSON.stringify(frame).includes('LIMIT_SUBSCRIPTIONS'));
    expect(refused).toHaveLength(1);
  });

  it('is closed when its client does not read; the client may come back', async () => {
    const { taskId } = await submit();
    const socket = open();
    await new Promise((resolve) => socket.on('open', resolve));
    const query = `subscription { taskChanged(taskId: "${taskId}", fromPosition: "0") { entry { data } } }`;
    socket.send('{"type":"connection_init"}');
    await new Promise((resolve) => socket.once('message', resolve));
    socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }));
    await expect.poll(openSubscriptions).toBe(1);
    socket.pause();
    const progress = (count: number, checkpoint: string) =>
      Promise.all(
        Array.from({ length: count }, () =>
          reportProgress(api.commands, { tenant: 'default', actor: 'test' }, taskId, { attempt: 1, checkpoint }),
        ),
      );
    for (let i = 0; i < 10; i += 1) await progress(20, 'x'.repeat(100_000)); // more than sockets hold
    await progress(1_100, '');
    await expect.poll(openSubscriptions, { timeout: 5_000 }).toBe(0);
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.resume();
    expect(await closed).toBe(1013);
  });
});
