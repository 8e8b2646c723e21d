import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { startApi, type TestApi } from '../../../test/support/api-harness.ts';
import { CALLER, eventsOf, pauseAndResume, startGate } from '../../../test/support/execution-fixtures.ts';
import { fakeRandom } from '../../../test/support/fake-ports.ts';
import { cancelExecution } from '../../commands/execution/cancel-execution.ts';
import { signalExecution } from '../../commands/execution/signal-execution.ts';
import type { StoredEvent } from '../../eventstore/event-store.ts';

let api: TestApi;
let executionId: string;
const sockets = new Set<WebSocket>();
beforeEach(async () => {
  api = await startApi();
  executionId = await startGate(api);
});
afterEach(async () => {
  for (const socket of sockets) socket.terminate();
  sockets.clear();
  await api.stop();
});

type Frame = {
  readonly position: string;
  readonly revision: number;
  readonly type: string;
  readonly at: string;
  readonly data: unknown;
  readonly summary?: string;
};

const open = (path: string, options: WebSocket.ClientOptions = {}): WebSocket => {
  const socket = new WebSocket(`${api.url.replace('http', 'ws')}${path}`, options);
  sockets.add(socket);
  return socket;
};
const follow = (from?: string, id = executionId): WebSocket =>
  open(`/ws/workflows/${id}${from === undefined ? '' : `?from=${from}`}`);

/** The first frames, hello included. The socket is left as it is. */
const frames = (socket: WebSocket, count: number): Promise<Frame[]> =>
  new Promise((resolve, reject) => {
    const taken: Frame[] = [];
    socket.on('message', (data) => {
      if (taken.length >= count) return;
      taken.push(JSON.parse(String(data)) as Frame);
      if (taken.length === count) resolve(taken);
    });
    socket.once('error', reject);
    socket.once('close', (code) => reject(new Error(`closed with ${code} after ${taken.length} frames`)));
  });

const refusal = (socket: WebSocket): Promise<{ status: number; body: Record<string, unknown> }> =>
  new Promise((resolve, reject) => {
    socket.once('open', () => reject(new Error('it was opened')));
    socket.once('error', () => undefined);
    socket.once('unexpected-response', async (_, response) => {
      let text = '';
      for await (const chunk of response) text += String(chunk);
      resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) });
    });
  });

const closed = (socket: WebSocket): Promise<{ code: number; reason: string }> =>
  new Promise((resolve) => {
    socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }));
  });

const told = (events: readonly StoredEvent[]) =>
  events.map(({ position, revision, type }) => [String(position), Number(revision), type]);
const heard = (received: readonly Frame[]) =>
  received.map(({ position, revision, type }) => [position, revision, type]);

