import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffMs, DEFAULT_RETRY, RetryPolicy, retryDelayMs } from './retry.ts';

const policyOf = (facts: Partial<RetryPolicy>): RetryPolicy => ({ ...DEFAULT_RETRY, jitter: 0, ...facts });
const delays = (facts: Partial<RetryPolicy>): number[] =>
  [1, 2, 3, 4].map((failures) => retryDelayMs(policyOf(facts), failures, 0.5));

describe('the plain delay', () => {
  it('multiplies for an exponential policy', () =>
    expect(delays({ kind: 'exponential', baseMs: 100, factor: 3 })).toEqual([100, 300, 900, 2_700]));
  it('adds up for a linear policy', () =>
    expect(delays({ kind: 'linear', baseMs: 100 })).toEqual([100, 200, 300, 400]));
  it('stays for a fixed policy', () => expect(delays({ kind: 'fixed', baseMs: 100 })).toEqual([100, 100, 100, 100]));
  it('is nothing for an immediate policy', () =>
    expect(delays({ kind: 'immediate', baseMs: 100 })).toEqual([0, 0, 0, 0]));
  it('is capped', () =>
    expect(delays({ kind: 'exponential', baseMs: 100, factor: 10, maxDelayMs: 5_000 })).toEqual([
      100, 1_000, 5_000, 5_000,
    ]));
});

describe('jitter', () => {
  it('spreads the delay over [d·(1-j), d·(1+j)]', () => {
    const policy = policyOf({ kind: 'fixed', baseMs: 1_000, jitter: 0.5 });
    expect([0, 0.25, 0.5, 0.75].map((random) => retryDelayMs(policy, 1, random))).toEqual([500, 750, 1_000, 1_250]);
  });

  it('never raises a delay above the cap', () =>
    expect(retryDelayMs(policyOf({ kind: 'fixed', baseMs: 1_000, maxDelayMs: 1_000, jitter: 1 }), 1, 0.999)).toBe(
      1_000,
    ));

  it('keeps the delay of any policy within its bounds, in whole milliseconds', () =>
    fc.assert(
      fc.property(
        fc.record({
          kind: fc.constantFrom('exponential', 'linear', 'fixed', 'immediate'),
          maxAttempts: fc.integer({ min: 1, max: 100 }),
          baseMs: fc.integer({ min: 0, max: 3_600_000 }),
          factor: fc.double({ min: 1, max: 10, noNaN: true }),
          maxDelayMs: fc.integer({ min: 0, max: 86_400_000 }),
          jitter: fc.double({ min: 0, max: 1, noNaN: true }),
        }),
        fc.integer({ min: 1, max: 100 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (policy, failures, random) => {
          const delayMs = retryDelayMs(RetryPolicy.parse(policy), failures, random);
          expect(Number.isSafeInteger(delayMs)).toBe(true);
          expect(delayMs).toBeGreaterThanOrEqual(0);
          expect(delayMs).toBeLessThanOrEqual(policy.maxDelayMs);
        },
      ),
    ));
});

describe('a retry policy from a caller', () => {
  it('has defaults for omitted fields', () => expect(RetryPolicy.parse({})).toEqual(DEFAULT_RETRY));

  it.each([
    { maxAttempts: 0 },
    { maxAttempts: -1 },
    { maxAttempts: 1e9 },
    { maxAttempts: 1.5 },
    { factor: 0 },
    { factor: Number.NaN },
    { factor: -1 },
    { factor: 11 },
    { jitter: 2 },
    { jitter: -0.1 },
    { baseMs: -1 },
    { baseMs: Number.POSITIVE_INFINITY },
    { maxDelayMs: 86_400_001 },
    { kind: 'fibonacci' },
    { maxAtempts: 3 },
  ])('is refused with %o', (policy) => {
    const parsed = RetryPolicy.safeParse(policy);
    expect(parsed.success).toBe(false);
    const [field] = Object.keys(policy);
    expect(JSON.stringify(parsed.error?.issues)).toContain(field);
  });
});

describe('the pause before a call to one of our own servers is retried', () => {
  const backoff = { baseMs: 20, maxMs: 1_000 };

  it('doubles from the first failure up to the limit', () => {
    expect([1, 2, 3, 6, 7, 2_000].map((failures) => backoffMs(backoff, failures))).toEqual([
      20, 40, 80, 640, 1_000, 1_000,
    ]);
  });

  it('is random in its second half', () => {
    expect(backoffMs(backoff, 2, 0)).toBe(20);
    expect(backoffMs(backoff, 2, 0.5)).toBe(30);
  });
});
