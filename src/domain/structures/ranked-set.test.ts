import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RankedSet } from './ranked-set.ts';

const change = fc.record({ id: fc.integer({ min: 0, max: 30 }), score: fc.option(fc.nat(5), { nil: undefined }) });

describe('a ranked set', () => {
  it('gives the best by score and id, as sorting would, after any changes', () =>
    fc.assert(
      fc.property(fc.array(change, { maxLength: 100, size: 'max' }), fc.nat(40), (changes, count) => {
        const set = new RankedSet<number>();
        const model = new Map<string, number>();
        for (const { id, score } of changes) {
          if (score === undefined) {
            set.delete(`${id}`);
            model.delete(`${id}`);
          } else {
            set.set(`${id}`, id, score);
            model.set(`${id}`, score);
          }
        }
        const sorted = [...model].sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1));
        expect(set.size).toBe(model.size);
        expect(set.best(count).map(({ id, score }) => [id, score])).toEqual(sorted.slice(0, count));
      }),
    ));
});
