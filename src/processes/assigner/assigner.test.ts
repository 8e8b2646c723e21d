import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { commandsOver, type FakeClock, fakeClock, fakeIds } from '../../../test/support/fake-ports.ts';
import {
  type CountedFeed,
  countedFeed,
  type MemorySnapshots,
  memoryLease,
  memorySnapshots,
} from '../../../test/support/leading.ts';
import { appendFromNewerBuild } from '../../../test/support/newer-build.ts';
import { drainAgent } from '../../commands/agent/drain-agent.ts';
import { registerAgent } from '../../commands/agent/register-agent.ts';
import type { Commands } from '../../commands/context.ts';
import { cancelTask } from '../../commands/task/cancel-task.ts';
import { completeAttempt, failAttempt } from '../../commands/task/close-attempt.ts';
import { submitTask } from '../../commands/task/submit-task.ts';
import type { AttemptJob, AttemptOffers, Withdrawn } from '../../dispatch/queues/attempt-queue.ts';
import { agentStream, poolStream, taskStream } from '../../domain/ids.ts';
import { DISPATCH_GRACE_MS } from '../../domain/pool/task-entry.ts';
import type { EventStore } from '../../eventstore/event-store.ts';
import { LogFeed } from '../../eventstore/log-feed.ts';
import { createMemoryEventStore } from '../../eventstore/memory-event-store.ts';
import { type Clock, systemClock } from '../../platform/clock.ts';
import { createLogger } from '../../platform/logger.ts';
import { Assigner, type AssignerDeps } from './assigner.ts';
import { LedgerWriter } from './ledger-writer.ts';

const TENANT = 'default';
const POOL = 'default';
const CALLER = { tenant: TENANT, actor: 'test' };
const TIMEOUT_MS = 60_000;
const logger = createLogger('silent');
const within = { timeout: 10_000, interval: 1 };

/** The queue as the assigner sees it. */
class Offered implements AttemptOffers {
  readonly offers: { readonly times: string; readonly tasks: string[] }[] = [];
  sentinel: 'present' | 'recreated' = 'present';
  unreachable = false;
  /** It answers nothing any more. */
  frozen = false;

  async offer(jobs: readonly AttemptJob[], times: 'first' | 'again' = 'again'): Promise<void> {
    if (this.frozen) await new Promise(() => {});
    if (this.unreachable) throw new Error('Redis is unreachable');
    if (jobs.length > 0) this.offers.push({ times, tasks: jobs.map(({ taskId }) => taskId) });
  }
  /** What became of the jobs; taken at once when absent. */
  withdrawn: Withdrawn = { kind: 'taken', sinceMs: 0 };

  async withdraw(): Promise<Withdrawn> {
    if (this.unreachable) throw new Error('Redis is unreachable');
    return this.withdrawn;
  }
  async ensureSentinel(): Promise<'present' | 'recreated'> {
    if (this.frozen) await new Promise(() => {});
    if (this.unreachable) throw new Error('Redis is unreachable');
    const { sentinel } = this;
    this.sentinel = 'present';
    return sentinel;
  }
}

let clock: FakeClock;
let store: EventStore;
let feed: LogFeed;
let counted: CountedFeed;
let snapshots: MemorySnapshots;
let lease: ReturnType<typeof memoryLease>;
let commands: Commands;
let queue: Offered;
const running = new Set<() => Promise<void>>();

beforeEach(async () => {
  clock = fakeClock();
  store = createMemoryEventStore({ clock });
  feed = await LogFeed.start({ store, clock: systemClock, logger });
  counted = countedFeed(feed);
  snapshots = memorySnapshots();
  lease = memoryLease(clock);
  commands = commandsOver(store, { clock });
  queue = new Offered();
});

afterEach(async () => {
  await Promise.all([...running].map((stop) => stop()));
  await feed.stop();
});

let processes = 100;
const assigner = (ports: Partial<AssignerDeps> = {}) => {
  const stopping = new AbortController();
  const started = new Assigner({
    tenant: TENANT,
    pool: POOL,
    store,
    feed: counted,
    commands,
    queue,
    snapshots,
    acquireLease: () => lease.acquire(),
    clock,
    ids: fakeIds(processes++),
    logger,
    ...ports,
  });
  const ended = started.run(stopping.signal);
  const stop = async () => {
    running.delete(stop);
    stopping.abort();
    await ended;
  };
  running.add(stop);
  return { counters: started.counters, status: () => started.status(), stop };
};

