import type pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Commands } from '../../src/commands/context.ts';
import { cancelExecution } from '../../src/commands/execution/cancel-execution.ts';
import { skipCompensation } from '../../src/commands/execution/resolve-compensation.ts';
import { signalExecution } from '../../src/commands/execution/signal-execution.ts';
import { startChildExecution, startExecution } from '../../src/commands/execution/start-execution.ts';
import { completeAttempt, failAttempt } from '../../src/commands/task/close-attempt.ts';
import { publishWorkflow } from '../../src/commands/workflow/publish-workflow.ts';
import { executionStream } from '../../src/domain/ids.ts';
import type { EventStore, StoredEvent } from '../../src/eventstore/event-store.ts';
import { LogFeed } from '../../src/eventstore/log-feed.ts';
import { createMemoryEventStore } from '../../src/eventstore/memory-event-store.ts';
import { checkInvariants } from '../../src/invariants/invariants.ts';
import { systemClock, systemIds, systemRandom } from '../../src/platform/clock.ts';
import { acquireLease, type Lease } from '../../src/platform/lease.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createPool } from '../../src/platform/postgres.ts';
import { MAX_DEPTH } from '../../src/processes/executions/carry-out.ts';
import { createExecutionFollower } from '../../src/processes/executions/execution-follower.ts';
import { WAIT_BOOK_VERSION, type WaitBookSnapshot } from '../../src/processes/executions/wait-book.ts';
import { type FoldSnapshots, postgresSnapshots } from '../../src/processes/fold-snapshots.ts';
import { commandsOver } from '../support/fake-ports.ts';
import { until } from '../support/fleet.ts';
import { freshDatabase } from '../support/servers.ts';

const TENANT = 'default';
const CALLER = { tenant: TENANT, actor: 'test' };
const TROUBLE = { code: 'E', message: 'm', source: 'agent', retryable: false } as const;
const logger = createLogger('silent');

let database: Awaited<ReturnType<typeof freshDatabase>>;
let pool: pg.Pool;
let store: EventStore;
let feed: LogFeed;
let commands: Commands;
const running = new Set<() => Promise<void>>();

beforeEach(async () => {
  database = await freshDatabase();
  pool = createPool(database.url, 5, logger);
  store = createMemoryEventStore({ clock: systemClock });
  feed = await LogFeed.start({ store, clock: systemClock, logger });
  commands = commandsOver(store, { clock: systemClock, ids: systemIds, random: systemRandom });
});

afterEach(async () => {
  await Promise.all([...running].map((stop) => stop()));
  await feed.stop();
  await pool.end();
  await database.drop();
});

const fromPostgres = (): FoldSnapshots => postgresSnapshots(pool);
const fromZero = (): FoldSnapshots => ({ load: async () => undefined, save: async () => 'none' });

const savedBook = () =>
  fromPostgres().load<WaitBookSnapshot>(TENANT, { name: 'executions', version: WAIT_BOOK_VERSION });

const noLease = async (): Promise<Lease> => ({
  isHeld: () => true,
  name: 'none',
  now: systemClock.now,
  holder: 'test',
  epoch: 1n,
  signal: new AbortController().signal,
  confirm: async () => true,
  release: async () => {},
});

const theLease = () =>
  acquireLease(pool, { name: 'executions', holder: 'test', ttlMs: 1_000, clock: systemClock, logger });

/** A follower as a process of its own would have it. Answers how to stop it. */
const follow = (options: { snapshots?: FoldSnapshots; acquireLease?: typeof theLease } = {}) => {
  const stopping = new AbortController();
  const follower = createExecutionFollower({
    tenant: TENANT,
    feed,
    // A process of its own has caches of its own.
    commands: commandsOver(store, { clock: systemClock, ids: systemIds, random: systemRandom }),
    snapshots: fromPostgres(),
    acquireLease: theLease,
    clock: systemClock,
    logger,
    ...options,
  });
  const ended = follower.run(stopping.signal);
  const stop = async () => {
    running.delete(stop);
    stopping.abort();
    await ended;
  };
  running.add(stop);
  return stop;
};

const publish = async (name: string, tasks: readonly object[], facts: object = {}): Promise<void> => {
  const published = await publishWorkflow(commands, CALLER, { name, version: '1.0.0', tasks, ...facts });
  expect(published.ok).toBe(true);
};

