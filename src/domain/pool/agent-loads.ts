import type { AgentEntry } from './agent-entry.ts';
import type { LoadChange } from './events.ts';

/** The recorded load of an agent changes at most this often. */
export const LOAD_HOLD_MS = 30_000;
/** Loads are recorded in steps of a tenth. */
const STEPS = 10;
/** A class is left when the load is this far from it, so that one between two classes does not go to and fro. */
const LEFT_BEYOND = 0.075;

const NEVER = Number.POSITIVE_INFINITY;

/** The class of a load, from 0 to 1, for an agent that is in class `known`. */
export const loadClass = (share: number, known = 0): number =>
  Math.abs(share - known) < LEFT_BEYOND ? known : Math.round(share * STEPS) / STEPS;

type Waiting = { readonly agent: AgentEntry; readonly load: number };

const heldUntil = ({ agent: { loadSinceMs } }: Waiting): number =>
  loadSinceMs === undefined ? Number.NEGATIVE_INFINITY : loadSinceMs + LOAD_HOLD_MS;

type Agents = {
  readonly agents: ReadonlyMap<string, AgentEntry>;
  /** Told of each agent whose load has changed. */
  readonly onChanged: (agent: AgentEntry) => void;
};

/** The loads of a pool's agents: what heartbeats say becomes a fact by an event only. */
export class AgentLoads {
  readonly #agents: ReadonlyMap<string, AgentEntry>;
  readonly #onChanged: (agent: AgentEntry) => void;
  /** Reported and not in the log yet; not part of the snapshot. */
  readonly #waiting = new Map<string, Waiting>();
  #earliestMs = NEVER;

  constructor({ agents, onChanged }: Agents) {
    this.#agents = agents;
    this.#onChanged = onChanged;
  }

  /**
   * Takes in what heartbeats say now, instead of what they said before.
   *
   * @param shares by agent, from 0 to 1; also of other pools
   */
  report(shares: ReadonlyMap<string, number>): void {
    this.#waiting.clear();
    for (const agent of this.#agents.values()) {
      const share = agent.deregistered ? undefined : shares.get(agent.agentId);
      if (share === undefined) continue;
      const load = loadClass(share, agent.load);
      if (load !== (agent.load ?? 0)) this.#waiting.set(agent.agentId, { agent, load });
    }
    this.#look();
  }

  /** Decides which loads change, at most `limit`, and takes that in at once; the caller appends it before it assigns anything else. */
  change(nowMs: number, limit: number): LoadChange[] {
    if (nowMs < this.#earliestMs) return [];
    const changes = [...this.#waiting.values()]
      .filter((waiting) => heldUntil(waiting) <= nowMs && this.#agents.get(waiting.agent.agentId) === waiting.agent)
      .map(({ agent: { agentId }, load }) => ({ agentId, load }))
      .sort((a, b) => (a.agentId < b.agentId ? -1 : 1))
      .slice(0, limit);
    this.apply(changes, nowMs);
    return changes;
  }

  apply(changes: readonly LoadChange[], atMs: number): void {
    for (const { agentId, load } of changes) {
      this.#waiting.delete(agentId);
      const agent = this.#agents.get(agentId);
      if (!agent) continue;
      agent.load = load;
      agent.loadSinceMs = atMs;
      this.#onChanged(agent);
    }
    this.#look();
  }

  #look(): void {
    this.#earliestMs = NEVER;
    for (const waiting of this.#waiting.values()) this.#earliestMs = Math.min(this.#earliestMs, heldUntil(waiting));
  }
}