const register = (agentId: string, maxConcurrency = 10) =>
  registerAgent(commands, CALLER, { agentId, capabilities: [{ name: 'work', version: '1.0.0' }], maxConcurrency });
const submit = async (facts: { deadlineAt?: string; dependsOn?: string[] } = {}): Promise<string> => {
  const submitted = await submitTask(commands, CALLER, {
    capability: 'work',
    timeoutMs: TIMEOUT_MS,
    retry: { maxAttempts: 1 },
    ...facts,
  });
  if (!submitted.ok) throw new Error(submitted.rejection.reason);
  return submitted.value.id;
};
const pass = async (ms: number, stepMs: number): Promise<void> => {
  for (let passed = 0; passed < ms; passed += stepMs) {
    clock.advance(stepMs);
    for (let turn = 0; turn < 20; turn += 1) await nextTurn();
  }
};
const ledgerTypes = async (): Promise<string[]> =>
  (await store.readStream(poolStream(TENANT, POOL))).map(({ type }) => type);
const eventually = (assertion: () => unknown): Promise<unknown> => vi.waitFor(assertion, within);

describe('an assigner', () => {
  it('is elected, assigns what is ready, and offers it', async () => {
    await register('a');
    const tasks = [await submit(), await submit()];
    const { counters } = assigner();
    await eventually(() => expect(queue.offers).toEqual([{ times: 'first', tasks }]));
    expect(await ledgerTypes()).toEqual(['PoolWriterElected', 'TasksAssigned']);
    expect(counters).toMatchObject({ assigned: 2, appends: 1, fenced: 0 });
  });

  it('records how far it had read the log, and how much could be called', async () => {
    await register('a');
    assigner({ places: { of: async () => 7 } });
    await eventually(async () => expect(await ledgerTypes()).toEqual(['PoolWriterElected']));
    await pass(3_000, 1_000);
    const [submission] = await store.readStream(taskStream(TENANT, await submit()));
    await eventually(async () =>
      expect((await store.readStream(poolStream(TENANT, POOL))).at(-1)?.data).toMatchObject({
        readTo: String(submission?.position),
        places: { a2a: 7 },
      }),
    );
  });

  it('assigns a slot that became free', async () => {
    await register('a', 1);
    const [first, second] = [await submit(), await submit()];
    assigner();
    await eventually(() => expect(queue.offers).toEqual([{ times: 'first', tasks: [first] }]));
    await completeAttempt(commands, CALLER, { taskId: first, attempt: 1, agentId: 'a' }, { result: 1, durationMs: 1 });
    await pass(12, 12);
    await eventually(() => expect(queue.offers.at(-1)).toEqual({ times: 'first', tasks: [second] }));
  });

  it('closes an attempt that does not end in time', async () => {
    await register('a');
    const taskId = await submit();
    const { counters } = assigner();
    await eventually(() => expect(counters.assigned).toBe(1));
    await pass(TIMEOUT_MS + DISPATCH_GRACE_MS, 5_000);
    await eventually(() => expect(counters.expired).toBe(1));
    const types = (await store.readStream(taskStream(TENANT, taskId))).map(({ type }) => type);
    expect(types).toEqual(['TaskSubmitted', 'TaskAttemptFailed', 'TaskDeadLettered']);
  });

  it('assigns while the queue is unreachable, and offers when it is back', async () => {
    await register('a');
    const taskId = await submit();
    queue.unreachable = true;
    const { counters } = assigner();
    await eventually(() => expect(counters.assigned).toBe(1));
    queue.unreachable = false;
    await pass(1_000, 1_000);
    await eventually(() => expect(queue.offers).toEqual([{ times: 'again', tasks: [taskId] }]));
  });

  it('offers every open assignment again when the queue was emptied', async () => {
    await register('a');
    const taskId = await submit();
    const { counters } = assigner();
    await eventually(() => expect(queue.offers).toHaveLength(1));
    queue.sentinel = 'recreated';
    await pass(1_000, 1_000);
    await eventually(() => expect(queue.offers.at(-1)).toEqual({ times: 'again', tasks: [taskId] }));
    expect(counters.reoffered).toBe(1);
  });

  it('offers every open assignment again from time to time', async () => {
    await register('a');
    await submit();
    const { counters } = assigner();
    await eventually(() => expect(queue.offers).toHaveLength(1));
    await pass(16_000, 1_000);
    expect(counters.reoffered).toBe(1);
  });
});