const start = async (workflow: string, input: object | null = null): Promise<string> => {
  const started = await startExecution(commands, CALLER, { workflow, input });
  if (!started.ok) throw new Error(started.rejection.reason);
  return started.value.id;
};

const eventsOf = (executionId: string): Promise<StoredEvent[]> =>
  store.readStream(executionStream(TENANT, executionId));
const typesOf = async (executionId: string): Promise<string[]> => (await eventsOf(executionId)).map(({ type }) => type);
const dataOf = async (executionId: string, type: string): Promise<Record<string, unknown>> =>
  ((await eventsOf(executionId)).find((event) => event.type === type)?.data ?? {}) as Record<string, unknown>;
const log = async (): Promise<StoredEvent[]> => (await store.readAll({ limit: 1_000_000 })).events;

const has = (executionId: string, type: string) =>
  until(`${type} of ${executionId}`, 15_000, async () => {
    const types = await typesOf(executionId);
    return types.includes(type) || types.join(', ');
  });

const childrenOf = async (parentId: string): Promise<string[]> =>
  (await log()).flatMap(({ type, data }) => {
    const started = data as { readonly executionId: string; readonly parent?: { readonly executionId: string } };
    return type === 'ExecutionStarted' && started.parent?.executionId === parentId ? [started.executionId] : [];
  });

const childOf = async (parentId: string): Promise<string> => {
  await until('a sub-workflow', 15_000, async () => (await childrenOf(parentId)).length > 0 || 'there is none');
  return (await childrenOf(parentId))[0] as string;
};

/** The first open task of an execution, as its agent would close it. */
const openTask = async (executionId: string) => {
  const { taskId } = (await dataOf(executionId, 'TaskSubmitted')) as { taskId: string };
  return { taskId, executionId, attempt: 1, agentId: 'anna' };
};

/** The assigner is not part of these: who had which task is not judged, all else is. */
const violations = async () =>
  checkInvariants({ log: await log() }, { minCompleted: 0 }).violations.filter(({ invariant }) => invariant !== 'S6');

describe('a delay', () => {
  it('ends when its time has come, and not before', async () => {
    await publish('nap', [{ id: 'nap', delayMs: 300 }]);
    follow();
    const id = await start('nap');
    await has(id, 'ExecutionCompleted');
    const { since, dueAt } = (await dataOf(id, 'StepWaiting')) as { since: string; dueAt: string };
    const { completedAt } = (await dataOf(id, 'StepCompleted')) as { completedAt: string };
    expect(Date.parse(dueAt) - Date.parse(since)).toBe(300);
    expect(completedAt >= dueAt).toBe(true);
    expect(await violations()).toEqual([]);
  });

  it('that was already over when a follower started ends at once', async () => {
    await publish('nap', [{ id: 'nap', delayMs: 0 }]);
    const id = await start('nap');
    follow();
    await has(id, 'ExecutionCompleted');
  });
});

describe('what follows from one event', () => {
  it('is decided in several appends where it is too large for one', async () => {
    const skipped = Array.from({ length: 1_500 }, (_, at) => ({ id: `s${at}`, delayMs: 0, when: 'input.no' }));
    await publish('wide', skipped);
    follow();
    const id = await start('wide', { no: false });
    await has(id, 'ExecutionCompleted');
    const types = await typesOf(id);
    expect(types.filter((type) => type === 'StepSkipped')).toHaveLength(1_500);
    expect(types.filter((type) => type === 'ExecutionContinued').length).toBeGreaterThan(1);
    expect(await violations()).toEqual([]);
  });
});

describe('a wait with a time limit', () => {
  beforeEach(() => publish('wait', [{ id: 'wait', waitFor: { kind: 'event', name: 'ping', timeoutMs: 300 } }]));

  it('fails its step when no signal arrives', async () => {
    follow();
    const id = await start('wait');
    await has(id, 'ExecutionFailed');
    expect(await dataOf(id, 'StepFailed')).toMatchObject({ error: { code: 'WAIT_TIMED_OUT' } });
    expect(await violations()).toEqual([]);
  });

  it('ends with the signal that arrives in time', async () => {
    follow();
    const id = await start('wait');
    await signalExecution(commands, CALLER, id, { name: 'ping', payload: 7 });
    await has(id, 'ExecutionCompleted');
    await systemPause(500);
    expect(await typesOf(id)).not.toContain('StepFailed');
  });
});

