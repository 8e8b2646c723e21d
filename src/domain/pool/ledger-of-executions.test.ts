import { describe, expect, it } from 'vitest';
import { copyOf } from '../../../test/support/ledger-snapshot.ts';
import type { AgentEvent } from '../agent/events.ts';
import type { ExecutionEvent } from '../execution/events.ts';
import type { TaskEvent } from '../task/events.ts';
import type { PoolEvent } from './events.ts';
import { PoolLedger } from './ledger.ts';
import type { LedgerEvent } from './ledger-snapshot.ts';
import type { DueTimer } from './timers.ts';

const START = Date.parse('2026-03-01T12:00:00.000Z');
const iso = (ms: number): string => new Date(START + ms).toISOString();
const E1 = '7c9e6679-7425-5e0d-9a5b-6f1f0a7d3c21';
const E2 = '0b1f8a52-91f4-5a0a-8c55-2f6c6f6a9d10';

const registered: AgentEvent = {
  type: 'AgentRegistered',
  data: {
    agentId: 'a',
    pool: 'default',
    name: 'n',
    capabilities: [{ name: 'work', version: '1.0.0' }],
    transport: { kind: 'local' },
    maxConcurrency: 100,
    delivery: 'at_least_once',
    labels: {},
    registeredAt: iso(0),
  },
};
const facts = (taskId: string, executionId: string, unit: string) => ({
  taskId,
  pool: 'default',
  capability: 'work',
  priority: 3,
  strategy: 'least_loaded',
  timeoutMs: 60_000,
  executionId,
  unit,
});
const submitted = (taskId: string, executionId = E1, unit = taskId): TaskEvent => ({
  type: 'TaskSubmitted',
  data: {
    ...facts(taskId, executionId, unit),
    input: null,
    retry: { kind: 'fixed', maxAttempts: 3, baseMs: 0, factor: 2, maxDelayMs: 0, jitter: 0 },
    tags: [],
    submittedAt: iso(0),
  },
});
const redriven = (taskId: string, nextAttempt: number): TaskEvent => ({
  type: 'TaskRedriven',
  data: { ...facts(taskId, E1, taskId), nextAttempt, redrivenAt: iso(0) },
});
const failed = (taskId: string, attempt: number, retryMs?: number): TaskEvent => ({
  type: 'TaskAttemptFailed',
  data: {
    taskId,
    attempt,
    agentId: 'a',
    error: { code: 'FAILED', message: 'no', source: 'agent', retryable: true },
    failedAt: iso(0),
    ...(retryMs === undefined ? {} : { retryAt: iso(retryMs) }),
  },
});
const cancelled = (taskId: string): TaskEvent => ({ type: 'TaskCancelled', data: { taskId, cancelledAt: iso(0) } });
const assigned = (taskId: string, attempt = 1): PoolEvent => ({
  type: 'TasksAssigned',
  data: {
    pool: 'default',
    assignments: [
      {
        taskId,
        attempt,
        agentId: 'a',
        expiresAt: iso(90_000),
        reason: { strategy: 's', strategyVersion: 1, eligible: 1, candidates: [], excluded: {}, waitedMs: 0 },
      },
    ],
    assignedAt: iso(0),
  },
});
const paused = (executionId = E1): ExecutionEvent => ({
  type: 'ExecutionPaused',
  data: { executionId, pausedAt: iso(0) },
});
const resumed = (executionId = E1): ExecutionEvent => ({
  type: 'ExecutionResumed',
  data: { executionId, resumedAt: iso(0) },
});
const aborting = (reason: 'step_failed' | 'cancelled', interrupt: boolean, executionId = E1): ExecutionEvent => ({
  type: 'ExecutionAborting',
  data: { executionId, reason, compensate: true, strategy: 'backward', interrupt, abortedAt: iso(0) },
});

