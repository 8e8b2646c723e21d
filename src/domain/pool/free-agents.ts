import type { Candidate, Fleet, Ranking, Weighting } from '../routing/candidate.ts';
import { nearest } from '../structures/hash-ring.ts';
import type { SumTree } from '../structures/sum-tree.ts';
import type { AgentGroup } from './agent-group.ts';
import type { FreeIndex } from './free-index.ts';

export type FreeAgentsOf = {
  readonly capability: string;
  /** Every agent that can do the work. */
  readonly able: readonly AgentGroup[];
  /** Those of them that can be called now. */
  readonly callable: readonly AgentGroup[];
  /** The first tier that has any. */
  readonly tier: number;
  /** Agents that are not to get it. */
  readonly avoided: ReadonlySet<string>;
};

/** The agents that can take a task, over the indexes of the groups that they are in. */
export class FreeAgents implements Fleet {
  readonly capability: string;
  readonly size: number;
  readonly #of: FreeAgentsOf;
  readonly #indexes: readonly FreeIndex[];

  constructor(of: FreeAgentsOf, size: number) {
    this.capability = of.capability;
    this.size = size;
    this.#of = of;
    this.#indexes = of.callable.flatMap(({ tiers }) => tiers[of.tier] ?? []);
  }

  get meanOpen(): number {
    let [count, open] = [0, 0];
    for (const { takers } of this.#of.callable) {
      count += takers.count;
      open += takers.open;
    }
    return count === 0 ? 0 : open / count;
  }

  best(ranking: Ranking, count: number, shelf?: string): readonly Candidate[] {
    const { avoided } = this.#of;
    const wanted = count + avoided.size;
    const lists = this.#indexes.map((index) => index.ranked(ranking, shelf)?.best(wanted) ?? []);
    const [only = []] = lists;
    const merged = lists.length === 1 ? only : lists.flat().sort((a, b) => a.score - b.score || (a.id < b.id ? -1 : 1));
    const kept = avoided.size === 0 ? merged : merged.filter(({ id }) => !avoided.has(id));
    return kept.slice(0, count).map(({ item }) => item);
  }

  following(weighting: Weighting, agentId: string | undefined, count: number): readonly Candidate[] {
    const trees = this.#trees(weighting);
    const found: Candidate[] = [];
    let isRound = agentId === undefined;
    let at = agentId;
    while (found.length < count) {
      const next = firstAfter(trees, at);
      if (!next) {
        if (isRound) break;
        isRound = true;
        at = undefined;
        continue;
      }
      if (isRound && agentId !== undefined && next.id > agentId) break;
      at = next.id;
      if (!this.#of.avoided.has(next.id)) found.push(next.item);
    }
    return found;
  }

  draw(weighting: Weighting, random: () => number, count: number): readonly Candidate[] {
    const trees = this.#trees(weighting);
    const leftOut: (() => void)[] = [];
    const leaveOut = (tree: SumTree<Candidate>, agent: Candidate): void => {
      const weight = tree.weightOf(agent.agentId);
      tree.set(agent.agentId, agent, 0);
      leftOut.push(() => tree.set(agent.agentId, agent, weight));
    };
    for (const agentId of this.#of.avoided)
      this.#indexes.forEach((index, at) => {
        const agent = index.get(agentId);
        if (agent) leaveOut(trees[at] as SumTree<Candidate>, agent);
      });
    const drawn: Candidate[] = [];
    while (drawn.length < count) {
      const hit = drawOne(trees, random);
      if (!hit) break;
      drawn.push(hit.agent);
      leaveOut(hit.tree, hit.agent);
    }
    for (const putBack of leftOut) putBack();
    return drawn;
  }

  get(agentId: string): Candidate | undefined {
    if (this.#of.avoided.has(agentId)) return undefined;
    for (const index of this.#indexes) {
      const agent = index.get(agentId);
      if (agent) return agent;
    }
    return undefined;
  }

  isAble(agentId: string): boolean {
    return this.#of.able.some((group) => group.has(agentId));
  }

  near(key: string): readonly string[] {
    return nearest(
      this.#of.able.map(({ ring }) => ring),
      key,
    );
  }

  #trees(weighting: Weighting): SumTree<Candidate>[] {
    return this.#indexes.map((index) => index.weighed(weighting));
  }
}

const firstAfter = (trees: readonly SumTree<Candidate>[], id: string | undefined) => {
  let first: ReturnType<SumTree<Candidate>['after']>;
  for (const tree of trees) {
    const next = tree.after(id);
    if (next && (!first || next.id < first.id)) first = next;
  }
  return first;
};

const drawOne = (trees: readonly SumTree<Candidate>[], random: () => number) => {
  const weighed = trees.filter(({ total }) => total > 0);
  let point = random() * weighed.reduce((sum, { total }) => sum + total, 0);
  for (const [at, tree] of weighed.entries()) {
    // Rounding may lead past the end of the last.
    if (point < tree.total || at === weighed.length - 1) {
      const hit = tree.at(point);
      return hit && { tree, agent: hit.item };
    }
    point -= tree.total;
  }
  return undefined;
};
