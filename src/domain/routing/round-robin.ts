import type { Candidate, RoutingStrategy } from './strategy.ts';

/** A rotating index over the candidates in order of their ids (requirements 1.3). The score is the distance from the index. */
export const roundRobin: RoutingStrategy = {
  name: 'round_robin',
  version: 1,
  rank({ candidates, turn, top }) {
    const ordered = [...candidates].sort((a, b) => (a.agentId < b.agentId ? -1 : 1));
    const count = Math.min(top, ordered.length);
    return Array.from({ length: count }, (_, score) => ({
      candidate: ordered[(turn + score) % ordered.length] as Candidate,
      score,
    }));
  },
};