describe('a task that waits for others', () => {
  const typesOf = async (taskId: string): Promise<string[]> =>
    (await store.readStream(taskStream(TENANT, taskId))).map(({ type }) => type);
  const complete = (taskId: string) =>
    completeAttempt(commands, CALLER, { taskId, attempt: 1, agentId: 'a' }, { result: 1, durationMs: 1 });

  it('is assigned once they have completed, also when the last did while nobody led the pool', async () => {
    await register('a');
    const first = await submit();
    const second = await submit({ dependsOn: [first] });
    const third = await submit({ dependsOn: [second] });
    const { stop } = assigner();
    await eventually(() => expect(queue.offers).toEqual([{ times: 'first', tasks: [first] }]));
    await complete(first);
    await pass(24, 12);
    await eventually(async () => expect(await typesOf(second)).toEqual(['TaskSubmitted', 'TaskUnblocked']));
    await pass(24, 12);
    await eventually(() => expect(queue.offers.at(-1)).toEqual({ times: 'first', tasks: [second] }));
    await stop();
    await complete(second);
    assigner();
    await eventually(async () => expect(await typesOf(third)).toEqual(['TaskSubmitted', 'TaskUnblocked']));
    await pass(24, 12);
    await eventually(() => expect(queue.offers.at(-1)).toEqual({ times: 'first', tasks: [third] }));
  });

  it('is cancelled when one of them is, and so are those that wait for it', async () => {
    const first = await submit();
    const second = await submit({ dependsOn: [first] });
    const third = await submit({ dependsOn: [second, first] });
    assigner();
    await eventually(async () => expect(await ledgerTypes()).toEqual(['PoolWriterElected']));
    await cancelTask(commands, CALLER, first);
    await pass(48, 12);
    for (const taskId of [second, third])
      await eventually(async () => expect(await typesOf(taskId)).toEqual(['TaskSubmitted', 'TaskCancelled']));
  });

  it('is looked at again when the log could not be read', async () => {
    await register('a');
    const first = await submit();
    const dependent = await submit({ dependsOn: [first] });
    let fails = true;
    const readStream: EventStore['readStream'] = (...args) => {
      if (fails && args[0] === taskStream(TENANT, first)) return Promise.reject(new Error('the log is unreachable'));
      return store.readStream(...args);
    };
    const failing = commandsOver({ ...store, readStream } as EventStore, { clock });
    assigner({ commands: failing });
    await eventually(() => expect(queue.offers).toHaveLength(1));
    await complete(first);
    await pass(24, 12);
    expect(await typesOf(dependent)).toEqual(['TaskSubmitted']);
    fails = false;
    await pass(6_000, 1_000);
    await eventually(async () => expect(await typesOf(dependent)).toContain('TaskUnblocked'));
  });
});

describe('an agent that cannot be reached for too long', () => {
  it('ends tasks that only wait for it, too', async () => {
    await register('a', 1);
    const [tried, queued] = [await submit(), await submit()];
    assigner({ unreachableLimitMs: 5_000 });
    await eventually(() => expect(queue.offers).toEqual([{ times: 'first', tasks: [tried] }]));
    const error = { code: 'X', message: 'down', source: 'destination', retryable: true, notSent: true } as const;
    await failAttempt(commands, CALLER, { taskId: tried, attempt: 1, agentId: 'a' }, { error });
    // Its next try, after its rest, is under way: another task waits meanwhile.
    await pass(8_000, 500);
    await eventually(async () =>
      expect((await store.readStream(taskStream(TENANT, queued))).at(-1)).toMatchObject({
        type: 'TaskDeadLettered',
        data: { error: { code: 'AGENTS_UNREACHABLE', message: 'no agent was reached for 5000 ms; down' } },
      }),
    );
  });
});