const systemPause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('the time limit of an execution', () => {
  it('ends it', async () => {
    await publish('slow', [{ id: 'wait', waitFor: { kind: 'decision', name: 'never' } }], { timeoutMs: 300 });
    follow();
    const id = await start('slow');
    await has(id, 'ExecutionFailed');
    expect(await dataOf(id, 'ExecutionAborting')).toMatchObject({ reason: 'deadline_passed', interrupt: true });
    expect(await dataOf(id, 'ExecutionFailed')).toMatchObject({ error: { code: 'DEADLINE_PASSED' } });
    expect(await violations()).toEqual([]);
  });

  it('does nothing to one that ended in time', async () => {
    await publish('quick', [{ id: 'nap', delayMs: 10 }], { timeoutMs: 400 });
    follow();
    const id = await start('quick');
    await has(id, 'ExecutionCompleted');
    await systemPause(600);
    expect((await typesOf(id)).at(-1)).toBe('ExecutionCompleted');
  });

  it('ends its sub-workflows too', async () => {
    await publish('inner', [{ id: 'wait', waitFor: { kind: 'decision', name: 'never' } }]);
    await publish('outer', [{ id: 'sub', workflow: { name: 'inner' } }], { timeoutMs: 600 });
    follow();
    const id = await start('outer');
    await has(id, 'ExecutionFailed');
    expect((await typesOf(await childOf(id))).at(-1)).toBe('ExecutionCancelled');
    expect(await violations()).toEqual([]);
  });
});

