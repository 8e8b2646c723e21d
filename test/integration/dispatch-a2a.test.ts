import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cancelTask } from '../../src/commands/task/cancel-task.ts';
import { messageIdOf } from '../../src/domain/ids.ts';
import type { AttemptError } from '../../src/domain/task/events.ts';
import { caller, DispatchTest, type SubmitOptions } from '../support/dispatch-setup.ts';
import {
  type Reply,
  type Script,
  type ScriptedAgent,
  startScriptedAgent,
  taskJson,
} from '../support/scripted-agent.ts';

let test: DispatchTest;
let agent: ScriptedAgent | undefined;
beforeEach(() => {
  test = new DispatchTest();
});
afterEach(async () => {
  await test.close();
  await agent?.close();
  agent = undefined;
});

const start = async (script: Script, options: { streaming?: boolean; delivery?: string } = {}) => {
  agent = await startScriptedAgent(script, options);
  await test.registerRemote('remote', agent.cardUrl, options.delivery ? { delivery: options.delivery } : {});
  return { agent, dispatcher: await test.dispatcher() };
};

const run = (input: unknown = { n: 1 }, options: SubmitOptions = {}) => test.run(input, 'remote', 'a2a', options);

const errorOf = (event: { data: object }): AttemptError => (event.data as { error: AttemptError }).error;

describe('an A2A agent that answers at once', () => {
  it('gets input, ids and metadata of the attempt, and returns its data as the result', async () => {
    const { agent } = await start((_, reply) => reply.data({ ok: true }));
    const { taskId, event } = await run({ n: 1, list: ['ä'] });
    expect(event).toMatchObject({ type: 'TaskCompleted', data: { result: { ok: true }, agentId: 'remote' } });
    expect(agent.calls).toHaveLength(1);
    expect(agent.calls[0]).toMatchObject({
      method: 'SendMessage',
      messageId: messageIdOf(taskId, 1),
      effectKey: taskId,
      attempt: 1,
      input: { n: 1, list: ['ä'] },
      params: { message: { metadata: { capability: 'work' } }, configuration: { returnImmediately: true } },
    });
  });

  it.each([
    ['text', [{ text: 'plain' }], 'plain'],
    ['one data part and comments', [{ text: 'Here you are:' }, { data: { a: 1 } }], { a: 1 }],
    ['several data parts', [{ data: 1 }, { data: [2] }], [1, [2]]],
    ['several texts', [{ text: 'a' }, { text: 'b' }], ['a', 'b']],
    [
      'a file by URL, which nobody fetches',
      [{ url: 'http://169.254.169.254/', mediaType: 'image/png', filename: 'a.png' }],
      { url: 'http://169.254.169.254/', mediaType: 'image/png', filename: 'a.png' },
    ],
    ['bytes', [{ raw: 'aGk=', mediaType: 'text/plain' }], { base64: 'aGk=', mediaType: 'text/plain' }],
    ['nothing', [], null],
  ])('with %s is understood', async (_, parts, result) => {
    await start((call, reply) => reply.result({ message: { messageId: `m-${call.id}`, role: 'ROLE_AGENT', parts } }));
    const { event } = await run();
    expect(event).toMatchObject({ type: 'TaskCompleted', data: { result } });
  });

  it('accepts text and empty input', async () => {
    const { agent } = await start((call, reply) => reply.data(call.input ?? 'none'));
    expect((await run('hello')).event).toMatchObject({ data: { result: 'hello' } });
    expect((await run(null)).event).toMatchObject({ data: { result: {} } });
    expect(agent.calls[0]!.params['message']).toMatchObject({ parts: [{ text: 'hello' }] });
  });

  it('keeps connections', async () => {
    const sockets = new Set<unknown>();
    const { agent } = await start((_, reply) => {
      sockets.add(reply.response.socket);
      reply.data(1);
    });
    for (let i = 0; i < 5; i += 1) await run({ i });
    expect(agent.calls).toHaveLength(5);
    expect(sockets.size).toBe(1);
  });
});

