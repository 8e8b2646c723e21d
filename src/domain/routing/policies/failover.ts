import { type Candidate, loadFactor } from '../candidate.ts';
import { type RoutingStrategy, ranked, type Scored } from '../strategy.ts';
import { byLoad } from './rankings.ts';

/** An agent that fails or holds more than this is passed over while a later one does not (requirements 1.3). */
const ERRORS_BELOW = 0.1;
const LOAD_BELOW = 0.9;

const isSound = (agent: Candidate): boolean => agent.errorRate < ERRORS_BELOW && loadFactor(agent) < LOAD_BELOW;

/** The first sound one in the order of the targets, else the first that can take it, else any other agent, the least loaded first. */
export const failover: RoutingStrategy = {
  name: 'failover',
  version: 1,
  choose: (request) => {
    const { task, fleet, top } = request;
    const inOrder = (task.targets ?? []).flatMap((agentId, place): Scored[] => {
      const candidate = fleet.get(agentId);
      if (!candidate) return [];
      const { errorRate } = candidate;
      return [{ candidate, score: place, terms: { place, errorRate, load: loadFactor(candidate) } }];
    });
    const sound = inOrder.filter(({ candidate }) => isSound(candidate));
    const best = [...sound, ...inOrder.filter((scored) => !sound.includes(scored))];
    return { best: best.length > 0 ? best.slice(0, top) : ranked(byLoad, request) };
  },
};