describe('an assigner that meets an event of a newer build', () => {
  it('decides nothing more about its task, and continues with all others', async () => {
    await register('a');
    const before = await submit();
    await appendFromNewerBuild(store, taskStream(TENANT, before), { type: 'TaskDelegated', data: { taskId: before } });
    const { counters, status } = assigner();
    const after = await submit();
    await eventually(() => expect(queue.offers).toEqual([{ times: 'first', tasks: [after] }]));
    await pass(TIMEOUT_MS + DISPATCH_GRACE_MS, 5_000);
    expect(counters).toMatchObject({ assigned: 1, fenced: 0 });
    expect(status().parked).toMatchObject([{ stream: taskStream(TENANT, before), type: 'TaskDelegated' }]);
    expect((await ledgerTypes()).filter((type) => type === 'PoolWriterElected')).toHaveLength(1);
  });

  it('frees the slot of its task once the attempt is certainly over', async () => {
    await register('a', 1);
    const first = await submit();
    const { counters } = assigner();
    await eventually(() => expect(counters.assigned).toBe(1));
    await appendFromNewerBuild(store, taskStream(TENANT, first), { type: 'TaskDelegated', data: { taskId: first } });
    const second = await submit();
    await pass(TIMEOUT_MS, 5_000);
    expect(counters.assigned).toBe(1);
    await pass(DISPATCH_GRACE_MS, 5_000);
    await eventually(() => expect(queue.offers.at(-1)).toEqual({ times: 'first', tasks: [second] }));
  });

  it('gives no more work to an agent whose stream it cannot read', async () => {
    await register('a');
    await register('b');
    await appendFromNewerBuild(store, agentStream(TENANT, 'a'), { type: 'AgentPromoted', data: { agentId: 'a' } });
    await submit();
    await submit();
    assigner();
    await eventually(() => expect(queue.offers.flatMap(({ tasks }) => tasks)).toHaveLength(2));
    const ledger = await store.readStream(poolStream(TENANT, POOL));
    expect(ledger.at(-1)?.data).toMatchObject({ assignments: [{ agentId: 'b' }, { agentId: 'b' }] });
  });
});

describe('an assignment that is decided but not in the log yet', () => {
  it('is offered to nobody', async () => {
    await register('a');
    let acknowledge = (): void => {};
    const acknowledged = new Promise<void>((resolve) => {
      acknowledge = resolve;
    });
    let appends = 0;
    const slow: EventStore = {
      ...store,
      append: async (stream, events, options) => {
        if (events[0]?.type === 'TasksAssigned' && ++appends === 2) await acknowledged;
        return store.append(stream, events, options);
      },
    };
    assigner({ store: slow });
    const first = await submit();
    await eventually(() => expect(queue.offers).toEqual([{ times: 'first', tasks: [first] }]));
    const second = await submit();
    await pass(12, 12);
    await eventually(() => expect(appends).toBe(2));
    queue.sentinel = 'recreated';
    await pass(1_000, 1_000);
    await eventually(() => expect(queue.offers.slice(1)).toEqual([{ times: 'again', tasks: [first] }]));
    acknowledge();
    await eventually(() => expect(queue.offers.slice(2)).toEqual([{ times: 'first', tasks: [second] }]));
  });
});

describe('a queue that is frozen', () => {
  it('delays neither decisions nor timers nor shutdown', async () => {
    await register('a', 100);
    queue.frozen = true;
    const { counters, stop } = assigner();
    const late = await submit({ deadlineAt: new Date(clock.now() + 5_000).toISOString() });
    for (let count = 1; count <= 12; count += 1) {
      if (count > 1) await submit();
      await eventually(() => expect(counters.assigned).toBe(count));
      await pass(12, 12);
    }
    await pass(5_000, 1_000);
    await eventually(async () => expect((await store.readStream(taskStream(TENANT, late))).length).toBe(3));
    await stop();
  });
});

