import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReferenceFleet } from '../../../test/support/routing/reference-fleet.ts';
import type { Candidate } from './candidate.ts';
import { LOAD_BOUND } from './policies/keyed.ts';
import { STRATEGY_NAMES, type StrategyName, strategies } from './strategies.ts';
import type { Choice, RoutedTask, RoutingRequest } from './strategy.ts';

const NOW = Date.parse('2026-03-01T12:00:00.000Z');

const candidate = (agentId: string, facts: Partial<Candidate> = {}): Candidate => ({
  agentId,
  capabilities: [{ name: 'work', version: '1.0.0' }],
  open: 0,
  maxConcurrency: 10,
  errorRate: 0,
  completed: 0,
  ...facts,
});

const task: RoutedTask = {
  taskId: 't',
  attempt: 1,
  capability: 'work',
  versionRange: undefined,
  priority: 3,
  executionId: undefined,
  deadlineMs: undefined,
};

type Asked = Partial<Omit<RoutingRequest, 'task' | 'fleet'>> & {
  readonly task?: Partial<RoutedTask>;
  /** Able, but not free. */
  readonly busy?: readonly Candidate[];
};

const choose = (name: StrategyName, candidates: readonly Candidate[], asked: Asked = {}): Choice => {
  const { task: facts, busy = [], ...rest } = asked;
  const able = [...candidates, ...busy];
  const fleet = new ReferenceFleet({ capability: 'work', candidates, able, takers: able });
  const request = { top: 5, seed: 1, last: undefined, bound: undefined, nowMs: NOW, ...rest };
  return strategies[name].choose({ ...request, task: { ...task, ...facts }, fleet });
};
const order = (name: StrategyName, candidates: readonly Candidate[], asked: Asked = {}): string[] =>
  choose(name, candidates, { top: candidates.length, ...asked }).best.map((scored) => scored.candidate.agentId);
const chosen = (name: StrategyName, candidates: readonly Candidate[], asked: Asked = {}): string | undefined =>
  choose(name, candidates, asked).best[0]?.candidate.agentId;
const scoreOf = (name: StrategyName, facts: Partial<Candidate>, asked: Asked = {}): number | undefined =>
  choose(name, [candidate('a', facts)], asked).best[0]?.score;

describe('least_loaded', () => {
  it('prefers the agent with the fewest open attempts', () =>
    expect(
      order('least_loaded', [candidate('a', { open: 3 }), candidate('b', { open: 1 }), candidate('c', { open: 2 })]),
    ).toEqual(['b', 'c', 'a']));

  it('scores min(1, open/100) plus half the error rate, at most 1', () => {
    expect(scoreOf('least_loaded', { open: 0, errorRate: 0 })).toBe(0);
    expect(scoreOf('least_loaded', { open: 20, errorRate: 0.4 })).toBeCloseTo(0.4);
    expect(scoreOf('least_loaded', { open: 500 })).toBe(1);
    expect(scoreOf('least_loaded', { open: 90, errorRate: 1 })).toBe(1);
  });

  it('prefers a busy agent to one that fails', () =>
    expect(order('least_loaded', [candidate('a', { errorRate: 0.5 }), candidate('b', { open: 20 })])).toEqual([
      'b',
      'a',
    ]));

  it('breaks ties by id', () =>
    expect(order('least_loaded', [candidate('c'), candidate('a'), candidate('b')])).toEqual(['a', 'b', 'c']));
});

describe('round_robin', () => {
  const agents = [candidate('c'), candidate('a'), candidate('b')];

  it('takes the agent that follows the last one by id, and then begins anew', () =>
    expect([undefined, 'a', 'b', 'c', 'bb'].map((last) => chosen('round_robin', agents, { last }))).toEqual([
      'a',
      'b',
      'c',
      'a',
      'c',
    ]));

  it('lists the other agents in the order of their turns', () =>
    expect(order('round_robin', agents, { last: 'a' })).toEqual(['b', 'c', 'a']));

  it('gives each of n agents every n-th turn', () =>
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 8 }),
        fc.string(),
        (ids, from) => {
          const agents = ids.map((id) => candidate(id));
          const picks: string[] = [];
          for (const _ of ids) picks.push(chosen('round_robin', agents, { last: picks.at(-1) ?? from }) as string);
          expect([...picks].sort()).toEqual([...ids].sort());
        },
      ),
    ));
});

