import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketOf, histogramOf, quantile } from './histogram.ts';

describe('a histogram', () => {
  it('keeps a single sample in its last element', () => {
    expect(histogramOf(1)).toEqual([1]);
    expect(histogramOf(2)).toEqual([0, 0, 0, 0, 1]);
    expect(histogramOf(0)).toEqual([1]);
  });

  it('gives every duration up to two weeks back to within 9.1 %', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 14 * 86_400_000_000 }), (us) => {
        const estimate = quantile(histogramOf(us), 0.5) ?? 0;
        expect(Math.abs(estimate / us - 1)).toBeLessThan(0.0911);
      }),
    );
  });

  it('never puts a longer duration into an earlier bucket', () => {
    const durations = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
    fc.assert(fc.property(durations, durations, (a, b) => a > b || bucketOf(a) <= bucketOf(b)));
  });

  it('finds the requested rank', () => {
    const tenOfOneAndOneOfThousand = histogramOf(1_000).map((count, index) => (index === 0 ? 10 : count));
    expect(quantile(tenOfOneAndOneOfThousand, 0.5)).toBeCloseTo(1.09, 1);
    expect(quantile(tenOfOneAndOneOfThousand, 0.99)).toBeGreaterThan(900);
  });

  it('returns nothing without samples', () => expect(quantile([], 0.5)).toBeUndefined());
});
