import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deregisterAgent } from '../../src/commands/agent/deregister-agent.ts';
import { cancelTask } from '../../src/commands/task/cancel-task.ts';
import { completeAttempt, failAttempt, startAttempt } from '../../src/commands/task/close-attempt.ts';
import type { EventStore } from '../../src/eventstore/event-store.ts';
import { unavailable } from '../../src/platform/errors.ts';
import { caller, commandsOn, DispatchTest, localAgent } from '../support/dispatch-setup.ts';

let test: DispatchTest;
beforeEach(() => {
  test = new DispatchTest();
});
afterEach(() => test.close());

const deferred = <T>() => {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
};

describe('a local agent', () => {
  it('is called once with its input, and its result is recorded with cost and duration', async () => {
    const seen: unknown[] = [];
    test.localAgents.register(localAgent('doubler'), (input, call) => {
      seen.push({ input, attempt: call.attempt, effectKey: call.effectKey });
      return { doubled: (input as { n: number }).n * 2 };
    });
    await test.registerLocal('doubler', { costPerCall: { currency: 'EUR', micros: 250 } });
    const dispatcher = await test.dispatcher();
    const { taskId, event } = await test.run({ n: 21 }, 'doubler', 'local');
    expect(event).toMatchObject({
      type: 'TaskCompleted',
      data: { result: { doubled: 42 }, agentId: 'doubler', attempt: 1, cost: { currency: 'EUR', micros: 250 } },
    });
    expect(seen).toEqual([{ input: { n: 21 }, attempt: 1, effectKey: taskId }]);
    expect(dispatcher.counters).toMatchObject({ jobs: 1, calls: 1, completed: 1, failed: 0, inFlight: 0 });
  });

  it('fails with what it threw, and the retry policy decides', async () => {
    test.localAgents.register(localAgent('thrower'), () => {
      throw new Error('no\u0000 way');
    });
    await test.registerLocal('thrower');
    await test.dispatcher();
    const { taskId, event } = await test.run({}, 'thrower', 'local', { maxAttempts: 2 });
    expect(event).toMatchObject({
      type: 'TaskAttemptFailed',
      data: { error: { code: 'AGENT_FAILED', message: 'no way', source: 'agent', retryable: true } },
    });
    await test.queues.attempts.offer([test.job(taskId, 'thrower', 'local', 2)]);
    await expect(test.outcome(taskId, 'TaskDeadLettered')).resolves.toMatchObject({
      data: { reason: 'attempts_exhausted', attempts: 2 },
    });
  });

  it.each([
    ['a NUL', () => ({ text: 'a\u0000b' }), 'AGENT_RESPONSE_INVALID'],
    ['a lone surrogate', () => '\ud800', 'AGENT_RESPONSE_INVALID'],
    ['a forbidden key', () => JSON.parse('{"__proto__": 1}'), 'AGENT_RESPONSE_INVALID'],
    ['NaN', () => Number.NaN, 'AGENT_RESPONSE_INVALID'],
    ['200,000 levels', () => JSON.parse('['.repeat(200_000) + ']'.repeat(200_000)), 'AGENT_RESPONSE_INVALID'],
    ['a function', () => ({ f: () => 1 }), 'AGENT_RESPONSE_INVALID'],
    ['300 KiB', () => 'x'.repeat(300_000), 'AGENT_RESPONSE_TOO_LARGE'],
  ])('that answers with %s fails with a specific code before a result is recorded', async (_, answer, code) => {
    test.localAgents.register(localAgent('odd'), answer as never);
    await test.registerLocal('odd');
    await test.dispatcher();
    const { event } = await test.run({}, 'odd', 'local');
    expect(event).toMatchObject({ type: 'TaskAttemptFailed', data: { error: { code } } });
  });

  it('that never answers is abandoned at the time limit, and notified', async () => {
    const aborted = deferred<string>();
    test.localAgents.register(localAgent('sleeper'), (_, { signal }) => {
      signal.addEventListener('abort', () => aborted.resolve((signal.reason as { reason: string }).reason));
      return new Promise(() => {});
    });
    await test.registerLocal('sleeper');
    const dispatcher = await test.dispatcher();
    const { event } = await test.run({}, 'sleeper', 'local', { timeoutMs: 100 });
    expect(event).toMatchObject({ data: { error: { code: 'AGENT_TIMEOUT', source: 'timeout', retryable: true } } });
    await expect(aborted.promise).resolves.toBe('timeout');
    expect(dispatcher.counters).toMatchObject({ timeouts: 1, failed: 1 });
  });

  it('reports progress: the first at once, later ones throttled, the last checkpoint kept for the next attempt', async () => {
    const checkpoints: unknown[] = [];
    test.localAgents.register(localAgent('worker'), (_, call) => {
      checkpoints.push(call.checkpoint);
      for (let percent = 10; percent <= 100; percent += 10)
        call.reportProgress({ percent, checkpoint: { done: percent } });
      if (call.attempt === 1) throw new Error('half way');
      return 'done';
    });
    await test.registerLocal('worker');
    await test.dispatcher();
    const { taskId } = await test.run({}, 'worker', 'local', { maxAttempts: 2 });
    const reports = (await test.events(taskId)).filter(({ type }) => type === 'TaskProgressReported');
    expect(reports.map(({ data }) => (data as { percent?: number }).percent)).toEqual([10, 100]);
    await test.queues.attempts.offer([test.job(taskId, 'worker', 'local', 2)]);
    await test.outcome(taskId, 'TaskCompleted');
    expect(checkpoints).toEqual([undefined, { done: 100 }]);
  });

  it('that was deregistered is not called, and the failure counts as Baton’s own', async () => {
    test.localAgents.register(localAgent('gone'), () => 1);
    await test.registerLocal('gone');
    await test.dispatcher();
    await deregisterAgent(test.commands, caller, 'gone');
    const { event } = await test.run({}, 'gone', 'local');
    expect(event).toMatchObject({
      data: { error: { code: 'AGENT_NOT_REGISTERED', source: 'baton', retryable: true } },
    });
    expect((event.data as { cost?: unknown }).cost).toBeUndefined();
  });
});

