import type { ExclusionCounts } from '../routing/eligibility.ts';
import { HashRing } from '../structures/hash-ring.ts';
import { type AgentEntry, type Standing, TIERS } from './agent-entry.ts';
import type { Exclusion } from './events.ts';
import { FreeIndex } from './free-index.ts';

/** Agents that are alike in what they offer: a capability in the same versions, called the same way. Kept up as they change. */
export class AgentGroup {
  /** The free ones, by their standing. */
  readonly tiers: readonly FreeIndex[];
  readonly #members = new Map<string, AgentEntry>();
  readonly #excluded: Partial<Record<Exclusion, number>> = {};
  #ring: HashRing | undefined;
  #takers = 0;
  #openOfTakers = 0;

  constructor(capability: string) {
    this.tiers = Array.from({ length: TIERS }, () => new FreeIndex(capability));
  }

  get size(): number {
    return this.#members.size;
  }

  get free(): number {
    return this.tiers.reduce((sum, { size }) => sum + size, 0);
  }

  /** Agents that cannot take more, by the first rule that says so. */
  get excluded(): ExclusionCounts {
    return this.#excluded;
  }

  /** Agents that take work, whether or not they have a free slot, and the attempts that they hold. */
  get takers(): { readonly count: number; readonly open: number } {
    return { count: this.#takers, open: this.#openOfTakers };
  }

  /** By the hashes of their ids. Made at its first use. */
  get ring(): HashRing {
    if (this.#ring) return this.#ring;
    this.#ring = new HashRing();
    for (const agentId of this.#members.keys()) this.#ring.add(agentId);
    return this.#ring;
  }

  has(agentId: string): boolean {
    return this.#members.has(agentId);
  }

  members(): IterableIterator<AgentEntry> {
    return this.#members.values();
  }

  /** The agent is in no list of those that can take work until `move` says so. */
  add(agent: AgentEntry): void {
    this.#members.set(agent.agentId, agent);
    this.#ring?.add(agent.agentId);
  }

  remove(agent: AgentEntry, standing: Standing | undefined): void {
    if (standing) this.move(agent, standing, undefined);
    for (const tier of this.tiers) tier.forget(agent);
    this.#members.delete(agent.agentId);
    this.#ring?.delete(agent.agentId);
  }

  move(agent: AgentEntry, from: Standing | undefined, to: Standing | undefined): void {
    if (from) this.#count(from, -1);
    if (to) this.#count(to, 1);
    const into = to && to.unavailable === undefined ? this.tiers[to.tier] : undefined;
    const outOf = from && this.tiers[from.tier];
    if (outOf !== into) outOf?.withdraw(agent);
    into?.put(agent);
  }

  #count({ unavailable, open }: Standing, by: 1 | -1): void {
    if (unavailable !== undefined) this.#excluded[unavailable] = (this.#excluded[unavailable] ?? 0) + by;
    if (unavailable !== undefined && unavailable !== 'no_slot') return;
    this.#takers += by;
    this.#openOfTakers += by * open;
  }
}
