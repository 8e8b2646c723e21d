import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { STRATEGY_NAMES, strategies } from './strategies.ts';
import type { Candidate, RoutedTask } from './strategy.ts';

const candidate = (agentId: string, facts: Partial<Candidate> = {}): Candidate => ({
  agentId,
  open: 0,
  maxConcurrency: 10,
  errorRate: 0,
  ...facts,
});
const task: RoutedTask = {
  taskId: 't',
  attempt: 1,
  capability: 'work',
  versionRange: undefined,
  priority: 3,
  executionId: undefined,
};
const order = (name: keyof typeof strategies, candidates: readonly Candidate[], turn = 0): string[] =>
  strategies[name].rank({ task, candidates, turn, top: candidates.length }).map((scored) => scored.candidate.agentId);

describe('least_loaded', () => {
  it('prefers the agent with the fewest open attempts', () =>
    expect(
      order('least_loaded', [candidate('a', { open: 3 }), candidate('b', { open: 1 }), candidate('c', { open: 2 })]),
    ).toEqual(['b', 'c', 'a']));

  it('scores min(1, open/100) plus half the error rate, at most 1', () => {
    const scoreOf = (facts: Partial<Candidate>): number | undefined =>
      strategies.least_loaded.rank({ task, candidates: [candidate('a', facts)], turn: 0, top: 1 })[0]?.score;
    expect(scoreOf({ open: 0, errorRate: 0 })).toBe(0);
    expect(scoreOf({ open: 20, errorRate: 0.4 })).toBeCloseTo(0.4);
    expect(scoreOf({ open: 500 })).toBe(1);
    expect(scoreOf({ open: 90, errorRate: 1 })).toBe(1);
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

  it('takes the agents in turn, ordered by id', () =>
    expect([0, 1, 2, 3].map((turn) => order('round_robin', agents, turn)[0])).toEqual(['a', 'b', 'c', 'a']));

  it('lists the other agents in the order of their turns', () =>
    expect(order('round_robin', agents, 1)).toEqual(['b', 'c', 'a']));

  it('gives each of n agents every n-th turn', () =>
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 8 }),
        fc.nat(1_000),
        (ids, from) => {
          const picks = ids.map(
            (_, step) =>
              order(
                'round_robin',
                ids.map((id) => candidate(id)),
                from + step,
              )[0],
          );
          expect([...picks].sort()).toEqual([...ids].sort());
        },
      ),
    ));
});

describe.each(STRATEGY_NAMES)('%s', (name) => {
  const candidates = fc.uniqueArray(
    fc.record({
      agentId: fc.string({ minLength: 1, maxLength: 3 }),
      open: fc.nat(20),
      maxConcurrency: fc.integer({ min: 1, max: 20 }),
      errorRate: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    { selector: ({ agentId }) => agentId, minLength: 1, maxLength: 10 },
  );

  it('ranks every candidate once, best first, in whichever order they come', () =>
    fc.assert(
      fc.property(candidates, fc.nat(50), (agents, turn) => {
        const ranked = strategies[name].rank({ task, candidates: agents, turn, top: agents.length });
        expect(ranked.map(({ score }) => score)).toEqual(ranked.map(({ score }) => score).sort((a, b) => a - b));
        expect(ranked.map(({ candidate: { agentId } }) => agentId).sort()).toEqual(
          agents.map(({ agentId }) => agentId).sort(),
        );
        expect(order(name, [...agents].reverse(), turn)).toEqual(order(name, agents, turn));
      }),
    ));

  it('gives the top of the full ranking when only that is requested', () =>
    fc.assert(
      fc.property(candidates, fc.nat(50), fc.nat(4), (agents, turn, top) => {
        const all = strategies[name].rank({ task, candidates: agents, turn, top: agents.length });
        expect(strategies[name].rank({ task, candidates: agents, turn, top })).toEqual(all.slice(0, top));
      }),
    ));

  it('does not change its input', () => {
    const agents = [candidate('b'), candidate('a')];
    strategies[name].rank({ task, candidates: agents, turn: 0, top: 2 });
    expect(agents.map(({ agentId }) => agentId)).toEqual(['b', 'a']);
  });
});