/** How often each agent is chosen over many seeds. */
const shares = (name: StrategyName, candidates: readonly Candidate[], asked: Asked = {}): Record<string, number> => {
  const counts: Record<string, number> = {};
  const DRAWS = 10_000;
  for (let seed = 0; seed < DRAWS; seed += 1) {
    const agentId = chosen(name, candidates, { ...asked, seed, top: 1 }) as string;
    counts[agentId] = (counts[agentId] ?? 0) + 1 / DRAWS;
  }
  return counts;
};

describe('weighted', () => {
  it('draws in proportion to weight · (1 − load factor)', () => {
    const drawn = shares('weighted', [
      candidate('a', { weight: 3 }),
      candidate('b'),
      candidate('c', { weight: 2, open: 50 }),
    ]);
    expect(drawn['a']).toBeCloseTo(0.6, 1);
    expect(drawn['b']).toBeCloseTo(0.2, 1);
    expect(drawn['c']).toBeCloseTo(0.2, 1);
  });

  it('draws the same with the same seed, and says which', () => {
    const agents = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => candidate(id));
    expect(choose('weighted', agents, { seed: 5 })).toEqual(choose('weighted', agents, { seed: 5 }));
    expect(choose('weighted', agents, { seed: 5 }).seed).toBe(5);
  });

  it('takes the least loaded when nobody has any weight left', () =>
    expect(
      choose('weighted', [candidate('a', { open: 100, errorRate: 1 }), candidate('b', { open: 100 })]),
    ).toMatchObject({ best: [{ candidate: { agentId: 'a' } }, { candidate: { agentId: 'b' } }] }));
});

describe('content_based', () => {
  const specialist = (agentId: string, specialisations: string[], facts: Partial<Candidate> = {}): Candidate =>
    candidate(agentId, { capabilities: [{ name: 'work', version: '1.0.0', specialisations }], ...facts });
  const agents = [
    specialist('a', ['laws']),
    specialist('b', ['poems'], { open: 5 }),
    specialist('c', ['poems'], { open: 2 }),
  ];

  it('takes the least loaded of those that are specialised in the kind of the work', () =>
    expect(order('content_based', agents, { task: { specialisation: 'poems' } })).toEqual(['c', 'b']));

  it('takes the least loaded of all where nobody is, or the kind is unknown', () => {
    expect(chosen('content_based', agents, { task: { specialisation: 'films' } })).toBe('a');
    expect(chosen('content_based', agents)).toBe('a');
  });
});

describe('priority_based', () => {
  const agents = [candidate('a', { errorRate: 0.05 }), candidate('b'), candidate('c')];

  it('gives critical work in turn to those with an error rate below 0.05', () => {
    expect(chosen('priority_based', agents, { task: { priority: 1 } })).toBe('b');
    expect(chosen('priority_based', agents, { task: { priority: 1 }, last: 'c' })).toBe('b');
  });

  it('gives critical work to the others when all of them fail more often', () =>
    expect(chosen('priority_based', [candidate('a', { errorRate: 0.2 })], { task: { priority: 1 } })).toBe('a'));

  it('gives low and background work to any', () => {
    for (const priority of [4, 5])
      for (const share of Object.values(shares('priority_based', agents, { task: { priority } })))
        expect(share).toBeCloseTo(1 / 3, 1);
  });

  it('gives the rest in turn', () =>
    expect([2, 3].map((priority) => chosen('priority_based', agents, { task: { priority }, last: 'c' }))).toEqual([
      'a',
      'a',
    ]));
});

describe('affinity', () => {
  const agents = [candidate('a'), candidate('b', { open: 7 })];

  it('stays with the agent that the key belongs to', () =>
    expect(choose('affinity', agents, { bound: 'b' })).toMatchObject({
      best: [{ candidate: { agentId: 'b' } }, { candidate: { agentId: 'a' } }],
    }));

  it('begins with the least loaded', () => expect(chosen('affinity', agents)).toBe('a'));

  it('lets another help out while that agent is busy, and says so', () =>
    expect(choose('affinity', agents, { bound: 'x', busy: [candidate('x')] })).toMatchObject({
      best: [{ candidate: { agentId: 'a' } }, {}],
      overflow: 'x',
    }));

  it('gives the key another agent when that one is gone', () =>
    expect(choose('affinity', agents, { bound: 'x' })).not.toHaveProperty('overflow'));
});