describe('an attempt that was assigned', () => {
  const types = async (taskId: string): Promise<string[]> =>
    (await store.readStream(taskStream(TENANT, taskId))).map(({ type }) => type);

  it('is not abandoned while the queue is unreachable, nor while it may still run', async () => {
    await register('a');
    const taskId = await submit();
    queue.unreachable = true;
    const { counters } = assigner();
    await eventually(() => expect(counters.assigned).toBe(1));
    await pass(3 * TIMEOUT_MS, 5_000);
    queue.unreachable = false;
    const sinceMs = clock.now();
    queue.withdrawn = { kind: 'taken', sinceMs };
    await pass(TIMEOUT_MS, 5_000);
    expect(await types(taskId)).toEqual(['TaskSubmitted']);
    await pass(DISPATCH_GRACE_MS + 5_000, 5_000);
    await eventually(async () =>
      expect(await types(taskId)).toEqual(['TaskSubmitted', 'TaskAttemptFailed', 'TaskDeadLettered']),
    );
  });

  it('is abandoned in time although the clock of its dispatcher is an hour ahead', async () => {
    await register('a');
    const taskId = await submit();
    queue.withdrawn = { kind: 'taken', sinceMs: clock.now() + 3_600_000 };
    const { counters } = assigner();
    await eventually(() => expect(counters.assigned).toBe(1));
    await pass(TIMEOUT_MS + DISPATCH_GRACE_MS + 5_000, 5_000);
    await eventually(async () => expect(await types(taskId)).toContain('TaskAttemptFailed'));
  });

  it.each([
    ['back', -3_600_000],
    ['ahead', 3_600_000],
  ])('has the same time left after a change of leader to one whose clock is an hour %s', async (_, offMs) => {
    await register('a');
    const deadlineAt = new Date(clock.now() + 2 * TIMEOUT_MS).toISOString();
    const taskId = await submit();
    const dated = await submit({ deadlineAt });
    queue.withdrawn = { kind: 'taken', sinceMs: clock.now() };
    const before = assigner();
    await eventually(() => expect(before.counters.assigned).toBe(2));
    await before.stop();
    const off: Clock = { ...clock, now: () => clock.now() + offMs };
    assigner({ clock: off, commands: commandsOver(store, { clock: off }) });
    await eventually(async () => expect((await ledgerTypes()).at(-1)).toBe('PoolWriterElected'));
    await pass(TIMEOUT_MS + DISPATCH_GRACE_MS - 10_000, 5_000);
    expect([await types(taskId), await types(dated)]).toEqual([['TaskSubmitted'], ['TaskSubmitted']]);
    await pass(15_000, 5_000);
    await eventually(async () => expect(await types(taskId)).toContain('TaskAttemptFailed'));
    await pass(30_000, 5_000);
    await eventually(async () => expect(await types(dated)).toContain('TaskDeadLettered'));
  });

  it('goes to another agent when its agent drained and did not finish in time, without using up an attempt', async () => {
    await register('a', 1);
    const taskId = await submit();
    const { counters } = assigner();
    await eventually(() => expect(counters.assigned).toBe(1));
    await register('b');
    await drainAgent(commands, CALLER, 'a', { limitMs: 20_000 });
    await pass(15_000, 5_000);
    expect(await types(taskId)).toEqual(['TaskSubmitted']);
    await pass(10_000, 5_000);
    await eventually(() => expect(counters.assigned).toBe(2));
    const events = await store.readStream(taskStream(TENANT, taskId));
    expect(events.map(({ type }) => type)).toEqual(['TaskSubmitted', 'TaskAttemptFailed']);
    expect(events.at(-1)?.data).toMatchObject({ agentId: 'a', error: { code: 'AGENT_DRAINED', agentGone: true } });
  });

  it('is assigned again when no dispatcher took it, without using up an attempt', async () => {
    await register('a');
    const taskId = await submit();
    queue.withdrawn = { kind: 'untaken', agentId: 'a' };
    const { counters } = assigner();
    await eventually(() => expect(counters.assigned).toBe(1));
    await pass(TIMEOUT_MS + DISPATCH_GRACE_MS, 5_000);
    await eventually(() => expect(counters.assigned).toBe(2));
    expect(await types(taskId)).toEqual(['TaskSubmitted', 'TaskAttemptFailed']);
    expect((await store.readStream(taskStream(TENANT, taskId))).at(-1)?.data).toMatchObject({
      error: { code: 'ATTEMPT_NOT_SENT', notSent: true },
    });
  });

  it('is recalled from an agent whose breaker opens, if no dispatcher took it, without using up an attempt', async () => {
    await register('a', 10);
    const taskIds: string[] = [];
    for (let n = 0; n < 6; n += 1) taskIds.push(await submit());
    queue.withdrawn = { kind: 'untaken', agentId: 'a' };
    const { counters } = assigner();
    await eventually(() => expect(counters.assigned).toBe(6));
    const error = { code: 'AGENT_HTTP_ERROR', message: 'HTTP 500', source: 'destination', retryable: true } as const;
    for (const taskId of taskIds.slice(0, 5))
      await failAttempt(commands, CALLER, { taskId, attempt: 1, agentId: 'a' }, { error });
    await pass(1_000, 100);
    await eventually(async () => expect(await types(taskIds[5]!)).toEqual(['TaskSubmitted', 'TaskAttemptFailed']));
    expect((await store.readStream(taskStream(TENANT, taskIds[5]!))).at(-1)?.data).toMatchObject({
      error: { code: 'ATTEMPT_RECALLED', notSent: true },
    });
    const changed = (await store.readStream(poolStream(TENANT, POOL))).at(-1);
    expect(changed).toMatchObject({
      type: 'BreakersChanged',
      data: { changes: [{ agentId: 'a', to: 'open', cause: 'failures_in_row', failures: 5 }] },
    });
    await pass(60_000, 5_000);
    await eventually(async () => expect((await ledgerTypes()).slice(-1)).toEqual(['TasksAssigned']));
    expect(counters.assigned).toBe(7);
  });

  it('records what heartbeats say of the load before the decisions that use it', async () => {
    await register('a');
    await register('b');
    const { counters } = assigner({ loads: { all: async () => new Map([['a', 0.62]]) } });
    await eventually(async () => expect(await ledgerTypes()).toEqual(['PoolWriterElected']));
    await pass(20_000, 5_000);
    expect(await ledgerTypes()).toEqual(['PoolWriterElected']);
    await submit();
    await eventually(() => expect(counters.assigned).toBe(1));
    expect(await ledgerTypes()).toEqual(['PoolWriterElected', 'AgentLoadsChanged', 'TasksAssigned']);
    const [, changed] = await store.readStream(poolStream(TENANT, POOL));
    expect(changed?.data).toMatchObject({ pool: POOL, changes: [{ agentId: 'a', load: 0.6 }] });
  });

  it('decides without loads while they cannot be read', async () => {
    await register('a');
    const { counters } = assigner({ loads: { all: () => Promise.reject(new Error('Redis is away')) } });
    await pass(10_000, 5_000);
    await submit();
    await eventually(() => expect(counters.assigned).toBe(1));
  });

  it('waits for a dispatcher when it cannot be proved that it was never sent', async () => {
    await register('a');
    const taskId = await submit();
    queue.withdrawn = { kind: 'waiting' };
    const { counters } = assigner();
    await eventually(() => expect(counters.assigned).toBe(1));
    await pass(4 * TIMEOUT_MS, 5_000);
    expect(await types(taskId)).toEqual(['TaskSubmitted']);
  });

  it('is offered again, not abandoned at once, when its job is missing', async () => {
    await register('a');
    const taskId = await submit();
    queue.withdrawn = { kind: 'missing' };
    const { counters } = assigner();
    await eventually(() => expect(counters.assigned).toBe(1));
    await pass(TIMEOUT_MS + DISPATCH_GRACE_MS + 30_000, 5_000);
    expect(await types(taskId)).toEqual(['TaskSubmitted']);
    await pass(60_000, 5_000);
    await eventually(async () => expect(await types(taskId)).toContain('TaskAttemptFailed'));
  });
});

