import { leastLoaded } from './least-loaded.ts';
import { roundRobin } from './round-robin.ts';
import type { RoutingStrategy } from './strategy.ts';

export const STRATEGY_NAMES = ['least_loaded', 'round_robin'] as const;
export type StrategyName = (typeof STRATEGY_NAMES)[number];

export const strategies: Readonly<Record<StrategyName, RoutingStrategy>> = {
  least_loaded: leastLoaded,
  round_robin: roundRobin,
};
