import { type RoutingStrategy, ranked } from '../strategy.ts';
import { byLoad } from './rankings.ts';
import { drawn } from './turns.ts';
import { spareWeight } from './weightings.ts';

/** Drawn by weight · (1 − load factor); the least loaded where nobody has any left. */
export const weighted: RoutingStrategy = {
  name: 'weighted',
  version: 1,
  choose: (request) => {
    const choice = drawn(request, spareWeight);
    return choice.best.length > 0 ? choice : { best: ranked(byLoad, request) };
  },
};
