import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { excessOf, NONE_REFUSED, refusedFrom } from './classes.ts';

const BOUND = 1_000;
const from = (waiting: number, before = NONE_REFUSED) => refusedFrom(before, waiting, BOUND);

describe('a pool that fills up', () => {
  it.each([
    [899, NONE_REFUSED],
    [900, 5],
    [924, 5],
    [925, 4],
    [950, 3],
    [975, 2],
    [999, 2],
    [1_000, 1],
    [5_000, 1],
  ])('with %d of 1,000 waiting refuses from class %d on', (waiting, expected) => {
    expect(from(waiting)).toBe(expected);
  });
});

describe('a pool that empties', () => {
  it.each([
    [800, 1],
    [799, 2],
    [779, 3],
    [759, 4],
    [739, 5],
    [720, 5],
    [719, NONE_REFUSED],
  ])('that refused all refuses with %d waiting from class %d on', (waiting, expected) => {
    expect(from(waiting, 1)).toBe(expected);
  });

  it('says how many must leave before a class is admitted', () => {
    expect([excessOf(5, 900, BOUND), excessOf(1, 1_000, BOUND)]).toEqual([181, 201]);
    for (const priority of [1, 2, 3, 4, 5]) {
      const left = 1_000 - excessOf(priority, 1_000, BOUND);
      expect([from(left, priority), from(left + 1, priority)]).toEqual([priority + 1, priority]);
    }
  });
});

it('changes with each step of the load at the marks only, whatever the bound', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.array(fc.double({ min: 0, max: 1.2, noNaN: true })),
      (bound, loads) => {
        let before = NONE_REFUSED;
        for (const load of loads) {
          const waiting = Math.floor(load * bound);
          const now = refusedFrom(before, waiting, bound);
          // What is refused was refused before, or is beyond its mark; what is admitted is below it.
          expect(waiting >= bound ? now : 1).toBe(1);
          expect(waiting < 0.72 * bound ? now : NONE_REFUSED).toBe(NONE_REFUSED);
          if (now < before) expect(waiting).toBeGreaterThanOrEqual(0.9 * bound);
          before = now;
        }
      },
    ),
  );
});
