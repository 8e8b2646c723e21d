import { z } from 'zod';
import { contentBased } from './policies/content-based.ts';
import { costBased, deadlineAware } from './policies/deadlines.ts';
import { failover } from './policies/failover.ts';
import { affinity, consistentHash } from './policies/keyed.ts';
import {
  byBalancedLoad,
  byCompleted,
  byLoad,
  byPerformance,
  bySuitability,
  byUtilisation,
} from './policies/rankings.ts';
import { priorityBased, roundRobin } from './policies/turns.ts';
import { weighted } from './policies/weighted.ts';
import { bestBy, type RoutingStrategy } from './strategy.ts';

export const STRATEGY_NAMES = [
  'least_loaded',
  'round_robin',
  'weighted',
  'content_based',
  'priority_based',
  'affinity',
  'failover',
  'consistent_hash',
  'suitability',
  'balanced_load',
  'fewest_completed',
  'least_busy',
  'cost_based',
  'performance_based',
  'deadline_aware',
] as const;
export type StrategyName = (typeof STRATEGY_NAMES)[number];

/** Of a task for which neither it nor a rule names another. */
export const DEFAULT_STRATEGY = 'least_loaded' satisfies StrategyName;

/** `broadcast` is a strategy of requirements 1.3 and no policy here: an attempt has one agent. */
export const StrategyName = z.enum(STRATEGY_NAMES, {
  error: ({ input }) =>
    input === 'broadcast'
      ? 'broadcast gives a task to several agents, and a task has one: submit one task for each agent'
      : undefined,
});

/** The load factors and scores of the source systems differ: each is a policy of its own, so that a decision names the formula (requirements 1.7). */
export const strategies: Readonly<Record<StrategyName, RoutingStrategy>> = {
  least_loaded: bestBy('least_loaded', 1, byLoad),
  round_robin: roundRobin,
  weighted,
  content_based: contentBased,
  priority_based: priorityBased,
  affinity,
  failover,
  consistent_hash: consistentHash,
  suitability: bestBy('suitability', 1, bySuitability),
  balanced_load: bestBy('balanced_load', 1, byBalancedLoad),
  fewest_completed: bestBy('fewest_completed', 1, byCompleted),
  least_busy: bestBy('least_busy', 1, byUtilisation),
  cost_based: costBased,
  performance_based: bestBy('performance_based', 1, byPerformance),
  deadline_aware: deadlineAware,
};
