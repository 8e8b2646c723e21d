import { describe, expect, it } from 'vitest';
import { copyOf } from '../../../test/support/ledger-snapshot.ts';
import type { AgentEvent } from '../agent/events.ts';
import type { TaskEvent } from '../task/events.ts';
import { PoolLedger } from './ledger.ts';
import type { LedgerEvent } from './ledger-snapshot.ts';

const START = Date.parse('2026-03-01T12:00:00.000Z');
const HOLD_MS = 5_000;
const iso = (ms: number): string => new Date(START + ms).toISOString();

const AGENT: AgentEvent = {
  type: 'AgentRegistered',
  data: {
    agentId: 'a',
    pool: 'default',
    name: 'a',
    capabilities: [{ name: 'work', version: '1.0.0' }],
    transport: { kind: 'local' },
    maxConcurrency: 9,
    delivery: 'at_least_once',
    labels: {},
    registeredAt: iso(0),
  },
};
const submitted = (taskId: string, waitsFor?: string[], facts: object = {}): TaskEvent => ({
  type: 'TaskSubmitted',
  data: {
    taskId,
    pool: 'default',
    capability: 'work',
    input: null,
    priority: 3,
    strategy: 'least_loaded',
    retry: { kind: 'fixed', maxAttempts: 3, baseMs: 0, factor: 2, maxDelayMs: 0, jitter: 0 },
    timeoutMs: 60_000,
    tags: [],
    submittedAt: iso(0),
    ...(waitsFor ? { dependsOn: waitsFor, waitsFor } : {}),
    ...facts,
  },
});
const completed = (taskId: string): TaskEvent => ({
  type: 'TaskCompleted',
  data: { taskId, attempt: 1, agentId: 'a', result: null, durationMs: 1, completedAt: iso(0) },
});
const cancelled = (taskId: string): TaskEvent => ({ type: 'TaskCancelled', data: { taskId, cancelledAt: iso(0) } });
const deadLettered = (taskId: string): TaskEvent => ({
  type: 'TaskDeadLettered',
  data: {
    taskId,
    reason: 'not_retryable',
    attempts: 1,
    error: { code: 'E', message: 'm', source: 'agent', retryable: false },
    deadLetteredAt: iso(0),
  },
});
const unblocked = (taskId: string, ms = 0): TaskEvent => ({
  type: 'TaskUnblocked',
  data: { taskId, unblockedAt: iso(ms) },
});

const given = (...events: LedgerEvent[]): PoolLedger => {
  const ledger = new PoolLedger('default');
  for (const event of events) ledger.evolve(event);
  return ledger;
};
const assign = (ledger: PoolLedger, ms = 0): string[] => ledger.assign(START + ms, 100).map(({ taskId }) => taskId);
/** Those that are due now, looked at. */
const look = (ledger: PoolLedger, ms = 0): string[] => {
  const due = ledger.dependents.due(START + ms, HOLD_MS, 100, () => false).map(({ taskId }) => taskId);
  for (const taskId of due) ledger.dependents.looked(taskId);
  return due;
};
const due = (ledger: PoolLedger, ms: number, underWay: string[] = []): string[] =>
  ledger.dependents.due(START + ms, HOLD_MS, 100, (id) => underWay.includes(id)).map(({ taskId }) => taskId);

describe('a task that waits for others', () => {
  it('is given to no agent before the log says that it may run', () => {
    const ledger = given(AGENT, submitted('t', ['x']), submitted('free'));
    expect(assign(ledger)).toEqual(['free']);
    ledger.evolve(completed('x'));
    expect(assign(ledger, 1)).toEqual([]);
    ledger.evolve(unblocked('t', 2));
    expect(assign(ledger, 3)).toEqual(['t']);
  });

  it('grows old from then on', () => {
    const ledger = given(AGENT, submitted('t', ['x']), unblocked('t', 40_000));
    expect(ledger.assign(START + 40_010, 1)[0]?.reason.waitedMs).toBe(10);
  });

  it('is looked at once it is known, and again whenever one of them ends, in whichever pool', () => {
    const ledger = given(AGENT, submitted('t', ['x', 'y']));
    expect(ledger.nextDueMs()).toBe(0);
    expect(look(ledger)).toEqual(['t']);
    expect(look(ledger)).toEqual([]);
    expect(ledger.nextDueMs()).toBeUndefined();
    ledger.evolve(completed('x'));
    expect(look(ledger)).toEqual(['t']);
    ledger.evolve(cancelled('y'));
    expect(look(ledger)).toEqual(['t']);
    ledger.evolve(cancelled('z'));
    expect(look(ledger)).toEqual([]);
  });

  it('goes on waiting while one of them is dead-lettered', () => {
    const ledger = given(submitted('t', ['x']));
    look(ledger);
    ledger.evolve(deadLettered('x'));
    expect(look(ledger)).toEqual([]);
  });

  it('is looked at again when that failed, after a while', () => {
    const ledger = given(submitted('t', ['x']));
    expect(due(ledger, 0)).toEqual(['t']);
    expect(due(ledger, 1)).toEqual([]);
    expect(ledger.nextDueMs()).toBe(START + HOLD_MS);
    expect(due(ledger, HOLD_MS)).toEqual(['t']);
  });

  it('is looked at again when one of them ended while the others were read', () => {
    const ledger = given(submitted('t', ['x', 'y']));
    expect(due(ledger, 0)).toEqual(['t']);
    ledger.evolve(completed('x'));
    expect(due(ledger, 1, ['t'])).toEqual([]);
    expect(ledger.dependents.looked('t')).toBe(false);
    expect(ledger.dependents.looked('t')).toBe(true);
    expect(due(ledger, 2 * HOLD_MS)).toEqual([]);
  });

  it('is looked at by the next writer, too, whatever the last one had seen', () => {
    const ledger = given(AGENT, submitted('t', ['x']));
    look(ledger);
    ledger.evolve(completed('x'));
    look(ledger);
    const copy = copyOf(ledger);
    expect(look(copy)).toEqual(['t']);
    expect(assign(copy, 1)).toEqual([]);
    copy.evolve(unblocked('t'));
    expect(assign(copy, 2)).toEqual(['t']);
  });

  it('has its deadline all the same', () => {
    const ledger = given(submitted('t', ['x'], { deadlineAt: iso(1_000) }));
    expect(ledger.dueTimers(START + 1_000, HOLD_MS)).toEqual([
      { kind: 'deadlinePassed', taskId: 't', heldBy: undefined },
    ]);
  });

  it('is forgotten when it ends, and when no more is known of it', () => {
    const ledger = given(submitted('t', ['x']), submitted('u', ['x']));
    ledger.evolve(cancelled('t'));
    ledger.halt('task-default.u');
    ledger.evolve(completed('x'));
    expect(look(ledger)).toEqual([]);
  });

  it('waits again when it is redriven before it could run', () => {
    const { type: _, data } = submitted('t', ['x']) as Extract<TaskEvent, { type: 'TaskSubmitted' }>;
    const { input: _i, retry: _r, tags: _t, submittedAt: _s, dependsOn: _d, ...facts } = data;
    const ledger = given(AGENT, submitted('t', ['x']), deadLettered('t'), {
      type: 'TaskRedriven',
      data: { ...facts, nextAttempt: 1, redrivenAt: iso(5) },
    });
    expect(assign(ledger, 10)).toEqual([]);
    expect(look(ledger)).toEqual(['t']);
  });
});