describe('a sub-workflow', () => {
  beforeEach(async () => {
    await publish('work', [{ id: 'step', capability: 'work' }]);
    await publish('parent', [
      { id: 'sub', workflow: { name: 'work' } },
      { id: 'after', capability: 'work', dependsOn: ['sub'], input: '= tasks.sub.output' },
    ]);
  });

  it('starts with the input of its step, and its output becomes that of the step', async () => {
    follow();
    const id = await start('parent', { b: 1, a: 2 });
    const child = await childOf(id);
    expect(await dataOf(child, 'ExecutionStarted')).toMatchObject({
      input: { b: 1, a: 2 },
      parent: { executionId: id, unit: 'sub' },
    });
    await completeAttempt(commands, CALLER, await openTask(child), { result: { x: 1 }, durationMs: 1 });
    await has(id, 'TaskSubmitted');
    expect(await dataOf(id, 'TaskSubmitted')).toMatchObject({ unit: 'after', input: { step: { x: 1 } } });
    expect((await violations()).filter(({ invariant }) => invariant !== 'L1')).toEqual([]);
  });

  it('fails its step with its error', async () => {
    follow();
    const id = await start('parent');
    await failAttempt(commands, CALLER, await openTask(await childOf(id)), { error: TROUBLE });
    await has(id, 'ExecutionFailed');
    expect(await dataOf(id, 'StepFailed')).toMatchObject({ stepId: 'sub', error: TROUBLE });
    expect(await violations()).toEqual([]);
  });

  describe('that has completed when its parent fails', () => {
    const retry = { kind: 'immediate', maxAttempts: 1 };
    const taskOf = async (executionId: string, unit: string) => {
      const find = async () =>
        (await eventsOf(executionId)).find(
          ({ type, data }) => type === 'TaskSubmitted' && (data as { unit?: string }).unit === unit,
        );
      await until(`a task for ${unit}`, 15_000, async () => ((await find()) ? true : 'there is none'));
      const { taskId } = ((await find())?.data ?? {}) as { taskId: string };
      return { taskId, executionId, attempt: 1, agentId: 'anna' };
    };
    const complete = async (executionId: string, unit: string) =>
      completeAttempt(commands, CALLER, await taskOf(executionId, unit), { result: null, durationMs: 1 });
    const fail = async (executionId: string, unit: string) =>
      failAttempt(commands, CALLER, await taskOf(executionId, unit), { error: TROUBLE });

    /** Its sub-workflow has completed, and it has failed. */
    const failed = async (): Promise<{ id: string; child: string }> => {
      const compensation = { capability: 'undo', retry };
      await publish('booking', [{ id: 'book', capability: 'work', retry, compensation }]);
      await publish('trip', [
        { id: 'sub', workflow: { name: 'booking' } },
        { id: 'pay', capability: 'work', retry, dependsOn: ['sub'] },
      ]);
      follow();
      const id = await start('trip');
      const child = await childOf(id);
      await complete(child, 'book');
      await fail(id, 'pay');
      return { id, child };
    };

    it('is compensated first', async () => {
      const { id, child } = await failed();
      await has(child, 'ExecutionReopened');
      expect(await typesOf(id)).not.toContain('ExecutionCompensated');
      await complete(child, '~book');
      await has(id, 'ExecutionCompensated');
      expect((await typesOf(child)).at(-1)).toBe('ExecutionCompensated');
      expect(await violations()).toEqual([]);
    });

    it('and cannot be compensated leaves its parent COMPENSATION_FAILED until a person has seen to it', async () => {
      const { id, child } = await failed();
      await fail(child, '~book');
      await has(id, 'ExecutionCompensationFailed');
      expect(await dataOf(id, 'CompensationParked')).toMatchObject({
        unit: 'sub',
        error: { code: 'CHILD_COMPENSATION_FAILED' },
      });
      await skipCompensation(commands, CALLER, child, { unit: 'book', reason: 'done by hand' });
      await has(id, 'ExecutionCompensated');
      expect(await violations()).toEqual([]);
    });
  });

  it('that a person cancels fails its step', async () => {
    await publish('patient', [{ id: 'wait', waitFor: { kind: 'decision', name: 'never' } }]);
    await publish('impatient', [{ id: 'sub', workflow: { name: 'patient' } }]);
    follow();
    const id = await start('impatient');
    await cancelExecution(commands, CALLER, await childOf(id));
    await has(id, 'ExecutionFailed');
    expect(await dataOf(id, 'StepFailed')).toMatchObject({ error: { code: 'CHILD_NOT_COMPLETED' } });
    expect(await violations()).toEqual([]);
  });

  it('is cancelled with its parent, which waits for its end', async () => {
    await publish('patient', [{ id: 'wait', waitFor: { kind: 'decision', name: 'never' } }]);
    await publish('impatient', [{ id: 'sub', workflow: { name: 'patient' } }]);
    follow();
    const id = await start('impatient');
    const child = await childOf(id);
    await cancelExecution(commands, CALLER, id);
    await has(id, 'ExecutionCancelled');
    const positions = async (executionId: string) => (await eventsOf(executionId)).at(-1)?.position ?? 0n;
    expect((await typesOf(child)).at(-1)).toBe('ExecutionCancelled');
    expect((await positions(child)) < (await positions(id))).toBe(true);
    expect(await violations()).toEqual([]);
  });

  it.each<[string, object]>([
    ['a workflow that does not exist', { name: 'ghost' }],
    ['a version that does not exist', { name: 'work', version: '9.9.9' }],
    ['a workflow that does not take its input', { name: 'strict' }],
  ])('of %s fails its step', async (_, workflow) => {
    await publish('strict', [{ id: 'wait', delayMs: 1 }], { inputSchema: { required: ['sku'], type: 'object' } });
    await publish('hopeful', [{ id: 'sub', workflow, input: {} }]);
    follow();
    const id = await start('hopeful');
    await has(id, 'ExecutionFailed');
    expect(await dataOf(id, 'StepFailed')).toMatchObject({
      error: {
        code: 'CHILD_NOT_STARTED',
        message: expect.stringMatching(/ghost|9\.9\.9|\/input\/sku: is missing/),
        retryable: false,
      },
    });
    expect(await violations()).toEqual([]);
  });

  it('inside itself can be nested only to a limit', async () => {
    await publish('loop', [{ id: 'again', workflow: { name: 'loop' } }]);
    follow();
    const id = await start('loop');
    await has(id, 'ExecutionFailed');
    const started = (await log()).filter(({ type }) => type === 'ExecutionStarted');
    expect(started).toHaveLength(MAX_DEPTH);
    expect(await dataOf(id, 'ExecutionFailed')).toMatchObject({ error: { code: 'TOO_DEEP' } });
    expect(await violations()).toEqual([]);
  });

  it('whose parent was cancelled before it started never runs a step, however late it is started', async () => {
    const id = await start('parent');
    await cancelExecution(commands, CALLER, id);
    const { child } = (await dataOf(id, 'StepWaiting')) as { child: { executionId: string; name: string } };
    follow();
    await has(id, 'ExecutionCancelled');
    expect(await typesOf(child.executionId)).toEqual(['ExecutionStarted', 'ExecutionAborting', 'ExecutionCancelled']);
    const late = await startChildExecution(commands, CALLER, {
      ...child,
      input: null,
      parent: { executionId: id, unit: 'sub' },
    });
    expect(late).toMatchObject({ ok: false, rejection: { reason: 'ExecutionAlreadyExists' } });
    expect(await violations()).toEqual([]);
  });
});