describe('delivery', () => {
  it('of an attempt that is offered twice is one job', async () => {
    const release = deferred<void>();
    let calls = 0;
    test.localAgents.register(localAgent('slow'), async () => {
      calls += 1;
      await release.promise;
      return 'ok';
    });
    await test.registerLocal('slow');
    const dispatcher = await test.dispatcher();
    const taskId = await test.submit({});
    const job = test.job(taskId, 'slow', 'local');
    await test.queues.attempts.offer([job, job]);
    await expect.poll(() => dispatcher.counters.inFlight).toBe(1);
    await test.queues.attempts.offer([job]);
    release.resolve();
    await test.outcome(taskId);
    expect(calls).toBe(1);
    expect(dispatcher.counters).toMatchObject({ jobs: 1, completed: 1 });
  });

  it('of an attempt that is closed makes no call', async () => {
    test.localAgents.register(localAgent('idle'), () => 'never');
    await test.registerLocal('idle');
    const taskId = await test.submit({}, { maxAttempts: 3 });
    const error = { code: 'X', message: 'x', source: 'agent' as const, retryable: true };
    await failAttempt(test.commands, caller, { taskId, attempt: 1, agentId: 'idle' }, { error });
    const dispatcher = await test.dispatcher();
    await test.queues.attempts.offer([test.job(taskId, 'idle', 'local', 1)]);
    await expect.poll(() => dispatcher.counters.dropped).toBe(1);
    expect(dispatcher.counters.calls).toBe(0);
    expect(await test.redis.keys(`${test.queueOptions.prefix}:local.default.idle:${taskId}*`)).toEqual([]);
  });

  it('of an attempt that closed meanwhile is refused by the log, and counted', async () => {
    const release = deferred<void>();
    test.localAgents.register(localAgent('zombie'), async () => {
      await release.promise;
      return 'late';
    });
    await test.registerLocal('zombie');
    // A feed that shows nothing: the dispatcher cannot know that its attempt was closed.
    const dispatcher = await test.dispatcher({ feed: { status: () => ({}), async *read() {} } as never });
    const taskId = await test.submit({});
    await test.queues.attempts.offer([test.job(taskId, 'zombie', 'local')]);
    await expect.poll(() => dispatcher.counters.inFlight).toBe(1);
    await completeAttempt(
      test.commands,
      caller,
      { taskId, attempt: 1, agentId: 'other' },
      { result: 'first', durationMs: 1 },
    );
    release.resolve();
    await expect.poll(() => dispatcher.counters.staleCompletionsRefused).toBe(1);
    const completions = (await test.events(taskId)).filter(({ type }) => type === 'TaskCompleted');
    expect(completions).toMatchObject([{ data: { result: 'first' } }]);
  });

  it('continues after FLUSHALL: the running call completes, and a job offered again does not repeat it', async () => {
    const release = deferred<void>();
    let calls = 0;
    test.localAgents.register(localAgent('flushed'), async () => {
      calls += 1;
      await release.promise;
      return 'ok';
    });
    await test.registerLocal('flushed');
    const dispatcher = await test.dispatcher();
    const taskId = await test.submit({});
    const job = test.job(taskId, 'flushed', 'local');
    expect(await test.queues.attempts.ensureSentinel()).toBe('recreated');
    await test.queues.attempts.offer([job]);
    await expect.poll(() => dispatcher.counters.inFlight).toBe(1);
    expect(await test.queues.attempts.ensureSentinel()).toBe('present');
    // This test's keys only: other tests share the server.
    const keys = await test.redis.keys(`${test.queueOptions.prefix}:*`);
    await test.redis.del(...keys);
    expect(await test.queues.attempts.ensureSentinel('other')).toBe('recreated');
    expect(await test.queues.attempts.ensureSentinel()).toBe('recreated');
    expect(await test.queues.attempts.ensureSentinel()).toBe('present');
    await test.queues.attempts.offer([job]);
    await expect.poll(() => dispatcher.counters.jobs).toBe(2);
    release.resolve();
    await test.outcome(taskId);
    await expect.poll(() => test.redis.exists(`${test.queueOptions.prefix}:local.default.flushed:${taskId}.1`)).toBe(0);
    expect(calls).toBe(1);
    const after = await test.run({}, 'flushed', 'local');
    expect(after.event.type).toBe('TaskCompleted');
  });

  it('of a cancelled task is aborted, and nothing more is recorded', async () => {
    const aborted = deferred<string>();
    test.localAgents.register(localAgent('cancelled'), (_, { signal }) => {
      signal.addEventListener('abort', () => aborted.resolve((signal.reason as { reason: string }).reason));
      return new Promise(() => {});
    });
    await test.registerLocal('cancelled');
    const dispatcher = await test.dispatcher();
    const taskId = await test.submit({});
    await test.queues.attempts.offer([test.job(taskId, 'cancelled', 'local')]);
    await expect.poll(() => dispatcher.counters.inFlight).toBe(1);
    await cancelTask(test.commands, caller, taskId);
    await expect(aborted.promise).resolves.toBe('closed');
    await expect.poll(() => dispatcher.counters).toMatchObject({ cancelled: 1, inFlight: 0, failed: 0 });
    expect((await test.events(taskId)).map(({ type }) => type)).toEqual(['TaskSubmitted', 'TaskCancelled']);
  });

  it('is handed to another dispatcher at shutdown', async () => {
    let calls = 0;
    test.localAgents.register(localAgent('moved'), async () => {
      calls += 1;
      return calls === 1 ? new Promise<never>(() => {}) : 'second';
    });
    await test.registerLocal('moved');
    const first = await test.dispatcher();
    const taskId = await test.submit({});
    await test.queues.attempts.offer([test.job(taskId, 'moved', 'local')]);
    await expect.poll(() => first.counters.inFlight).toBe(1);
    await first.stop(50);
    expect(first.counters).toMatchObject({ handedBack: 1, inFlight: 0 });
    const second = await test.dispatcher();
    await expect(test.outcome(taskId)).resolves.toMatchObject({ data: { result: 'second' } });
    expect(second.counters.redelivered).toBe(1);
  });

  it('waits at shutdown for jobs that finish within the grace period', async () => {
    const release = deferred<void>();
    test.localAgents.register(localAgent('finishing'), async () => {
      await release.promise;
      return 'finished';
    });
    await test.registerLocal('finishing');
    const dispatcher = await test.dispatcher();
    const taskId = await test.submit({});
    await test.queues.attempts.offer([test.job(taskId, 'finishing', 'local')]);
    await expect.poll(() => dispatcher.counters.inFlight).toBe(1);
    const stopping = dispatcher.stop(5_000);
    release.resolve();
    await stopping;
    expect((await test.events(taskId)).map(({ type }) => type)).toEqual(['TaskSubmitted', 'TaskCompleted']);
  });
});

