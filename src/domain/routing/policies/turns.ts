import { randomOf } from '../../structures/hash32.ts';
import type { Weighting } from '../candidate.ts';
import type { Choice, RoutingRequest, RoutingStrategy, Scored } from '../strategy.ts';
import { even, reliable } from './weightings.ts';

/** The agents that follow the last one by id, and round again. The score is the distance in turns. */
const inTurn = ({ fleet, last, top }: RoutingRequest, weighting: Weighting): Scored[] =>
  fleet.following(weighting, last, top).map((candidate, turns) => ({ candidate, score: turns, terms: { turns } }));

/** Different agents, each drawn by its weight among those that are left. The score is that weight. */
export const drawn = ({ fleet, seed, top }: RoutingRequest, weighting: Weighting): Choice => ({
  seed,
  best: fleet.draw(weighting, randomOf(seed), top).map((candidate) => {
    const weight = weighting.weight(candidate);
    return { candidate, score: weight, terms: { weight } };
  }),
});

/**
 * Version 1 counted turns over the list of those that were free; since 2 the next is the one whose id follows that of the last, so that
 * agents which become busy or free shift nobody's turn.
 */
export const roundRobin: RoutingStrategy = {
  name: 'round_robin',
  version: 2,
  choose: (request) => ({ best: inTurn(request, even) }),
};

const CRITICAL = 1;
const LOW = 4;

/** Critical work goes in turn to agents that hardly fail, low and background work to any, the rest in turn (requirements 1.3). */
export const priorityBased: RoutingStrategy = {
  name: 'priority_based',
  version: 1,
  choose: (request) => {
    const { priority } = request.task;
    if (priority >= LOW) return drawn(request, even);
    const best = priority === CRITICAL ? inTurn(request, reliable) : [];
    return { best: best.length > 0 ? best : inTurn(request, even) };
  },
};
