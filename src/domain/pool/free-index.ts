import type { Candidate, Ranking, Weighting } from '../routing/candidate.ts';
import { RankedSet } from '../structures/ranked-set.ts';
import { SumTree } from '../structures/sum-tree.ts';

/** The list of all agents in a ranking. */
const ALL = '';

type Shelves = Map<string, RankedSet<Candidate>>;

/**
 * Agents that can take work now, in each order by which a policy has asked for them: an order is made at its first use, from then on each
 * change of an agent moves it in all of them.
 */
export class FreeIndex {
  readonly #capability: string;
  readonly #agents = new Map<string, Candidate>();
  readonly #rankings = new Map<Ranking, Shelves>();
  readonly #weightings = new Map<Weighting, SumTree<Candidate>>();

  constructor(capability: string) {
    this.#capability = capability;
  }

  get size(): number {
    return this.#agents.size;
  }

  get(agentId: string): Candidate | undefined {
    return this.#agents.get(agentId);
  }

  /** The agent is free, or is free as before and has changed. */
  put(agent: Candidate): void {
    this.#agents.set(agent.agentId, agent);
    for (const [ranking, shelves] of this.#rankings) this.#rank(ranking, shelves, agent);
    for (const [weighting, tree] of this.#weightings) tree.set(agent.agentId, agent, weighting.weight(agent));
  }

  /** The agent is not free for now: it keeps its place where places go by id. */
  withdraw(agent: Candidate): void {
    const { agentId } = agent;
    if (!this.#agents.delete(agentId)) return;
    for (const shelves of this.#rankings.values()) for (const shelf of shelves.values()) shelf.delete(agentId);
    for (const tree of this.#weightings.values()) tree.set(agentId, agent, 0);
  }

  forget(agent: Candidate): void {
    this.withdraw(agent);
    for (const tree of this.#weightings.values()) tree.delete(agent.agentId);
  }

  ranked(ranking: Ranking, shelf = ALL): RankedSet<Candidate> | undefined {
    const known = this.#rankings.get(ranking) ?? this.#begin(ranking);
    return known.get(shelf);
  }

  weighed(weighting: Weighting): SumTree<Candidate> {
    const known = this.#weightings.get(weighting);
    if (known) return known;
    const tree = new SumTree<Candidate>();
    this.#weightings.set(weighting, tree);
    for (const agent of this.#agents.values()) tree.set(agent.agentId, agent, weighting.weight(agent));
    return tree;
  }

  #begin(ranking: Ranking): Shelves {
    const shelves: Shelves = new Map();
    this.#rankings.set(ranking, shelves);
    for (const agent of this.#agents.values()) this.#rank(ranking, shelves, agent);
    return shelves;
  }

  #rank(ranking: Ranking, shelves: Shelves, agent: Candidate): void {
    const score = ranking.score(agent, this.#capability);
    const rank = ranking.best === 'lowest' ? score : -score;
    this.#shelve(shelves, ALL, agent, rank);
    for (const name of ranking.shelves?.(agent, this.#capability) ?? []) this.#shelve(shelves, name, agent, rank);
  }

  #shelve(shelves: Shelves, name: string, agent: Candidate, rank: number): void {
    const known = shelves.get(name);
    if (known) known.set(agent.agentId, agent, rank);
    else {
      const shelf = new RankedSet<Candidate>();
      shelf.set(agent.agentId, agent, rank);
      shelves.set(name, shelf);
    }
  }
}
