import { scoredBy } from './strategy.ts';

/** Load factor = min(1, open/100) + 0.5·error rate, at most 1; the smallest wins (requirements 1.3). */
export const leastLoaded = scoredBy('least_loaded', 1, ({ open, errorRate }) =>
  Math.min(1, Math.min(1, open / 100) + 0.5 * errorRate),
);
