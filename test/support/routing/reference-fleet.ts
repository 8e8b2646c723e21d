import type { Candidate, Fleet, Ranking, Weighting } from '../../../src/domain/routing/candidate.ts';
import { PROBES } from '../../../src/domain/structures/hash-ring.ts';
import { hash32, mixed } from '../../../src/domain/structures/hash32.ts';

const byId = (a: Candidate, b: Candidate): number => (a.agentId < b.agentId ? -1 : 1);

export type ReferenceFleetOf = {
  readonly capability: string;
  /** In the order in which draws go over them. */
  readonly candidates: readonly Candidate[];
  /** Also those that can take no more now. */
  readonly able: readonly Candidate[];
  /** Able ones that take work, whether or not they have a free slot. */
  readonly takers: readonly Candidate[];
};

/** What policies may ask, answered by looking at every agent. */
export class ReferenceFleet implements Fleet {
  readonly capability: string;
  readonly #of: ReferenceFleetOf;
  readonly #inOrder: readonly Candidate[];

  constructor(of: ReferenceFleetOf) {
    this.capability = of.capability;
    this.#of = of;
    this.#inOrder = [...of.candidates].sort(byId);
  }

  get size(): number {
    return this.#inOrder.length;
  }

  get meanOpen(): number {
    const { takers } = this.#of;
    return takers.length === 0 ? 0 : takers.reduce((sum, { open }) => sum + open, 0) / takers.length;
  }

  best(ranking: Ranking, count: number, shelf?: string): readonly Candidate[] {
    const sign = ranking.best === 'lowest' ? 1 : -1;
    const score = (agent: Candidate): number => sign * ranking.score(agent, this.capability);
    return this.#inOrder
      .filter((agent) => shelf === undefined || ranking.shelves?.(agent, this.capability).includes(shelf))
      .sort((a, b) => score(a) - score(b) || byId(a, b))
      .slice(0, count);
  }

  following(weighting: Weighting, agentId: string | undefined, count: number): readonly Candidate[] {
    const weighed = this.#inOrder.filter((agent) => weighting.weight(agent) > 0);
    const after = weighed.filter((agent) => agentId !== undefined && agent.agentId > agentId);
    return [...after, ...weighed.filter((agent) => !after.includes(agent))].slice(0, count);
  }

  draw(weighting: Weighting, random: () => number, count: number): readonly Candidate[] {
    const left = this.#of.candidates.filter((agent) => weighting.weight(agent) > 0);
    const drawn: Candidate[] = [];
    while (drawn.length < count && left.length > 0) {
      let point = random() * left.reduce((sum, agent) => sum + weighting.weight(agent), 0);
      const at = left.findIndex((agent) => {
        point -= weighting.weight(agent);
        return point < 0;
      });
      drawn.push(...left.splice(at, 1));
    }
    return drawn;
  }

  get(agentId: string): Candidate | undefined {
    return this.#inOrder.find((agent) => agent.agentId === agentId);
  }

  isAble(agentId: string): boolean {
    return this.#of.able.some((agent) => agent.agentId === agentId);
  }

  near(key: string): readonly string[] {
    const found = Array.from({ length: PROBES }, (_, probe) => {
      const point = mixed(hash32(key) + Math.imul(probe, 0x9e3779b1));
      const distances = this.#of.able.map(({ agentId }) => ({
        agentId,
        distance: (hash32(agentId) - point + 2 ** 32) % 2 ** 32,
      }));
      return distances.sort((a, b) => a.distance - b.distance || (a.agentId < b.agentId ? -1 : 1))[0];
    }).flatMap((near) => near ?? []);
    found.sort((a, b) => a.distance - b.distance || (a.agentId < b.agentId ? -1 : 1));
    return [...new Set(found.map(({ agentId }) => agentId))];
  }
}
