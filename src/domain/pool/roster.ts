import type { AgentEvent, Capability, Health, Transport } from '../agent/events.ts';
import { ABILITY, type Requirement, type Sorted, sortOut } from '../routing/eligibility.ts';
import { requirementKey } from './ready-queue.ts';

/** Weight of the newest outcome in an agent's error rate (requirements 1.0: EMA α = 0.1). */
const ERROR_RATE_WEIGHT = 0.1;

export type AgentEntry = {
  readonly agentId: string;
  capabilities: readonly Capability[];
  maxConcurrency: number;
  transport: Transport['kind'];
  health: Health;
  draining: boolean;
  deregistered: boolean;
  open: number;
  errorRate: number;
};

type Profile = Extract<AgentEvent, { type: 'AgentRegistered' | 'AgentReconfigured' }>['data'];

const profileFacts = ({ capabilities, maxConcurrency, transport }: Profile) => ({
  capabilities,
  maxConcurrency,
  transport: transport.kind,
});

/** The agents of a pool: what they can do, how many attempts each holds, and how often it fails. */
export class Roster {
  readonly #pool: string;
  readonly #agents = new Map<string, AgentEntry>();
  /** Registered agents by whether they can meet a requirement; dropped with every event of an agent. */
  readonly #byAbility = new Map<string, Sorted<AgentEntry>>();
  /** Agents of which no more is known; not in the snapshot. */
  readonly #halted = new Set<string>();

  constructor(pool: string, agents: readonly AgentEntry[] = []) {
    this.#pool = pool;
    for (const agent of agents) this.#agents.set(agent.agentId, { ...agent });
  }

  snapshot(): readonly AgentEntry[] {
    return [...this.#agents.values()].map((agent) => ({ ...agent }));
  }

  transportOf(agentId: string): Transport['kind'] | undefined {
    return this.#agents.get(agentId)?.transport;
  }

  /** Registered agents that can do the work, whether or not they can take more now, and how many cannot do it. */
  able(required: Requirement): Sorted<AgentEntry> {
    const key = requirementKey(required);
    const known = this.#byAbility.get(key);
    if (known) return known;
    const registered = [...this.#agents.values()].filter(
      ({ agentId, deregistered }) => !deregistered && !this.#halted.has(agentId),
    );
    const sorted = sortOut(registered, ABILITY, required);
    this.#byAbility.set(key, sorted);
    return sorted;
  }

  /** The agent gets no more work. */
  halt(agentId: string): void {
    this.#halted.add(agentId);
    this.#byAbility.clear();
  }

  /** The agent holds one attempt more. */
  take(agentId: string): void {
    const agent = this.#agents.get(agentId);
    if (agent) agent.open += 1;
  }

  /** The agent holds one attempt less. */
  giveBack(agentId: string): void {
    const agent = this.#agents.get(agentId);
    if (!agent) return;
    agent.open -= 1;
    if (agent.deregistered && agent.open === 0) this.#agents.delete(agentId);
  }

  /** @param outcome 1 for a failed attempt, 0 for a completed one */
  rate(agentId: string, outcome: 0 | 1): void {
    const agent = this.#agents.get(agentId);
    if (agent) agent.errorRate += ERROR_RATE_WEIGHT * (outcome - agent.errorRate);
  }

  /** @param heldBy attempts that an agent holds although it is not known here: they were assigned just before its deregistration was seen */
  evolve(event: AgentEvent, heldBy: (agentId: string) => number): void {
    this.#byAbility.clear();
    const { agentId, pool } = event.data;
    const agent = this.#agents.get(agentId);
    if (pool !== this.#pool) {
      if (agent && event.type === 'AgentRegistered') this.#deregister(agent);
      return;
    }
    switch (event.type) {
      case 'AgentRegistered':
        this.#agents.set(agentId, {
          ...profileFacts(event.data),
          agentId,
          health: 'healthy',
          draining: false,
          deregistered: false,
          open: agent?.open ?? heldBy(agentId),
          errorRate: 0,
        });
        return;
      case 'AgentReconfigured':
        if (agent) Object.assign(agent, profileFacts(event.data));
        return;
      case 'AgentHealthChanged':
        if (agent) agent.health = event.data.to;
        return;
      case 'AgentDrainStarted':
        if (agent) agent.draining = true;
        return;
      case 'AgentDeregistered':
        if (agent) this.#deregister(agent);
        return;
    }
  }

  /** Kept while it holds attempts, so that its slots are still counted if it registers again. */
  #deregister(agent: AgentEntry): void {
    agent.deregistered = true;
    if (agent.open === 0) this.#agents.delete(agent.agentId);
  }
}
