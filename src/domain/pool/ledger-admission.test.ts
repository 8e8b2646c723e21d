import { describe, expect, it } from 'vitest';
import { copyOf } from '../../../test/support/ledger-snapshot.ts';
import type { AdmissionEvent } from '../admission/events.ts';
import type { AgentEvent } from '../agent/events.ts';
import type { TaskEvent } from '../task/events.ts';
import { PoolLedger } from './ledger.ts';
import type { LedgerEvent } from './ledger-snapshot.ts';

const START = Date.parse('2026-03-01T12:00:00.000Z');
const iso = (ms: number): string => new Date(START + ms).toISOString();

const agent = (agentId: string, maxConcurrency: number): AgentEvent => ({
  type: 'AgentRegistered',
  data: {
    agentId,
    pool: 'default',
    name: agentId,
    capabilities: [{ name: 'work', version: '1.0.0' }],
    transport: { kind: 'local' },
    maxConcurrency,
    delivery: 'at_least_once',
    labels: {},
    registeredAt: iso(0),
  },
});
const submitted = (taskId: string, ms = 0, facts: object = {}): TaskEvent => ({
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
    submittedAt: iso(ms),
    ...facts,
  },
});
const completed = (taskId: string): TaskEvent => ({
  type: 'TaskCompleted',
  data: { taskId, attempt: 1, agentId: 'a', result: null, durationMs: 1, completedAt: iso(0) },
});
const paused = (pool = 'default'): AdmissionEvent => ({ type: 'PoolPaused', data: { pool, pausedAt: iso(0) } });
const resumed = (pool = 'default'): AdmissionEvent => ({ type: 'PoolResumed', data: { pool, resumedAt: iso(0) } });

const given = (...events: LedgerEvent[]): PoolLedger => {
  const ledger = new PoolLedger('default');
  for (const event of events) ledger.evolve(event);
  return ledger;
};
const assign = (ledger: PoolLedger, ms = 0, limit = 100): string[] =>
  ledger.assign(START + ms, limit).map(({ taskId }) => taskId);

describe('a paused pool', () => {
  it('assigns nothing until it is resumed, and what agents hold goes on', () => {
    const ledger = given(agent('a', 2), submitted('t1'));
    expect(assign(ledger)).toEqual(['t1']);
    for (const event of [paused(), submitted('t2')]) ledger.evolve(event);
    expect([assign(ledger), ledger.waiting.size]).toEqual([[], 1]);
    ledger.evolve(completed('t1'));
    expect(assign(ledger, 3_600_000)).toEqual([]);
    ledger.evolve(resumed());
    expect(assign(ledger, 3_600_000)).toEqual(['t2']);
  });

  it('is still paused after a snapshot, and its deadlines pass', () => {
    const ledger = copyOf(given(agent('a', 2), submitted('t1', 0, { deadlineAt: iso(1_000) }), paused()));
    expect(assign(ledger)).toEqual([]);
    expect(ledger.dueTimers(START + 1_000, 5_000)).toMatchObject([{ kind: 'deadlinePassed', taskId: 't1' }]);
    ledger.evolve(resumed());
    expect(copyOf(ledger).snapshot()).toEqual(ledger.snapshot());
  });

  it('is not another one', () => {
    expect(assign(given(agent('a', 1), submitted('t1'), paused('other')))).toEqual(['t1']);
    expect(assign(given(agent('a', 1), submitted('t1'), paused(), resumed('other')))).toEqual([]);
  });
});