describe('many tasks with one deadline', () => {
  it('are ended in batches, each of them once', async () => {
    const TASKS = 200;
    const deadlineAt = new Date(clock.now() + 10_000).toISOString();
    const tasks: string[] = [];
    for (let count = 0; count < TASKS; count += 1) tasks.push(await submit({ deadlineAt }));
    const waiting: (() => void)[] = [];
    let appends = 0;
    const slow: EventStore = {
      ...store,
      append: async (stream, events, options) => {
        if (events.some(({ type }) => type === 'TaskDeadLettered')) {
          appends += 1;
          await new Promise<void>((resolve) => waiting.push(resolve));
        }
        return store.append(stream, events, options);
      },
    };
    commands = commandsOver(slow, { clock });
    assigner();
    await eventually(async () => expect(await ledgerTypes()).toEqual(['PoolWriterElected']));
    await pass(30_000, 1_000);
    await eventually(() => expect(waiting.length).toBeGreaterThan(0));
    expect(waiting.length).toBeLessThan(100);
    const ended = async () => {
      const streams = await Promise.all(tasks.map((taskId) => store.readStream(taskStream(TENANT, taskId))));
      return streams.filter((events) => events.some(({ type }) => type === 'TaskDeadLettered')).length;
    };
    while ((await ended()) < TASKS) {
      for (const go of waiting.splice(0)) go();
      await pass(12, 12);
    }
    expect(appends).toBe(TASKS);
  });
});

