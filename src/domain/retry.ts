import { z } from 'zod';

/**
 * When a failed attempt is tried again.
 *
 * `exponential` baseMs·factor^(n-1), `linear` baseMs·n, `fixed` baseMs, `immediate` 0, each capped at `maxDelayMs`; n counts failed
 * attempts from 1. `jitter` j spreads the delay evenly over [d·(1-j), d·(1+j)], still capped.
 */
export const RetryPolicy = z.strictObject({
  kind: z.enum(['exponential', 'linear', 'fixed', 'immediate']).default('exponential'),
  maxAttempts: z.int().min(1).max(100).default(3),
  baseMs: z.int().min(0).max(3_600_000).default(1_000),
  factor: z.number().min(1).max(10).default(2),
  maxDelayMs: z.int().min(0).max(86_400_000).default(60_000),
  jitter: z.number().min(0).max(1).default(0.2),
});
export type RetryPolicy = z.output<typeof RetryPolicy>;

export const DEFAULT_RETRY: RetryPolicy = RetryPolicy.parse({});

const plainDelayMs = (policy: RetryPolicy, failures: number): number => {
  switch (policy.kind) {
    case 'exponential':
      return policy.baseMs * policy.factor ** (failures - 1);
    case 'linear':
      return policy.baseMs * failures;
    case 'fixed':
      return policy.baseMs;
    case 'immediate':
      return 0;
  }
};

/**
 * Delay before the next attempt, in whole milliseconds.
 *
 * @param failures failed attempts so far in this budget, from 1
 * @param random uniform in [0, 1), brought by the command
 */
export const retryDelayMs = (policy: RetryPolicy, failures: number, random: number): number => {
  const plain = Math.min(plainDelayMs(policy, failures), policy.maxDelayMs);
  const jittered = plain * (1 - policy.jitter + 2 * policy.jitter * random);
  return Math.round(Math.min(jittered, policy.maxDelayMs));
};

/** How a call to a server of our own (log, database, queue) is tried again: the pause doubles from `baseMs` up to `maxMs`. */
export type Backoff = { readonly baseMs: number; readonly maxMs: number };

/**
 * Pause before such a call is tried again, in milliseconds; the upper half of it is random, so that callers that failed together do not come
 * back together.
 *
 * @param failures in a row, from 1
 * @param random uniform in [0, 1); without it the pause is the full one
 */
export const backoffMs = ({ baseMs, maxMs }: Backoff, failures: number, random = 1): number =>
  Math.min(baseMs * 2 ** (failures - 1), maxMs) * (0.5 + random / 2);