describe('an agent that must not be called twice', () => {
  it('has its start recorded before the call', async () => {
    let atCall: string[] = [];
    test.localAgents.register(localAgent('once'), async (_, { taskId }) => {
      atCall = (await test.events(taskId)).map(({ type }) => type);
      return 'ok';
    });
    await test.registerLocal('once', { delivery: 'at_most_once' });
    await test.dispatcher();
    const { event } = await test.run({}, 'once', 'local');
    expect(event.type).toBe('TaskCompleted');
    expect(atCall).toEqual(['TaskSubmitted', 'TaskAttemptStarted']);
  });

  it('leaves an unknown outcome at the time limit, which its late answer settles', async () => {
    const release = deferred<void>();
    test.localAgents.register(localAgent('once'), async () => {
      await release.promise;
      return 'late';
    });
    await test.registerLocal('once', { delivery: 'at_most_once' });
    const dispatcher = await test.dispatcher();
    const { taskId, event } = await test.run({}, 'once', 'local', { timeoutMs: 100, maxAttempts: 3 });
    expect(event).toMatchObject({ type: 'TaskOutcomeUnknown', data: { error: { code: 'AGENT_TIMEOUT' } } });
    expect(dispatcher.counters).toMatchObject({ indeterminate: 1, failed: 0 });
    release.resolve();
    const late = await completeAttempt(
      test.commands,
      caller,
      { taskId, attempt: 1, agentId: 'once' },
      { result: 'late', durationMs: 200 },
    );
    expect(late.ok).toBe(true);
  });

  it('leaves an unknown outcome if it is deregistered after an earlier delivery may have called it', async () => {
    await test.registerLocal('once', { delivery: 'at_most_once' });
    const taskId = await test.submit({}, { maxAttempts: 3 });
    await startAttempt(test.commands, caller, { taskId, attempt: 1, agentId: 'once' });
    await deregisterAgent(test.commands, caller, 'once');
    test.localAgents.register(localAgent('once'), () => 'called');
    await test.dispatcher();
    await test.queues.attempts.offer([test.job(taskId, 'once', 'local')]);
    await expect(test.outcome(taskId)).resolves.toMatchObject({
      type: 'TaskOutcomeUnknown',
      data: { error: { code: 'AGENT_NOT_REGISTERED' } },
    });
  });

  it('is not called by a second delivery', async () => {
    let calls = 0;
    test.localAgents.register(localAgent('once'), async () => {
      calls += 1;
      return new Promise<never>(() => {});
    });
    await test.registerLocal('once', { delivery: 'at_most_once' });
    const first = await test.dispatcher();
    const taskId = await test.submit({});
    await test.queues.attempts.offer([test.job(taskId, 'once', 'local')]);
    await expect.poll(() => first.counters.inFlight).toBe(1);
    await first.stop(0);
    await test.dispatcher();
    await expect(test.outcome(taskId)).resolves.toMatchObject({
      type: 'TaskOutcomeUnknown',
      data: { error: { code: 'OUTCOME_UNKNOWN', source: 'baton' } },
    });
    expect(calls).toBe(1);
  });
});