describe('failover', () => {
  const agents = [candidate('a', { errorRate: 0.1 }), candidate('b', { open: 3 }), candidate('c'), candidate('d')];
  const targets = (...targets: string[]): Asked => ({ task: { targets } });

  it('takes the first target that is sound', () =>
    expect(order('failover', agents, targets('x', 'a', 'c', 'b'))).toEqual(['c', 'b', 'a']));

  it('takes the first that is free when none is sound', () =>
    expect(
      chosen('failover', [candidate('a', { open: 90 }), candidate('b', { errorRate: 0.9 })], targets('b', 'a')),
    ).toBe('b'));

  it('takes the least loaded of the others when no target is free', () =>
    expect(chosen('failover', agents, targets('x', 'y'))).toBe('c'));
});

describe('consistent_hash', () => {
  const fleet = Array.from({ length: 50 }, (_, index) => candidate(`agent-${index}`));
  const keys = Array.from({ length: 400 }, (_, index) => `key-${index}`);
  const owners = (candidates: readonly Candidate[]): Map<string, string | undefined> =>
    new Map(keys.map((affinityKey) => [affinityKey, chosen('consistent_hash', candidates, { task: { affinityKey } })]));

  it('moves only the keys of an agent that leaves', () => {
    const before = owners(fleet);
    const after = owners(fleet.filter(({ agentId }) => agentId !== 'agent-7'));
    const moved = keys.filter((key) => before.get(key) !== after.get(key));
    expect(moved.length).toBeGreaterThan(0);
    expect(new Set(moved.map((key) => before.get(key)))).toEqual(new Set(['agent-7']));
  });

  it('spreads keys over the agents', () => {
    const counts = new Map<string, number>();
    for (const owner of owners(fleet).values()) counts.set(owner as string, (counts.get(owner as string) ?? 0) + 1);
    expect(counts.size).toBeGreaterThan(45);
    expect(Math.max(...counts.values())).toBeLessThan(3 * (keys.length / fleet.length));
  });

  it('passes over an agent that holds more than the bound, to the next of the key, and says whose it is', () => {
    const affinityKey = 'key-1';
    const owner = chosen('consistent_hash', fleet, { task: { affinityKey } }) as string;
    const loaded = fleet.map((agent) => ({ ...agent, open: agent.agentId === owner ? 4 : 1 }));
    const choice = choose('consistent_hash', loaded, { task: { affinityKey } });
    expect(choice).toMatchObject({ overflow: owner });
    expect(choice.best[0]?.candidate.agentId).not.toBe(owner);
    expect(4 + 1).toBeGreaterThan(Math.ceil(LOAD_BOUND * (53 / 50 + 1)));
  });

  it('takes the same agent without a key for all tasks of an execution', () => {
    const of = (taskId: string): string | undefined =>
      chosen('consistent_hash', fleet, { task: { taskId, executionId: 'e1' } });
    expect(of('t1')).toBe(of('t2'));
  });
});

