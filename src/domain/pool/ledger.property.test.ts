import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OPENING, replayed, steps, World } from '../../../test/support/ledger-world.ts';
import type { LedgerEvent } from './ledger-snapshot.ts';
import { Recomputation, type Recomputed } from './recomputation.ts';

const recomputed = (log: readonly LedgerEvent[]): readonly Recomputed[] => {
  const recomputation = new Recomputation('default');
  return log.flatMap((event, index) => recomputation.take({ event, position: BigInt(index) }));
};

describe('any sequence of events', () => {
  it('never fills more than an agent’s slots, even over restarts and late appends, and gives it only work it can do (S7)', () =>
    fc.assert(
      fc.property(steps, (course) => {
        new World().run(course);
      }),
      { numRuns: 250 },
    ));

  it('reaches decisions, so that the property above means something', () => {
    const counts = fc.sample(steps, { numRuns: 50, seed: 7 }).map((course) => new World().run(course).decisions.length);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(300);
  });

  it('gives the same decisions every time', () =>
    fc.assert(
      fc.property(steps, (course) => {
        expect(new World().run(course).decisions).toEqual(new World().run(course).decisions);
      }),
      { numRuns: 50 },
    ));

  it('lets each decision be made again from the log', () =>
    fc.assert(
      fc.property(steps, (course) => {
        expect(recomputed(new World().run(course).log).filter(({ outcome }) => outcome !== 'same')).toEqual([]);
      }),
      { numRuns: 200 },
    ));

  it('shows a decision that was recorded wrongly', () => {
    const { log } = new World().run([
      ...OPENING,
      { kind: 'submit', capability: 0, priority: 3, robin: false, ranged: false, deadlineMs: undefined },
      { kind: 'decide', limit: 1 },
      { kind: 'append' },
    ]);
    const forged = JSON.parse(JSON.stringify(log), (name, value) => (name === 'eligible' ? 1 : value));
    expect(recomputed(forged)).toMatchObject([
      { outcome: 'different', differences: [{ field: 'reason.eligible', recorded: 1, computed: 2 }] },
    ]);
  });

  it('leaves the same attempts open in a ledger that reads the log again', () =>
    fc.assert(
      fc.property(steps, (course) => {
        const world = new World().run([...course, { kind: 'append' }]);
        const known = replayed(world.log);
        const held = [...world.tasks.values()].filter(({ holder }) => holder !== undefined);
        expect(known.openTasks).toBe([...world.tasks.values()].filter(({ status }) => status === 'open').length);
        for (const { taskId, agentId, attempt } of known.openAssignments())
          expect(world.tasks.get(taskId)).toMatchObject({ holder: agentId, attempt });
        for (const { facts, holder } of held)
          if (world.agents.get(holder as string)?.status !== 'gone')
            expect(known.openAssignments().map(({ taskId }) => taskId)).toContain(facts.taskId);
      }),
      { numRuns: 100 },
    ));
});
