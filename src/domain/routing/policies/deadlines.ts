import { type RoutingRequest, type RoutingStrategy, type Scored, scoredBy } from '../strategy.ts';
import { byCost, byFinish } from './rankings.ts';

/** Agents that are looked at again with the deadline in view. The others are worse in every case that is likely, and are not seen. */
const LOOKED_AT = 32;

/** An estimate that leaves less than a fifth of the time is too close (requirements 1.2). */
const SAFE_SHARE = 0.8;

const leftMs = ({ task, nowMs }: RoutingRequest): number => (task.deadlineMs ?? Number.POSITIVE_INFINITY) - nowMs;

const inOrder = (scored: readonly Scored[], top: number): Scored[] =>
  [...scored].sort((a, b) => a.score - b.score || (a.candidate.agentId < b.candidate.agentId ? -1 : 1)).slice(0, top);

/**
 * The cheapest by the formula of requirements 1.2, twice as dear where the deadline is close. The complexity of the task is the same for every
 * agent: it changes how dear each is, and which are too slow.
 */
export const costBased: RoutingStrategy = {
  name: 'cost_based',
  version: 1,
  choose: (request) => {
    const { fleet, top, task } = request;
    const { complexity = 1 } = task;
    const stated = task.complexity === undefined ? {} : { complexity };
    const cheapest = scoredBy(byCost, fleet.best(byCost, LOOKED_AT), fleet);
    const safeMs = SAFE_SHARE * leftMs(request);
    const scored = cheapest.map(({ candidate, score, terms }) => {
      const deadline = (candidate.averageMs ?? 0) * complexity > safeMs ? 2 : 1;
      return { candidate, score: score * complexity * deadline, terms: { ...terms, ...stated, deadline } };
    });
    return { best: inOrder(scored, top) };
  },
};

/**
 * With a deadline, the least utilised of those that will probably meet it, so that the fast ones are left for what is urgent; the fastest
 * when none will, or there is no deadline.
 */
export const deadlineAware: RoutingStrategy = {
  name: 'deadline_aware',
  version: 1,
  choose: (request) => {
    const { fleet, top } = request;
    const fastest = scoredBy(byFinish, fleet.best(byFinish, LOOKED_AT), fleet);
    if (request.task.deadlineMs === undefined) return { best: fastest.slice(0, top) };
    const meets = fastest.filter(({ score }) => score <= SAFE_SHARE * leftMs(request));
    if (meets.length === 0) return { best: fastest.slice(0, top) };
    const relaxed = meets.map(({ candidate, score, terms }) => ({
      candidate,
      score: candidate.open / candidate.maxConcurrency,
      terms: { ...terms, finishMs: score },
    }));
    return { best: inOrder(relaxed, top) };
  },
};