describe('the formulas of the source systems', () => {
  it('suitability is not clamped', () => {
    const sure = { capabilities: [{ name: 'work', version: '1.0.0', confidence: 1 }] };
    expect(scoreOf('suitability', sure)).toBeCloseTo(0.5 + 0.4 + 0.3 + 0.2 + 0.1);
    expect(scoreOf('suitability', { ...sure, open: 5, errorRate: 0.5, averageMs: 500 })).toBeCloseTo(
      0.5 + 0.4 + 0.15 + 0.1 + 0.05,
    );
    expect(scoreOf('suitability', { ...sure, open: 20, averageMs: 2_000 })).toBeCloseTo(0.5 + 0.4 + 0.3);
  });

  it('suitability prefers the more confident', () => {
    const sure = (agentId: string, confidence: number): Candidate =>
      candidate(agentId, { capabilities: [{ name: 'work', version: '1.0.0', confidence }] });
    expect(order('suitability', [sure('a', 0.2), sure('b', 0.9), sure('c', 0.5)])).toEqual(['b', 'c', 'a']);
  });

  it('balanced_load is 0.40 · tasks/5 + 0.35 · machine + 0.25 · errors', () =>
    expect(scoreOf('balanced_load', { open: 2, load: 0.6, errorRate: 0.4 })).toBeCloseTo(0.16 + 0.21 + 0.1));

  it('fewest_completed takes the one that has completed the fewest', () =>
    expect(order('fewest_completed', [candidate('a', { completed: 3 }), candidate('b', { completed: 1 })])).toEqual([
      'b',
      'a',
    ]));

  it('least_busy takes the smallest share of slots in use', () =>
    expect(
      order('least_busy', [
        candidate('a', { open: 2, maxConcurrency: 4 }),
        candidate('b', { open: 3, maxConcurrency: 10 }),
      ]),
    ).toEqual(['b', 'a']));

  it('performance_based is performance · free slots − error rate − open attempts', () => {
    expect(scoreOf('performance_based', { open: 4, errorRate: 0.25 })).toBeCloseTo(0.75 * 6 - 0.25 - 4);
    expect(order('performance_based', [candidate('a', { errorRate: 0.3 }), candidate('b')])).toEqual(['b', 'a']);
  });

  it('cost_based is cost factor · average hours · (1 + open/max)', () =>
    expect(scoreOf('cost_based', { costFactor: 10, averageMs: 1_800_000, open: 5 })).toBeCloseTo(10 * 0.5 * 1.5));

  it('cost_based counts the complexity of the task, also in how long it takes', () => {
    const slow = candidate('slow', { costFactor: 6, averageMs: 30_000 });
    const fast = candidate('fast', { costFactor: 10, averageMs: 20_000 });
    const deadlineMs = NOW + 100_000;
    expect(chosen('cost_based', [slow, fast], { task: { deadlineMs } })).toBe('slow');
    expect(chosen('cost_based', [slow, fast], { task: { deadlineMs, complexity: 3 } })).toBe('fast');
    const [best] = choose('cost_based', [fast], { task: { complexity: 3 } }).best;
    expect(best?.score).toBeCloseTo(10 * (20_000 / 3_600_000) * 3);
    expect(best?.terms).toMatchObject({ complexity: 3 });
  });

  it('cost_based counts twice what needs more than 80 % of the time that is left', () => {
    const slow = candidate('slow', { costFactor: 6, averageMs: 90_000 });
    const fast = candidate('fast', { costFactor: 10, averageMs: 60_000 });
    expect(chosen('cost_based', [slow, fast])).toBe('slow');
    expect(chosen('cost_based', [slow, fast], { task: { deadlineMs: NOW + 100_000 } })).toBe('fast');
  });
});

describe('deadline_aware', () => {
  const fast = candidate('fast', { averageMs: 1_000, open: 5 });
  const slow = candidate('slow', { averageMs: 60_000 });

  it('leaves the fast agent for others while a less busy one will do', () =>
    expect(chosen('deadline_aware', [fast, slow], { task: { deadlineMs: NOW + 600_000 } })).toBe('slow'));

  it('takes the fast one when only that one will meet the deadline, or none will', () => {
    expect(chosen('deadline_aware', [fast, slow], { task: { deadlineMs: NOW + 10_000 } })).toBe('fast');
    expect(chosen('deadline_aware', [fast, slow], { task: { deadlineMs: NOW + 1 } })).toBe('fast');
  });

  it('takes the fastest without a deadline', () => expect(chosen('deadline_aware', [slow, fast])).toBe('fast'));
});

describe.each(STRATEGY_NAMES)('%s', (name) => {
  const candidates = fc.uniqueArray(
    fc.record({
      agentId: fc.string({ minLength: 1, maxLength: 3 }),
      capabilities: fc.constant([{ name: 'work', version: '1.0.0' }]),
      open: fc.nat(20),
      maxConcurrency: fc.integer({ min: 1, max: 20 }),
      errorRate: fc.double({ min: 0, max: 1, noNaN: true }),
      completed: fc.nat(100),
      averageMs: fc.nat(100_000),
    }),
    { selector: ({ agentId }) => agentId, minLength: 1, maxLength: 10 },
  );

  it('chooses one of the candidates, and shows different ones', () =>
    fc.assert(
      fc.property(candidates, fc.nat(), fc.integer({ min: 1, max: 5 }), (agents, seed, priority) => {
        const ids = order(name, agents, { seed, top: 5, task: { priority } });
        expect(ids.length).toBeGreaterThan(0);
        expect(ids.length).toBeLessThanOrEqual(5);
        expect(new Set(ids).size).toBe(ids.length);
        for (const id of ids) expect(agents.map(({ agentId }) => agentId)).toContain(id);
      }),
    ));

  it('does not change its input', () => {
    const agents = [candidate('b'), candidate('a')];
    choose(name, agents);
    expect(agents).toEqual([candidate('b'), candidate('a')]);
  });
});
