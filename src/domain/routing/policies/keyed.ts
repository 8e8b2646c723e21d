import type { Candidate } from '../candidate.ts';
import {
  type RoutedTask,
  type RoutingRequest,
  type RoutingStrategy,
  ranked,
  type Scored,
  scoredBy,
  withFirst,
} from '../strategy.ts';
import { byLoad } from './rankings.ts';

/** No agent gets a key beyond this many times the mean of what agents hold (Mirrokni, Thorup and Zadimoghaddam, 2018). */
export const LOAD_BOUND = 1.25;

/** What decides that tasks belong together: the key that was given, else their execution, else nothing but the task itself. */
export const keyOf = ({ affinityKey, executionId, taskId }: RoutedTask): string => affinityKey ?? executionId ?? taskId;

const first = (request: RoutingRequest, candidate: Candidate): Scored[] => {
  const [chosen] = scoredBy(byLoad, [candidate], request.fleet);
  return withFirst(chosen as Scored, ranked(byLoad, request), request.top);
};

/**
 * An agent stays with a key from its first task on. While it can take no more, another one helps out and the key stays where it is; when it
 * is gone, the key gets another agent. The first is the least loaded.
 */
export const affinity: RoutingStrategy = {
  name: 'affinity',
  version: 1,
  choose: (request) => {
    const { fleet, bound } = request;
    const holder = bound === undefined ? undefined : fleet.get(bound);
    if (holder) return { best: first(request, holder) };
    const best = ranked(byLoad, request);
    return bound !== undefined && fleet.isAble(bound) ? { best, overflow: bound } : { best };
  },
};

/** The agent nearest to the key on a ring. One that holds too much, or can take no more, is passed over for the next. */
export const consistentHash: RoutingStrategy = {
  name: 'consistent_hash',
  version: 1,
  choose: (request) => {
    const { fleet, task } = request;
    const near = fleet.near(keyOf(task));
    const [owner] = near;
    const bound = Math.ceil(LOAD_BOUND * (fleet.meanOpen + 1));
    for (const agentId of near) {
      const candidate = fleet.get(agentId);
      if (!candidate || candidate.open + 1 > bound) continue;
      const best = first(request, candidate);
      return agentId === owner || owner === undefined ? { best } : { best, overflow: owner };
    }
    const best = ranked(byLoad, request);
    return owner === undefined ? { best } : { best, overflow: owner };
  },
};