const huge = 'x'.repeat(300_000);
const json = { 'content-type': 'application/json' };
const wrapped = (call: { id: unknown }, result: string): string =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(call.id)},"result":${result}}`;
const messageWith = (part: string): string => `{"message":{"messageId":"m","role":"ROLE_AGENT","parts":[${part}]}}`;

describe('an A2A agent that answers badly', () => {
  const cases: [string, Script, string, AttemptError['source']][] = [
    ['garbage', (_, reply) => reply.raw(200, json, '{]'), 'AGENT_PROTOCOL_ERROR', 'agent'],
    ['an empty body', (_, reply) => reply.raw(200, json, ''), 'AGENT_PROTOCOL_ERROR', 'agent'],
    ['HTML', (_, reply) => reply.raw(200, { 'content-type': 'text/html' }, '<p>'), 'AGENT_PROTOCOL_ERROR', 'agent'],
    ['no content type', (_, reply) => reply.raw(200, {}, '{}'), 'AGENT_PROTOCOL_ERROR', 'agent'],
    [
      'the id of another call',
      (_, reply) => reply.raw(200, json, wrapped({ id: 987 }, messageWith('{"data":1}'))),
      'AGENT_PROTOCOL_ERROR',
      'agent',
    ],
    [
      'an id of another type',
      (call, reply) => reply.raw(200, json, wrapped({ id: String(call.id) }, messageWith('{"data":1}'))),
      'AGENT_PROTOCOL_ERROR',
      'agent',
    ],
    ['a batch', (call, reply) => reply.raw(200, json, `[${wrapped(call, '{}')}]`), 'AGENT_PROTOCOL_ERROR', 'agent'],
    ['neither message nor task', (_, reply) => reply.result({}), 'AGENT_PROTOCOL_ERROR', 'agent'],
    ['a null result', (_, reply) => reply.result(null), 'AGENT_PROTOCOL_ERROR', 'agent'],
    ['a task without an id', (_, reply) => reply.task('', 'WORKING'), 'AGENT_PROTOCOL_ERROR', 'agent'],
    ['a task in an unknown state', (_, reply) => reply.task('t', 'DREAMING'), 'AGENT_PROTOCOL_ERROR', 'agent'],
    ['a task without a status', (_, reply) => reply.result({ task: { id: 't' } }), 'AGENT_PROTOCOL_ERROR', 'agent'],
    ['300 KiB', (_, reply) => reply.data(huge), 'AGENT_RESPONSE_TOO_LARGE', 'agent'],
    ['3 MiB', (_, reply) => reply.data(huge.repeat(10)), 'AGENT_RESPONSE_TOO_LARGE', 'agent'],
    [
      'bytes without end',
      (_, { response }) => {
        response.writeHead(200, json);
        const more = (error?: Error | null): void => {
          if (!error && !response.destroyed) response.write(huge, more);
        };
        more();
      },
      'AGENT_RESPONSE_TOO_LARGE',
      'agent',
    ],
    [
      '200,000 levels',
      (call, reply) =>
        reply.raw(200, json, wrapped(call, messageWith(`{"data":${'['.repeat(200_000)}${']'.repeat(200_000)}}`))),
      'AGENT_RESPONSE_INVALID',
      'agent',
    ],
    [
      'a forbidden key',
      (call, reply) => reply.raw(200, json, wrapped(call, messageWith('{"data":{"__proto__":{"admin":true}}}'))),
      'AGENT_RESPONSE_INVALID',
      'agent',
    ],
    ['a NUL', (_, reply) => reply.data({ text: 'a\u0000' }), 'AGENT_RESPONSE_INVALID', 'agent'],
    ['a lone surrogate', (_, reply) => reply.text('\ud800'), 'AGENT_RESPONSE_INVALID', 'agent'],
    [
      '1e400',
      (call, reply) => reply.raw(200, json, wrapped(call, messageWith('{"data":1e400}'))),
      'AGENT_RESPONSE_INVALID',
      'agent',
    ],
    [
      'a redirect, which is not followed',
      (_, reply) => reply.raw(308, { location: 'http://169.254.169.254/' }, ''),
      'AGENT_REDIRECTED',
      'agent',
    ],
    ['500', (_, reply) => reply.raw(500, {}, 'oops'), 'AGENT_HTTP_ERROR', 'destination'],
    ['503', (_, reply) => reply.raw(503, json, '{}'), 'AGENT_HTTP_ERROR', 'destination'],
    ['429', (_, reply) => reply.raw(429, {}, ''), 'AGENT_BUSY', 'destination'],
    ['401', (_, reply) => reply.raw(401, {}, ''), 'AGENT_UNAUTHORIZED', 'agent'],
    ['404', (_, reply) => reply.raw(404, { 'content-type': 'text/html' }, 'no'), 'AGENT_PROTOCOL_ERROR', 'agent'],
    ['a cut connection', (_, reply) => reply.cut(), 'AGENT_CONNECTION_LOST', 'destination'],
    [
      'half an answer',
      (_, { response }) => {
        response.writeHead(200, { ...json, 'content-length': '100' });
        response.write('{"jsonrpc"', () => response.destroy());
      },
      'AGENT_CONNECTION_LOST',
      'destination',
    ],
    ['no HTTP', (_, { response }) => response.socket?.end('SSH-2.0\r\n\r\n'), 'AGENT_PROTOCOL_ERROR', 'agent'],
    ['invalid params', (_, reply) => reply.error(-32602, 'no such skill'), 'AGENT_REFUSED_REQUEST', 'agent'],
    ['another version', (_, reply) => reply.error(-32009, '0.3 only'), 'AGENT_VERSION_UNSUPPORTED', 'agent'],
    ['an internal error', (_, reply) => reply.error(-32603, 'broken'), 'AGENT_ERROR', 'agent'],
  ];

  it.each(cases)('with %s fails the attempt with a specific code', async (_, script, code, source) => {
    const { dispatcher } = await start(script);
    const { event } = await run();
    expect(event.type).toBe('TaskAttemptFailed');
    expect(errorOf(event)).toMatchObject({ code, source });
    expect(dispatcher.counters).toMatchObject({ failed: 1, inFlight: 0 });
  });

  it('with an endless answer is cut off at 2 MiB', async () => {
    let sent = 0;
    await start((_, { response }) => {
      response.writeHead(200, json);
      const more = (error?: Error | null): void => {
        if (error || response.destroyed) return;
        sent += huge.length;
        response.write(huge, more);
      };
      more();
    });
    const { event } = await run();
    expect(errorOf(event).message).toBe('the answer has more than 2097152 bytes');
    // What the sockets on both sides hold comes on top.
    expect(sent).toBeLessThan(12 * 1024 * 1024);
  });

  it('is unreachable when nothing listens', async () => {
    const { agent } = await start(() => {});
    await agent.close();
    const { event } = await run();
    expect(errorOf(event)).toMatchObject({ code: 'AGENT_UNREACHABLE', source: 'destination', notSent: true });
    expect((event.data as { retryAt?: string }).retryAt).toBeDefined();
  });

  it('never is abandoned at the time limit', async () => {
    await start(() => {});
    const { event } = await run({}, { timeoutMs: 150 });
    expect(errorOf(event)).toMatchObject({ code: 'AGENT_TIMEOUT', source: 'timeout', retryable: true });
  });

  it('byte by byte is abandoned at the time limit', async () => {
    await start((_, { response }) => {
      response.writeHead(200, json);
      const drip = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(drip));
    });
    const { event } = await run({}, { timeoutMs: 300 });
    expect(errorOf(event)).toMatchObject({ code: 'AGENT_TIMEOUT', source: 'timeout' });
  });
});

describe('an A2A agent with a long task', () => {
  it('is polled until the task completes, and its artifacts are the result', async () => {
    let polls = 0;
    const { agent } = await start((call, reply) => {
      if (call.method === 'SendMessage') return reply.task('long-1', 'SUBMITTED');
      polls += 1;
      if (polls < 3) return reply.task('long-1', 'WORKING', { message: `step ${polls}`, metadata: { percent: polls } });
      return reply.task('long-1', 'COMPLETED', {
        artifacts: [{ artifactId: 'a', parts: [{ data: { done: polls } }] }],
      });
    });
    const { taskId, event } = await run();
    expect(event).toMatchObject({ type: 'TaskCompleted', data: { result: { done: 3 } } });
    expect(agent.sends()).toHaveLength(1);
    expect(agent.calls.at(-1)).toMatchObject({ method: 'GetTask', params: { id: 'long-1' } });
    const report = (await test.events(taskId)).find(({ type }) => type === 'TaskProgressReported');
    expect(report).toMatchObject({ data: { message: 'step 1', percent: 1 } });
  });

  it.each([
    ['FAILED', 'AGENT_FAILED', true],
    ['REJECTED', 'AGENT_REJECTED', false],
    ['CANCELED', 'AGENT_CANCELED', true],
    ['INPUT_REQUIRED', 'AGENT_INPUT_REQUIRED', false],
    ['AUTH_REQUIRED', 'AGENT_AUTH_REQUIRED', false],
  ])('that ends as %s fails the attempt', async (state, code, retryable) => {
    await start((call, reply) =>
      call.method === 'SendMessage' ? reply.task('t', 'WORKING') : reply.task('t', state, { message: 'because' }),
    );
    const { event } = await run();
    expect(errorOf(event)).toEqual({ code, message: 'because', source: 'agent', retryable });
  });

  it('can give its failure a code and report that a retry is useless', async () => {
    await start((_, reply) =>
      reply.task('t', 'FAILED', {
        message: 'no such country',
        metadata: { code: 'UNKNOWN_COUNTRY', retryable: false },
      }),
    );
    const { event } = await run({}, { maxAttempts: 3 });
    expect(errorOf(event)).toMatchObject({ code: 'UNKNOWN_COUNTRY', retryable: false });
  });

  it('that forgets its task fails the attempt', async () => {
    await start((call, reply) =>
      call.method === 'SendMessage' ? reply.task('t', 'WORKING') : reply.error(-32001, 'no such task'),
    );
    const { event } = await run();
    expect(errorOf(event)).toMatchObject({ code: 'AGENT_TASK_LOST', retryable: true });
  });

  it('that answers a poll with another task fails the attempt', async () => {
    await start((call, reply) =>
      call.method === 'SendMessage' ? reply.task('t', 'WORKING') : reply.task('other', 'COMPLETED'),
    );
    const { event } = await run();
    expect(errorOf(event)).toMatchObject({ code: 'AGENT_PROTOCOL_ERROR' });
  });

  it('is polled again when a poll fails', async () => {
    let polls = 0;
    await start((call, reply) => {
      if (call.method === 'SendMessage') return reply.task('t', 'WORKING');
      polls += 1;
      return polls <= 2
        ? reply.cut()
        : reply.task('t', 'COMPLETED', { artifacts: [{ artifactId: 'a', parts: [{ data: 7 }] }] });
    });
    const { event } = await run();
    expect(event).toMatchObject({ data: { result: 7 } });
  });

  it('is asked for the same task by the next dispatcher instead of being sent the message again', async () => {
    let done = false;
    const { agent, dispatcher } = await start((call, reply) => {
      if (call.method === 'SendMessage' || !done) return reply.task('kept', 'WORKING');
      return reply.task('kept', 'COMPLETED', { artifacts: [{ artifactId: 'a', parts: [{ data: 'kept' }] }] });
    });
    const taskId = await test.submit({});
    await test.queues.attempts.offer([test.job(taskId, 'remote', 'a2a')]);
    const key = `${test.queueOptions.prefix}:dispatch.default.default:${taskId}.1`;
    await expect.poll(async () => String(await test.redis.hget(key, 'data'))).toContain('"remoteTaskId":"kept"');
    await dispatcher.stop(0);
    done = true;
    await test.dispatcher();
    await expect(test.outcome(taskId)).resolves.toMatchObject({ data: { result: 'kept' } });
    expect(agent.sends()).toHaveLength(1);
    expect(agent.calls.map(({ method }) => method)).not.toContain('CancelTask');
  });

  it('is recorded to have asked for a pause; the task may go to another meanwhile', async () => {
    await start((_, reply) => reply.raw(429, { 'retry-after': '3600' }, ''));
    const { event } = await run({}, { maxAttempts: 3 });
    const { failedAt, retryAt, ...data } = event.data as { failedAt: string; retryAt: string };
    expect(data).toMatchObject({ error: { code: 'AGENT_BUSY' }, retryAfterMs: 3_600_000 });
    expect(Date.parse(retryAt) - Date.parse(failedAt)).toBeLessThan(60_000);
  });

  it('may answer the request to stop with a stream, which is not read', async () => {
    const { agent } = await start((call, reply) => {
      if (call.method === 'CancelTask') reply.stream().send({});
      else reply.task('t', 'WORKING');
    });
    const closed = () => agent.calls.some(({ method }) => method === 'CancelTask');
    await run({}, { timeoutMs: 150 });
    await expect.poll(closed).toBe(true);
  });

  it('is asked to stop when the task is cancelled or times out', async () => {
    const { agent, dispatcher } = await start((call, reply) =>
      reply.task(`r-${call.method === 'SendMessage' ? call.input : (call.params['id'] as string).slice(2)}`, 'WORKING'),
    );
    const taskId = await test.submit('cancelled');
    await test.queues.attempts.offer([test.job(taskId, 'remote', 'a2a')]);
    await expect.poll(() => agent.calls.some(({ method }) => method === 'GetTask')).toBe(true);
    await cancelTask(test.commands, caller, taskId);
    const cancels = () => agent.calls.filter(({ method }) => method === 'CancelTask').map(({ params }) => params['id']);
    await expect.poll(cancels).toEqual(['r-cancelled']);
    expect(dispatcher.counters).toMatchObject({ cancelled: 1 });
    await run('late', { timeoutMs: 200 });
    await expect.poll(cancels).toEqual(['r-cancelled', 'r-late']);
  });
});

const statusUpdate = (id: string, state: string, message?: string) => {
  const { status } = taskJson(id, state, message === undefined ? {} : { message }) as { status: object };
  return { statusUpdate: { taskId: id, contextId: 'context', status } };
};

describe('an A2A agent that streams', () => {
  const artifact = (id: string, data: unknown, append = false) => ({
    artifactUpdate: { taskId: id, contextId: 'context', artifact: { artifactId: 'a', parts: [{ data }] }, append },
  });

  it('is followed to the end, with progress and artifacts in pieces', async () => {
    const { agent } = await start(
      (_, reply) => {
        const stream = reply.stream();
        stream.send({ task: taskJson('s', 'SUBMITTED') });
        stream.send(statusUpdate('s', 'WORKING', 'reading'));
        stream.send(artifact('s', 1));
        stream.send(artifact('s', 2, true));
        stream.send(statusUpdate('s', 'COMPLETED'));
        stream.end();
      },
      { streaming: true },
    );
    const { taskId, event } = await run();
    expect(event).toMatchObject({ type: 'TaskCompleted', data: { result: [1, 2] } });
    expect(agent.calls.map(({ method }) => method)).toEqual(['SendStreamingMessage']);
    const report = (await test.events(taskId)).find(({ type }) => type === 'TaskProgressReported');
    expect(report).toMatchObject({ data: { message: 'reading' } });
  });

  it('may answer with a message', async () => {
    await start(
      (_, reply) => {
        const stream = reply.stream();
        stream.send({ message: { messageId: 'm', role: 'ROLE_AGENT', parts: [{ data: 'direct' }] } });
        stream.end();
      },
      { streaming: true },
    );
    expect((await run()).event).toMatchObject({ data: { result: 'direct' } });
  });

  it('is subscribed to again when the stream breaks off, and polled when that fails too', async () => {
    const { agent } = await start(
      (call, reply) => {
        if (call.method === 'GetTask')
          return reply.task('s', 'COMPLETED', { artifacts: [{ artifactId: 'a', parts: [{ data: 'polled' }] }] });
        const stream = reply.stream();
        if (call.method === 'SendStreamingMessage') stream.send({ task: taskJson('s', 'WORKING') });
        setTimeout(() => stream.cut(), 50);
      },
      { streaming: true },
    );
    expect((await run()).event).toMatchObject({ data: { result: 'polled' } });
    expect(agent.calls.map(({ method }) => method)).toEqual(['SendStreamingMessage', 'SubscribeToTask', 'GetTask']);
  });

  const bad: [string, (reply: Reply) => void, string][] = [
    ['an update without a task', (reply) => reply.stream().send(statusUpdate('s', 'WORKING')), 'AGENT_PROTOCOL_ERROR'],
    ['nothing', (reply) => reply.stream().end(), 'AGENT_PROTOCOL_ERROR'],
    [
      'garbage',
      (reply) => reply.raw(200, { 'content-type': 'text/event-stream' }, 'data: {]\n\n'),
      'AGENT_PROTOCOL_ERROR',
    ],
    [
      'an update of another task',
      (reply) => {
        const stream = reply.stream();
        stream.send({ task: taskJson('s', 'WORKING') });
        stream.send(statusUpdate('other', 'COMPLETED'));
      },
      'AGENT_PROTOCOL_ERROR',
    ],
    [
      'more than 32 MiB',
      (reply) => {
        const stream = reply.stream();
        stream.send({ task: taskJson('s', 'WORKING') });
        const more = (error?: Error | null): void => {
          if (!error && !reply.response.destroyed) reply.response.write(`: ${huge}\n\n`, more);
        };
        more();
      },
      'AGENT_RESPONSE_TOO_LARGE',
    ],
    ['a cut before the first event', (reply) => reply.stream().cut(), 'AGENT_CONNECTION_LOST'],
  ];
  it.each(bad)('with %s fails the attempt with a specific code', async (_, answer, code) => {
    await start((_call, reply) => answer(reply), { streaming: true });
    expect(errorOf((await run({}, { timeoutMs: 10_000 })).event)).toMatchObject({ code });
  });
});

describe('an A2A agent that must not be called twice', () => {
  it.each<[string, Script, string]>([
    ['a cut connection', (_, reply) => reply.cut(), 'AGENT_CONNECTION_LOST'],
    ['garbage', (_, reply) => reply.raw(200, json, '{]'), 'AGENT_PROTOCOL_ERROR'],
    ['500', (_, reply) => reply.raw(500, {}, ''), 'AGENT_HTTP_ERROR'],
    ['no answer', () => {}, 'AGENT_TIMEOUT'],
  ])('leaves an unknown outcome after %s', async (_, script, code) => {
    await start(script, { delivery: 'at_most_once' });
    const { event } = await run({}, { timeoutMs: 300, maxAttempts: 3 });
    expect(event).toMatchObject({ type: 'TaskOutcomeUnknown', data: { error: { code } } });
  });

  it('fails the attempt if it reports a failure or was never reached', async () => {
    const { agent } = await start((_, reply) => reply.task('t', 'FAILED'), { delivery: 'at_most_once' });
    expect((await run()).event.type).toBe('TaskAttemptFailed');
    await agent.close();
    expect((await run()).event.type).toBe('TaskAttemptFailed');
  });
});