/** The same ledger thrice: live, read from the log, and restored from a snapshot half way through. */
const ledgersOf = (...events: readonly LedgerEvent[]): PoolLedger[] => {
  const read = new PoolLedger('default');
  for (const event of events) read.evolve(event);
  return [
    read,
    ...events.map((_, at) => {
      const before = new PoolLedger('default');
      for (const event of events.slice(0, at)) before.evolve(event);
      const restored = copyOf(before);
      for (const event of events.slice(at)) restored.evolve(event);
      return restored;
    }),
  ];
};
/** What all of them say. */
const saidBy = <T>(ledgers: readonly PoolLedger[], say: (ledger: PoolLedger) => T): T => {
  const [first, ...others] = ledgers.map(say);
  for (const other of others) expect(other).toEqual(first);
  return first as T;
};
const routes =
  (ms = 0) =>
  (ledger: PoolLedger): string[] =>
    ledger.assign(START + ms, 100).map(({ taskId }) => taskId);
const releases =
  (ms = 0) =>
  (ledger: PoolLedger): string[] =>
    ledger
      .dueTimers(START + ms, 1_000)
      .filter((timer): timer is Extract<DueTimer, { kind: 'release' }> => timer.kind === 'release')
      .map(({ taskId, attempt, held }) => `${taskId} #${attempt} ${held ? 'held' : 'free'}`);

describe('a paused execution', () => {
  it('keeps its waiting tasks from being assigned, and no others', () => {
    const ledgers = ledgersOf(registered, submitted('t1'), submitted('t2', E2), paused());
    expect(saidBy(ledgers, routes())).toEqual(['t2']);
  });

  it('holds back tasks that arrive, are retried or are redriven meanwhile', () => {
    const ledgers = ledgersOf(
      registered,
      submitted('t1'),
      assigned('t1'),
      submitted('t3'),
      paused(),
      submitted('t2'),
      failed('t1', 1, 0),
      cancelled('t3'),
      redriven('t3', 1),
    );
    expect(saidBy(ledgers, routes(10_000))).toEqual([]);
    expect(saidBy(ledgers, (ledger) => ledger.waiting.size)).toBe(3);
    for (const ledger of ledgers) ledger.evolve(resumed());
    expect(saidBy(ledgers, routes(10_000)).sort()).toEqual(['t1', 't2', 't3']);
  });

  it('lets agents keep the attempts that they hold', () => {
    const ledgers = ledgersOf(registered, submitted('t1'), assigned('t1'), paused());
    expect(saidBy(ledgers, (ledger) => ledger.openAssignments().map(({ taskId }) => taskId))).toEqual(['t1']);
    expect(saidBy(ledgers, releases())).toEqual([]);
  });

  it('keeps the delays of its retries running', () => {
    const ledgers = ledgersOf(registered, submitted('t1'), assigned('t1'), failed('t1', 1, 5_000), paused(), resumed());
    expect(saidBy(ledgers, routes(4_999))).toEqual([]);
    expect(saidBy(ledgers, routes(5_000))).toEqual(['t1']);
  });

  it('is resumed once, and not at all when it was not paused', () => {
    const ledgers = ledgersOf(registered, submitted('t1'), assigned('t1'), resumed(), resumed(E2));
    expect(saidBy(ledgers, routes())).toEqual([]);
  });
});

describe('an execution that aborts because a step failed', () => {
  const events = [registered, submitted('free'), submitted('held'), assigned('held'), submitted('other', E2)];

  it('is told which tasks no agent holds, and waits for the others', () => {
    const ledgers = ledgersOf(...events, aborting('step_failed', false));
    expect(saidBy(ledgers, routes())).toEqual(['other']);
    expect(saidBy(ledgers, releases())).toEqual(['free #1 free']);
  });

  it('is told again until it has recorded it', () => {
    const ledgers = ledgersOf(...events, aborting('step_failed', false));
    expect(saidBy(ledgers, releases())).toHaveLength(1);
    expect(saidBy(ledgers, releases(999))).toEqual([]);
    expect(saidBy(ledgers, releases(1_000))).toEqual(['free #1 free']);
    for (const ledger of ledgers) ledger.evolve(cancelled('free'));
    expect(saidBy(ledgers, releases(9_000))).toEqual([]);
    expect(saidBy(ledgers, (ledger) => ledger.openTasks)).toBe(2);
  });

  it('is told of a waiting retry with its attempt', () => {
    const ledgers = ledgersOf(...events, failed('held', 1, 60_000), aborting('step_failed', false));
    expect(saidBy(ledgers, releases()).sort()).toEqual(['free #1 free', 'held #2 free']);
  });

  it('is told of all tasks when agents are to be interrupted', () => {
    const ledgers = ledgersOf(...events, aborting('step_failed', false), aborting('step_failed', true));
    expect(saidBy(ledgers, releases()).sort()).toEqual(['free #1 free', 'held #1 held']);
  });

  it('stays paused when it was paused', () => {
    const ledgers = ledgersOf(...events, paused(), aborting('step_failed', false), submitted('compensation', E1, '~x'));
    expect(saidBy(ledgers, routes())).toEqual(['other']);
    expect(saidBy(ledgers, releases())).toEqual(['free #1 free']);
    for (const ledger of ledgers) ledger.evolve(resumed());
    expect(saidBy(ledgers, routes())).toEqual(['compensation']);
    expect(saidBy(ledgers, releases(5_000))).toEqual(['free #1 free']);
  });
});

