import type { RoutingStrategy } from './strategy.ts';

/** A rotating index over the candidates in order of their ids (requirements 1.3). The score is the distance from the index. */
export const roundRobin: RoutingStrategy = {
  name: 'round_robin',
  version: 1,
  rank({ candidates, turn }) {
    const ordered = [...candidates].sort((a, b) => (a.agentId < b.agentId ? -1 : 1));
    return ordered
      .map((candidate, index) => ({
        candidate,
        score: (((index - turn) % ordered.length) + ordered.length) % ordered.length,
      }))
      .sort((a, b) => a.score - b.score);
  },
};