describe('a socket of an execution', () => {
  it('greets, sends the events from the beginning, and then live ones', async () => {
    const socket = follow();
    const received = frames(socket, 5);
    await pauseAndResume(api, executionId, 1);
    const [hello, started, waiting, ...rest] = await received;
    expect(hello).toEqual({ type: 'hello', executionId, position: '0' });
    const [first] = await eventsOf(api, executionId);
    expect(started).toEqual({
      position: String(first!.position),
      revision: 0,
      type: 'ExecutionStarted',
      at: first!.metadata.at,
      data: first!.data,
      summary: 'started gate@1.0.0, 1 step',
    });
    expect(waiting).toMatchObject({ type: 'StepWaiting', summary: 'wait waits for an event go' });
    expect(rest.map(({ type }) => type)).toEqual(['ExecutionPaused', 'ExecutionResumed']);
  });

  it('stays open when the execution has ended', async () => {
    const socket = follow();
    const received = frames(socket, 4);
    await cancelExecution(api.commands, CALLER, executionId, {});
    const types = (await received).map(({ type }) => type);
    expect(types.at(-1)).toBe('ExecutionAborting');
    const again = follow();
    const all = await frames(again, 1 + (await eventsOf(api, executionId)).length);
    expect(all.at(-1)?.type).toBe('ExecutionCancelled');
    expect(again.readyState).toBe(WebSocket.OPEN);
  });

  it('sends nothing of another execution', async () => {
    const other = await startGate(api);
    const socket = follow();
    const received = frames(socket, 4);
    await pauseAndResume(api, other, 3);
    await signalExecution(api.commands, CALLER, executionId, { name: 'go' });
    expect((await received).map(({ type }) => type)).toEqual([
      'hello',
      'ExecutionStarted',
      'StepWaiting',
      'ExecutionSignalled',
    ]);
  });

  it('is closed with 1001 when the server closes', async () => {
    const socket = follow();
    await frames(socket, 3);
    const end = closed(socket);
    await api.api.close();
    expect((await end).code).toBe(1001);
  });

  it('is counted while it is open', async () => {
    const count = async () =>
      Number(/^baton_subscriptions (\d+)$/m.exec(await (await fetch(`${api.url}/metrics`)).text())?.[1]);
    const socket = follow();
    await frames(socket, 3);
    await expect.poll(count).toBe(1);
    socket.terminate();
    await expect.poll(count).toBe(0);
  });
});

describe('a client that comes back', () => {
  it('gets every event once and in order, however often it disconnects while the execution runs', async () => {
    const random = fakeRandom(24);
    const received: Frame[] = [];
    let writing = true;
    const writer = (async () => {
      for (let i = 0; i < 220; i += 1) {
        await pauseAndResume(api, executionId, 1 + Math.floor(random() * 3));
        await new Promise((resolve) => setTimeout(resolve, random() * 8));
      }
      writing = false;
    })();
    let resumes = 0;
    let last = '0';
    const visit = (): Promise<void> =>
      new Promise((resolve) => {
        const socket = follow(last);
        let left = Math.floor(random() * 9);
        socket.on('message', (data) => {
          const frame = JSON.parse(String(data)) as Frame;
          if (socket.readyState !== WebSocket.OPEN) return;
          if (frame.type !== 'hello') {
            received.push(frame);
            last = frame.position;
          }
          left -= 1;
          if (left < 0) socket.terminate();
        });
        socket.once('error', () => undefined); // left before it was open
        socket.once('close', () => resolve());
        setTimeout(() => socket.terminate(), 60);
      });
    while (writing || resumes < 220) {
      await visit();
      resumes += 1;
    }
    await writer;
    const events = await eventsOf(api, executionId);
    while (received.length < events.length) await visit();
    expect(resumes).toBeGreaterThanOrEqual(200);
    expect(heard(received)).toEqual(told(events));
  });

  it('resumes after any position of a long history, also one of another stream', async () => {
    await pauseAndResume(api, executionId, 350);
    const other = await startGate(api);
    await pauseAndResume(api, executionId, 10);
    await pauseAndResume(api, other, 10);
    const events = await eventsOf(api, executionId);
    const anywhere = (await api.events()).map(({ position }) => position);
    const random = fakeRandom(7);
    for (let i = 0; i < 60; i += 1) {
      const from = anywhere[Math.floor(random() * anywhere.length)]!;
      const expected = events.filter(({ position }) => position > from);
      const socket = follow(String(from));
      const [hello, ...rest] = await frames(socket, 1 + expected.length);
      expect(hello?.position).toBe(String(from));
      expect(heard(rest)).toEqual(told(expected));
      socket.terminate();
    }
  });
});

