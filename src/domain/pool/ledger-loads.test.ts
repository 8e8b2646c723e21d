import { describe, expect, it } from 'vitest';
import { copyOf } from '../../../test/support/ledger-snapshot.ts';
import { DEFAULT_RETRY } from '../retry.ts';
import { LOAD_HOLD_MS, loadClass } from './agent-loads.ts';
import { PoolLedger } from './ledger.ts';
import type { LedgerEvent } from './ledger-snapshot.ts';

const START = Date.parse('2026-03-01T12:00:00.000Z');
const iso = (ms: number): string => new Date(START + ms).toISOString();

const registered = (agentId: string): LedgerEvent => ({
  type: 'AgentRegistered',
  data: {
    agentId,
    pool: 'default',
    name: 'n',
    capabilities: [{ name: 'work', version: '1.0.0' }],
    transport: { kind: 'local' },
    maxConcurrency: 10,
    delivery: 'at_least_once',
    labels: {},
    registeredAt: iso(0),
  },
});

const submitted = (taskId: string): LedgerEvent => ({
  type: 'TaskSubmitted',
  data: {
    taskId,
    pool: 'default',
    capability: 'work',
    input: null,
    priority: 3,
    strategy: 'balanced_load',
    retry: DEFAULT_RETRY,
    timeoutMs: 60_000,
    tags: [],
    submittedAt: iso(0),
  },
});

const changed = (changes: { agentId: string; load: number }[], ms: number, pool = 'default'): LedgerEvent => ({
  type: 'AgentLoadsChanged',
  data: { pool, changes, readTo: '1', changedAt: iso(ms) },
});

const ledgerOf = (...events: readonly LedgerEvent[]): PoolLedger => {
  const ledger = new PoolLedger('default');
  for (const event of events) ledger.evolve(event);
  return ledger;
};

const say = (ledger: PoolLedger, loads: Record<string, number>, ms: number) => {
  ledger.loads.report(new Map(Object.entries(loads)));
  return ledger.loads.change(START + ms, 100);
};

describe('the class of a load', () => {
  it.each([
    ['is the nearest tenth', 0.44, 0, 0.4],
    ['stays while the load is not far from it', 0.46, 0.4, 0.4],
    ['stays on both sides', 0.33, 0.4, 0.4],
    ['is left beyond that', 0.48, 0.4, 0.5],
    ['may be one', 1, 0.9, 1],
  ])('%s', (_, share, known, expected) => expect(loadClass(share, known)).toBe(expected));
});

describe('the loads of a pool', () => {
  it('count for the choice from their event on', () => {
    const ledger = ledgerOf(registered('a'), registered('b'), submitted('t1'), submitted('t2'));
    ledger.evolve(changed([{ agentId: 'a', load: 0.5 }], 0));
    const [first] = ledger.assign(START, 1);
    expect(first).toMatchObject({ agentId: 'b', reason: { candidates: [{ terms: { machine: 0 } }, {}] } });
    expect(first?.reason.candidates[1]?.terms?.['machine']).toBeCloseTo(0.175);
  });

  it('change by what is reported, in the order of the agents, and only where the class changes', () => {
    const ledger = ledgerOf(registered('b'), registered('a'), registered('c'));
    const changes = say(ledger, { a: 0.31, b: 0.72, c: 0.04, elsewhere: 1 }, 0);
    expect(changes).toEqual([
      { agentId: 'a', load: 0.3 },
      { agentId: 'b', load: 0.7 },
    ]);
    expect(say(ledger, { a: 0.32, b: 0.72, c: 0.04 }, 1)).toEqual([]);
  });

  it('change once in 30 s, then to what is reported by then', () => {
    const ledger = ledgerOf(registered('a'));
    say(ledger, { a: 0.5 }, 0);
    expect(say(ledger, { a: 0.9 }, 1)).toEqual([]);
    expect(say(ledger, { a: 0.1 }, LOAD_HOLD_MS - 1)).toEqual([]);
    expect(ledger.loads.change(START + LOAD_HOLD_MS, 100)).toEqual([{ agentId: 'a', load: 0.1 }]);
  });

  it('change to and back within 30 s for nothing', () => {
    const ledger = ledgerOf(registered('a'));
    say(ledger, { a: 0.5 }, 0);
    say(ledger, { a: 0.9 }, 1);
    say(ledger, { a: 0.5 }, 2);
    expect(ledger.loads.change(START + LOAD_HOLD_MS, 100)).toEqual([]);
  });

  it('change within a limit, the rest later', () => {
    const ledger = ledgerOf(registered('a'), registered('b'));
    ledger.loads.report(new Map(Object.entries({ a: 1, b: 1 })));
    expect(ledger.loads.change(START, 1)).toEqual([{ agentId: 'a', load: 1 }]);
    expect(ledger.loads.change(START, 1)).toEqual([{ agentId: 'b', load: 1 }]);
  });

  it('are those of one registration', () => {
    const ledger = ledgerOf(registered('a'));
    ledger.loads.report(new Map([['a', 0.5]]));
    ledger.evolve(registered('a'));
    expect(ledger.loads.change(START, 100)).toEqual([]);
    expect(say(ledger, { a: 0.5 }, 1)).toEqual([{ agentId: 'a', load: 0.5 }]);
    ledger.evolve(registered('a'));
    expect(say(ledger, { a: 0.02 }, 2)).toEqual([]);
  });

  it('are in the snapshot, with the time of their last change', () => {
    const ledger = ledgerOf(registered('a'), changed([{ agentId: 'a', load: 0.5 }], 0));
    ledger.evolve(changed([{ agentId: 'a', load: 1 }], 5, 'other'));
    const copy = copyOf(ledger);
    expect(say(copy, { a: 0.9 }, LOAD_HOLD_MS - 1)).toEqual([]);
    expect(copy.loads.change(START + LOAD_HOLD_MS, 1)).toEqual([{ agentId: 'a', load: 0.9 }]);
  });
});