describe('while the log is unreachable', () => {
  it('a result is kept and recorded later, without a second call', async () => {
    let calls = 0;
    test.localAgents.register(localAgent('steady'), () => {
      calls += 1;
      return 'kept';
    });
    await test.registerLocal('steady');
    const taskId = await test.submit({});
    const append = test.store.append.bind(test.store);
    let failures = 3;
    test.store.append = async (...args) => {
      if (failures > 0) {
        failures -= 1;
        throw unavailable('the log is unreachable');
      }
      return append(...args);
    };
    await test.dispatcher();
    await test.queues.attempts.offer([test.job(taskId, 'steady', 'local')]);
    await expect(test.outcome(taskId)).resolves.toMatchObject({ data: { result: 'kept' } });
    expect(calls).toBe(1);
  });

  it('a job whose task cannot be read is delivered again', async () => {
    test.localAgents.register(localAgent('steady'), () => 'read later');
    await test.registerLocal('steady');
    const taskId = await test.submit({});
    let failures = 2;
    const away: EventStore = {
      ...test.store,
      async readStream(...args) {
        failures -= 1;
        if (failures >= 0) throw unavailable('the log is unreachable');
        return test.store.readStream(...args);
      },
    };
    const dispatcher = await test.dispatcher({ commands: commandsOn(away) });
    await test.queues.attempts.offer([test.job(taskId, 'steady', 'local')]);
    await expect(test.outcome(taskId)).resolves.toMatchObject({ data: { result: 'read later' } });
    expect(dispatcher.counters).toMatchObject({ jobs: 3, redelivered: 2, calls: 1 });
  });
});