describe('an execution that is cancelled', () => {
  it('is told of all its tasks, whether agents hold them or not', () => {
    const ledgers = ledgersOf(
      registered,
      submitted('free'),
      submitted('held'),
      assigned('held'),
      aborting('cancelled', true),
    );
    expect(saidBy(ledgers, routes())).toEqual([]);
    expect(saidBy(ledgers, releases()).sort()).toEqual(['free #1 free', 'held #1 held']);
  });

  it('continues its compensations', () => {
    const ledgers = ledgersOf(
      registered,
      submitted('compensation', E1, '~x'),
      submitted('mine', E1, '~y'),
      assigned('mine'),
      aborting('cancelled', true),
      submitted('later', E1, '~z[3]'),
    );
    expect(saidBy(ledgers, releases())).toEqual([]);
    expect(saidBy(ledgers, routes())).toEqual(['compensation', 'later']);
  });

  it('is no longer paused', () => {
    const ledgers = ledgersOf(
      registered,
      paused(),
      submitted('t1'),
      aborting('cancelled', true),
      submitted('compensation', E1, '~t1'),
    );
    expect(saidBy(ledgers, routes())).toEqual(['compensation']);
  });

  it('gives up in time on an agent that keeps a task', () => {
    const ledgers = ledgersOf(registered, submitted('t1'), assigned('t1'), aborting('cancelled', true));
    expect(saidBy(ledgers, (ledger) => ledger.dueTimers(START + 90_000, 1_000))).toMatchObject([
      { kind: 'attemptExpired', taskId: 't1', attempt: 1, agentId: 'a', executionId: E1 },
    ]);
  });

  it('accepts an assignment that was appended after the cancellation', () => {
    const ledgers = ledgersOf(registered, submitted('t1'), aborting('cancelled', true), assigned('t1'));
    expect(saidBy(ledgers, releases())).toEqual(['t1 #1 held']);
  });
});

describe('an execution that is reopened', () => {
  it('has its tasks assigned again', () => {
    const ledgers = ledgersOf(
      registered,
      submitted('t1'),
      assigned('t1'),
      failed('t1', 1),
      submitted('t2'),
      aborting('step_failed', false),
      cancelled('t2'),
      redriven('t1', 2),
      submitted('t3'),
    );
    expect(saidBy(ledgers, routes()).sort()).toEqual(['t1', 't3']);
    expect(saidBy(ledgers, releases())).toEqual([]);
  });
});

describe('the tasks of an execution', () => {
  it('are forgotten once they have ended', () => {
    const ledgers = ledgersOf(
      registered,
      submitted('t1'),
      submitted('t2'),
      cancelled('t1'),
      aborting('cancelled', true),
      cancelled('t2'),
    );
    expect(saidBy(ledgers, (ledger) => [ledger.openTasks, ledger.nextDueMs(), ledger.executionOf('t1')])).toEqual([
      0,
      undefined,
      undefined,
    ]);
  });

  it('know their execution', () => {
    const ledgers = ledgersOf(registered, submitted('t1'), assigned('t1'));
    expect(saidBy(ledgers, (ledger) => ledger.executionOf('t1'))).toBe(E1);
    expect(saidBy(ledgers, (ledger) => ledger.openAssignments())).toMatchObject([{ taskId: 't1', executionId: E1 }]);
  });
});
