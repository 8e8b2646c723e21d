import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Debts } from './debts.ts';
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
const dueUnits = (debts: Debts, goesOn: boolean): string[] =>
  [...debts.values()]
    .filter(({ status }) => status === 'pending')
    .filter(({ after }) =>
      after.every((key) => {
        const before = debts.get(key);
        return before === undefined || isClosed(before) || (goesOn && before.status === 'parked');
      }),
    )
    .map(({ unit }) => unit);

const changedBy = (debts: Debts, [at, status]: Change): Debts =>
  debts.changed(`u${at % debts.size}`, (before) => ({ ...before, status }));

describe('debts', () => {
  it('find what is due without going through all of them, whatever happened before', () =>
    fc.assert(
      fc.property(plans, changes, fc.boolean(), fc.nat(), (plan, happened, goesOn, cut) => {
        const first = plan.slice(0, 1 + (cut % plan.length));
        let debts = Debts.none(goesOn).with(first);
        for (const [index, change] of happened.entries()) {
          // The rest of a plan that was too long for one append.
          if (index === 1) debts = debts.with(plan);
          debts = changedBy(debts, change);
          const due = dueUnits(debts, goesOn);
          if (due.length === 0) expect(debts.next()).toBeUndefined();
          else expect(due).toContain(debts.next());
          expect(debts.areClosed).toBe([...debts.values()].every(isClosed));
        }
      }),
    ));

  it('are not changed by a change', () => {
    const debts = Debts.none(false).with([
      { unit: 'b', after: [] },
      { unit: 'a', after: ['b'] },
    ]);
    const after = debts.changed('b', (before) => ({ ...before, status: 'completed' }));
    expect([debts.next(), after.next()]).toEqual(['b', 'a']);
    expect(debts.get('b')?.status).toBe('pending');
    expect(after.changed('x', (before) => before)).toBe(after);
  });

  it('are due in the order of the plan', () => {
    let debts = Debts.none(false).with(['a', 'b', 'c'].map((unit) => ({ unit, after: [] })));
    const taken: string[] = [];
    for (let unit = debts.next(); unit !== undefined; unit = debts.next()) {
      taken.push(unit);
      debts = debts.changed(unit, (before) => ({ ...before, status: 'open' }));
    }
    expect(taken).toEqual(['a', 'b', 'c']);
  });
});