describe('a client that does not read', () => {
  it('is cut off with the position to resume from, and then misses nothing', async () => {
    const socket = follow();
    await frames(socket, 3);
    const received: Frame[] = [];
    socket.on('message', (data) => received.push(JSON.parse(String(data)) as Frame));
    socket.pause();
    for (let i = 0; i < 90; i += 1)
      await signalExecution(api.commands, CALLER, executionId, { name: 'x', payload: 'x'.repeat(200_000) }); // more than sockets hold
    await pauseAndResume(api, executionId, 600);
    const count = async () => (await fetch(`${api.url}/metrics`)).text();
    await expect.poll(count, { timeout: 10_000 }).toContain('baton_subscriptions 0');
    const end = closed(socket);
    socket.resume();
    const { code, reason } = await end;
    expect(code).toBe(1013);
    const from = /^SLOW_CONSUMER: resume with \?from=(\d+)$/.exec(reason)?.[1] as string;
    expect(from).toBe(received.at(-1)?.position);
    const events = (await eventsOf(api, executionId)).slice(2);
    const [, ...rest] = await frames(follow(from), 1 + events.length - received.length);
    expect(heard([...received, ...rest])).toEqual(told(events));
  });
});

describe('a socket is not opened', () => {
  it('for a page of another site, or under a foreign name', async () => {
    const path = `/ws/workflows/${executionId}`;
    for (const options of [
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { origin: 'http://evil.example', headers: { host: 'evil.example' } },
    ])
      expect(await refusal(open(path, options))).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
    await frames(open(path, { origin: api.url }), 3);
  });

  it.each(['00000000-0000-4000-8000-000000000000', 'nope', '%00', '..%2f..%2fx', '%', 'x'.repeat(5_000), '__proto__'])(
    'for an execution that does not exist: %.40s',
    async (id) => {
      const { status, body } = await refusal(open(`/ws/workflows/${id}`));
      expect(status).toBe(404);
      expect(body).toMatchObject({ code: 'NOT_FOUND', status: 404 });
    },
  );

  it.each(['/ws/workflows', '/ws/workflows/', '/ws/workflows/a/b', '/ws', '/', '/api/v1/workflows'])(
    'on another path: %s',
    async (path) => expect(await refusal(open(path))).toMatchObject({ status: 404 }),
  );

  it.each([
    'from=',
    'from=-1',
    'from=1.5',
    'from=abc',
    'from=01',
    'from=9223372036854775808',
    'from=99999999999999999999',
    'from=9223372036854775807',
    'from=0&from=0',
    'form=0',
    '__proto__=1',
    'from=%00',
    'from=%',
  ])('with a bad query: %s', async (query) => {
    const { status, body } = await refusal(open(`/ws/workflows/${executionId}?${query}`));
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: 'BAD_USER_INPUT', issues: [{ pointer: expect.stringMatching(/^\/\w+$/) }] });
  });

  it('while the log cannot be reached', async () => {
    const away = await startApi({ commands: api.commands });
    const socket = new WebSocket(`${away.url.replace('http', 'ws')}/ws/workflows/${executionId}`);
    sockets.add(socket);
    expect(await refusal(socket)).toMatchObject({ status: 404 });
    await away.store.close();
    const second = new WebSocket(`${away.url.replace('http', 'ws')}/ws/workflows/${executionId}`);
    sockets.add(second);
    expect(await refusal(second)).toMatchObject({ status: 503, body: { code: 'UNAVAILABLE', retryable: true } });
    await away.stop();
  });
});

describe('a socket is closed', () => {
  it.each([
    ['a message', 1003, (socket: WebSocket) => socket.send('{}')],
    ['bytes', 1003, (socket: WebSocket) => socket.send(Buffer.from([1]))],
    ['too much', 1009, (socket: WebSocket) => socket.send('x'.repeat(64 * 1024 + 1))],
    [
      'a flood of pings', // cut off without a word, by ws itself
      1006,
      (socket: WebSocket) => {
        for (let i = 0; i < 500; i += 1) socket.ping();
      },
    ],
  ])('for %s', async (_, code, send) => {
    const socket = follow();
    await frames(socket, 3);
    const end = closed(socket);
    send(socket);
    expect((await end).code).toBe(code);
    expect(await eventsOf(api, executionId)).toHaveLength(2);
  });
});
