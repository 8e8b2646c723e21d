import { describe, expect, it } from 'vitest';
import type { AgentEvent } from '../agent/events.ts';
import type { ExecutionEvent } from '../execution/events.ts';
import type { TaskEvent } from '../task/events.ts';
import type { LedgerEvent } from './ledger-snapshot.ts';
import { PoolsInUse } from './pools-in-use.ts';

const AT = '2026-03-01T12:00:00.000Z';
const E1 = '7c9e6679-7425-5e0d-9a5b-6f1f0a7d3c21';

const registered = (agentId: string, pool: string): AgentEvent => ({
  type: 'AgentRegistered',
  data: {
    agentId,
    pool,
    name: 'n',
    capabilities: [{ name: 'work', version: '1.0.0' }],
    transport: { kind: 'local' },
    maxConcurrency: 1,
    delivery: 'at_least_once',
    labels: {},
    registeredAt: AT,
  },
});
const deregistered = (agentId: string, pool: string): AgentEvent => ({
  type: 'AgentDeregistered',
  data: { agentId, pool, deregisteredAt: AT },
});
const routing = (taskId: string, pool: string) =>
  ({ taskId, pool, capability: 'work', priority: 3, strategy: 'least_loaded', timeoutMs: 1_000 }) as const;
const submitted = (taskId: string, pool: string): TaskEvent => ({
  type: 'TaskSubmitted',
  data: {
    ...routing(taskId, pool),
    input: null,
    retry: { kind: 'fixed', maxAttempts: 3, baseMs: 0, factor: 2, maxDelayMs: 0, jitter: 0 },
    tags: [],
    submittedAt: AT,
  },
});
const cancelled = (taskId: string): TaskEvent => ({ type: 'TaskCancelled', data: { taskId, cancelledAt: AT } });
const redriven = (taskId: string, pool: string): TaskEvent => ({
  type: 'TaskRedriven',
  data: { ...routing(taskId, pool), nextAttempt: 2, redrivenAt: AT },
});
const paused: ExecutionEvent = { type: 'ExecutionPaused', data: { executionId: E1, pausedAt: AT } };
const resumed: ExecutionEvent = { type: 'ExecutionResumed', data: { executionId: E1, resumedAt: AT } };

const having = (...events: LedgerEvent[]): PoolsInUse => {
  const pools = new PoolsInUse();
  for (const event of events) pools.evolve(event);
  return pools;
};

describe('which pools are in use', () => {
  it('are those with registered agents', () => {
    expect(having(registered('a', 'x')).pools).toEqual(['x']);
    expect(having(registered('a', 'x'), registered('b', 'x'), deregistered('a', 'x')).pools).toEqual(['x']);
    expect(having(registered('a', 'x'), deregistered('a', 'x')).pools).toEqual([]);
  });

  it('counts an agent that registers again once', () => {
    expect(having(registered('a', 'x'), registered('a', 'x'), deregistered('a', 'x')).pools).toEqual([]);
  });

  it('follows an agent that registers in another pool', () => {
    expect(having(registered('a', 'x'), deregistered('a', 'x'), registered('a', 'y')).pools).toEqual(['y']);
  });

  it('are those with open tasks', () => {
    expect(having(submitted('t', 'x')).pools).toEqual(['x']);
    expect(having(submitted('t', 'x'), cancelled('t')).pools).toEqual([]);
    expect(having(submitted('t', 'x'), cancelled('t'), redriven('t', 'x')).pools).toEqual(['x']);
    expect(having(submitted('t', 'x'), cancelled('t'), cancelled('t'), submitted('u', 'x')).pools).toEqual(['x']);
  });

  it('goes on from a snapshot as if it had not been interrupted', () => {
    const before = having(registered('a', 'x'), submitted('t', 'y'), submitted('u', 'y'), paused);
    const restored = new PoolsInUse(JSON.parse(JSON.stringify(before.snapshot())));
    for (const part of JSON.parse(JSON.stringify(before.takeParts()))) restored.restorePart(part);
    expect([restored.snapshot(), restored.takeParts()]).toEqual([before.snapshot(), before.takeParts()]);
    expect(restored.pools).toEqual(['x', 'y']);
    for (const event of [cancelled('t'), cancelled('u'), resumed]) restored.evolve(event);
    expect(restored.pools).toEqual(['x']);
    expect(restored.newLedger('z').snapshot().paused).toEqual([]);
  });

  it('tells when a pool comes into use, and again when it comes back', () => {
    const pools = new PoolsInUse();
    const seen: string[] = [];
    pools.onNew = (pool) => seen.push(pool);
    for (const event of [submitted('t', 'x'), submitted('u', 'x'), cancelled('t'), cancelled('u')]) pools.evolve(event);
    expect(seen).toEqual(['x']);
    pools.evolve(redriven('t', 'x'));
    expect(seen).toEqual(['x', 'x']);
  });

  it('begins the ledger of a new pool with the executions that are paused', () => {
    const pools = having(paused);
    const ledger = pools.newLedger('x');
    ledger.evolve(registered('a', 'x'));
    ledger.evolve({ ...submitted('t', 'x'), data: { ...submitted('t', 'x').data, executionId: E1 } } as TaskEvent);
    expect(ledger.assign(Date.parse(AT), 10)).toEqual([]);
    ledger.evolve(resumed);
    expect(ledger.assign(Date.parse(AT), 10)).toHaveLength(1);
  });
});

describe('a pool that people have paused before it was in use', () => {
  const paused: LedgerEvent = { type: 'PoolPaused', data: { pool: 'x', reason: 'not yet', pausedAt: AT } };

  it('begins as a paused one, also after a snapshot', () => {
    const pools = new PoolsInUse();
    pools.evolve(paused);
    const restored = new PoolsInUse(JSON.parse(JSON.stringify(pools.snapshot())));
    for (const each of [pools, restored]) {
      expect(each.newLedger('x').snapshot().control).toEqual([paused]);
      expect(each.newLedger('y').snapshot().control).toBeUndefined();
      each.evolve({ type: 'PoolResumed', data: { pool: 'x', resumedAt: AT } });
      expect(each.newLedger('x').snapshot().control).toBeUndefined();
    }
  });
});