describe('dispatchers with little capacity', () => {
  it('get no more than they can call, once their capacity is known', async () => {
    await registerAgent(
      commandsOver(store, {
        clock,
        cards: { fetch: async () => ({ name: 'far', description: 'far away', skills: [], card: {} }) },
      }),
      CALLER,
      {
        agentId: 'far',
        capabilities: [{ name: 'work', version: '1.0.0' }],
        maxConcurrency: 10,
        cardUrl: 'https://agents.example/far',
      },
    );
    for (let count = 0; count < 5; count += 1) await submit();
    let known: number | undefined = 2;
    const { counters } = assigner({ places: { of: async () => known } });
    await eventually(() => expect(counters.assigned).toBe(2));
    await pass(3_000, 1_000);
    expect(counters.assigned).toBe(2);
    known = 4;
    await pass(1_012, 1_000);
    await eventually(() => expect(counters.assigned).toBe(4));
    // Redis is away.
    known = undefined;
    await pass(1_012, 1_000);
    await eventually(() => expect(counters.assigned).toBe(5));
  });
});

describe('decisions that take a long time', () => {
  it('are appended in slices', async () => {
    const TASKS = 100;
    await register('a', TASKS);
    for (let count = 0; count < TASKS; count += 1) await submit();
    let lateMs = 0;
    const slowly: Clock = {
      ...clock,
      now: clock.now,
      schedule: clock.schedule,
      monotonic: () => {
        lateMs += 5;
        return clock.monotonic() + lateMs;
      },
    };
    const { counters } = assigner({ clock: slowly });
    await eventually(() => expect(counters.assigned).toBe(TASKS));
    expect(counters.appends).toBeGreaterThan(2);
    const sizes = (await store.readStream(poolStream(TENANT, POOL)))
      .filter(({ type }) => type === 'TasksAssigned')
      .map(({ data }) => (data as { assignments: unknown[] }).assignments.length);
    expect(Math.max(...sizes)).toBeLessThan(TASKS / 2);
  });
});

describe('a change of assigner', () => {
  it('reads on from the snapshot, offers open assignments, and assigns only unassigned tasks', async () => {
    await register('a');
    const first = await submit();
    const before = assigner();
    await eventually(() => expect(queue.offers).toHaveLength(1));
    await eventually(async () => expect(counted.events()).toBe(4));
    await before.stop();
    const left = await store.head();
    const second = await submit();

    const after = assigner();
    await eventually(() =>
      expect(queue.offers.slice(1)).toEqual([
        { times: 'again', tasks: [first] },
        { times: 'first', tasks: [second] },
      ]),
    );
    expect(counted.readFrom).toEqual([undefined, left]);
    expect(after.counters).toMatchObject({ assigned: 1, reoffered: 1 });
  });

  it('fences the previous one, which starts over', async () => {
    await register('a');
    const { counters } = assigner();
    await eventually(async () => expect(await ledgerTypes()).toEqual(['PoolWriterElected']));
    await LedgerWriter.elect({ tenant: TENANT, pool: POOL, store, clock, ids: fakeIds(processes++) });
    await eventually(() => expect(counters.fenced).toBe(1));
    const taskId = await submit();
    await pass(500, 500);
    await eventually(() => expect(queue.offers).toEqual([{ times: 'first', tasks: [taskId] }]));
    expect(await ledgerTypes()).toEqual([
      'PoolWriterElected',
      'PoolWriterElected',
      'PoolWriterElected',
      'TasksAssigned',
    ]);
  });
});

describe('the writer of a ledger', () => {
  const deps = () => ({ tenant: TENANT, pool: POOL, store, clock, ids: fakeIds(processes++) });

  it('cannot append once another writer is elected', async () => {
    const first = await LedgerWriter.elect(deps());
    await LedgerWriter.elect(deps());
    const at = '2026-03-01T12:00:00.000Z';
    const event = { type: 'PoolWriterElected', data: { pool: POOL, writerId: 'late', electedAt: at } } as const;
    await expect(first.append([event], at)).rejects.toMatchObject({ name: 'Fenced' });
  });

  it('is elected even if others are elected in between, a few times', async () => {
    let others = 3;
    const contested = {
      readStream: async (...args: Parameters<EventStore['readStream']>) => {
        const events = await store.readStream(...args);
        others -= 1;
        if (others >= 0) await LedgerWriter.elect(deps());
        return events;
      },
      append: store.append.bind(store),
    };
    const writer = await LedgerWriter.elect({ ...deps(), store: contested });
    expect(writer.electedAt).toBe(await store.head());
    others = 100;
    await expect(LedgerWriter.elect({ ...deps(), store: contested })).rejects.toMatchObject({ name: 'Fenced' });
  });
});
