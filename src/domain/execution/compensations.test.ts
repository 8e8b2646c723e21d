import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Compensations } from './compensations.ts';
import { COMPENSATION_STATUSES, type UnitCompensation } from './unit-state.ts';

type Change = readonly [unit: number, status: UnitCompensation['status']];

/** Units, each after some of those before it. */
const plans = fc.array(fc.array(fc.nat(), { maxLength: 3 }), { minLength: 1, maxLength: 12 }).map((after) =>
  after.map((before, index) => ({
    unit: `u${index}`,
    after: index === 0 ? [] : [...new Set(before.map((at) => `u${at % index}`))],
  })),
);
const changes = fc.array(fc.tuple(fc.nat(), fc.constantFrom(...COMPENSATION_STATUSES.filter((s) => s !== 'pending'))));

const isClosed = ({ status }: UnitCompensation): boolean => status === 'completed' || status === 'skipped';

/** Goes through all of them, as the definition of "due" reads. */
const dueUnits = (compensations: Compensations, goesOn: boolean): string[] =>
  [...compensations.values()]
    .filter(({ status }) => status === 'pending')
    .filter(({ after }) =>
      after.every((key) => {
        const before = compensations.get(key);
        return before === undefined || isClosed(before) || (goesOn && before.status === 'parked');
      }),
    )
    .map(({ unit }) => unit);

const changedBy = (compensations: Compensations, [at, status]: Change): Compensations =>
  compensations.changed(`u${at % compensations.size}`, (before) => ({ ...before, status }));

describe('the compensations of an execution', () => {
  it('find a due one without going through all of them, whatever happened before', () =>
    fc.assert(
      fc.property(plans, changes, fc.boolean(), fc.nat(), (plan, happened, goesOn, cut) => {
        const first = plan.slice(0, 1 + (cut % plan.length));
        let compensations = Compensations.none(goesOn).with(first);
        for (const [index, change] of happened.entries()) {
          // The rest of a plan that was too long for one append.
          if (index === 1) compensations = compensations.with(plan);
          compensations = changedBy(compensations, change);
          const due = dueUnits(compensations, goesOn);
          if (due.length === 0) expect(compensations.next()).toBeUndefined();
          else expect(due).toContain(compensations.next());
          expect(compensations.areClosed).toBe([...compensations.values()].every(isClosed));
        }
      }),
    ));

  it('are immutable', () => {
    const compensations = Compensations.none(false).with([
      { unit: 'b', after: [] },
      { unit: 'a', after: ['b'] },
    ]);
    const after = compensations.changed('b', (before) => ({ ...before, status: 'completed' }));
    expect([compensations.next(), after.next()]).toEqual(['b', 'a']);
    expect(compensations.get('b')?.status).toBe('pending');
    expect(after.changed('x', (before) => before)).toBe(after);
  });

  it('are due in the order of the plan', () => {
    let compensations = Compensations.none(false).with(['a', 'b', 'c'].map((unit) => ({ unit, after: [] })));
    const taken: string[] = [];
    for (let unit = compensations.next(); unit !== undefined; unit = compensations.next()) {
      taken.push(unit);
      compensations = compensations.changed(unit, (before) => ({ ...before, status: 'open' }));
    }
    expect(taken).toEqual(['a', 'b', 'c']);
  });
});