const journey = async (): Promise<void> => {
  await publish('inner', [
    { id: 'nap', delayMs: 30 },
    { id: 'rest', delayMs: 30, dependsOn: ['nap'] },
  ]);
  await publish('journey', [
    { id: 'nap', delayMs: 30 },
    { id: 'sub', dependsOn: ['nap'], workflow: { name: 'inner' } },
    {
      id: 'call',
      dependsOn: ['sub'],
      waitFor: { kind: 'event', name: 'ping', timeoutMs: 50 },
      onFailure: 'continue',
    },
    { id: 'other', dependsOn: ['call'], workflow: { name: 'inner' } },
    { id: 'ghost', dependsOn: ['other'], workflow: { name: 'ghost' }, onFailure: 'continue' },
  ]);
};

/** Everything that is done for an execution, once each. */
const doneOnce = async (ids: readonly string[]): Promise<void> => {
  for (const id of ids) {
    const ends = (await eventsOf(id)).filter(({ type }) => type === 'StepCompleted' || type === 'StepFailed');
    expect(ends.map(({ data }) => (data as { stepId: string }).stepId)).toEqual([
      'nap',
      'sub',
      'call',
      'other',
      'ghost',
    ]);
    expect(await childrenOf(id)).toHaveLength(2);
  }
  expect(await violations()).toEqual([]);
};

describe('followers that come and go', () => {
  it.each<[string, (turn: number) => FoldSnapshots]>([
    ['each from the snapshot that the one before left', () => fromPostgres()],
    ['each from the beginning of the log', () => fromZero()],
    ['by turns', (turn) => (turn % 2 === 0 ? fromPostgres() : fromZero())],
  ])('do everything once, with a new follower for every step: %s', async (_, snapshotsOf) => {
    await journey();
    const id = await start('journey');
    let turn = 0;
    for (; !(await typesOf(id)).includes('ExecutionCompleted'); turn += 1) {
      const before = (await log()).length;
      const stop = follow({ snapshots: snapshotsOf(turn) });
      // Not `until`, which looks so seldom that several steps would have been made.
      while ((await log()).length === before) await systemPause(1);
      await stop();
    }
    expect(turn).toBeGreaterThan(3);
    await doneOnce([id]);
  });

  it('leave their snapshot in Postgres', async () => {
    await publish('nap', [{ id: 'nap', delayMs: 60_000 }]);
    await start('nap');
    await until('a snapshot', 15_000, async () => {
      const stop = follow();
      await systemPause(100);
      await stop();
      return (await savedBook()) !== undefined || 'there is none';
    });
    const snapshot = await savedBook();
    expect(snapshot?.position).toBe(await store.head());
    expect(snapshot?.state.timers).toHaveLength(1);
  });

  it('do no harm even when two of them lead at once', async () => {
    await journey();
    follow({ acquireLease: noLease, snapshots: fromZero() });
    follow({ acquireLease: noLease, snapshots: fromZero() });
    const ids = await Promise.all(Array.from({ length: 15 }, () => start('journey')));
    for (const id of ids) await has(id, 'ExecutionCompleted');
    await doneOnce(ids);
  });

  it('wait for their turn while another has the lease', async () => {
    await publish('nap', [{ id: 'nap', delayMs: 10 }]);
    const lease = await theLease();
    follow();
    const id = await start('nap');
    await systemPause(800);
    expect(await typesOf(id)).not.toContain('StepCompleted');
    await lease?.release();
    await has(id, 'ExecutionCompleted');
  });
});
