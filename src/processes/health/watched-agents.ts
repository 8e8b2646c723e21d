import type { AgentEvent, AgentProfile, Health } from '../../domain/agent/events.ts';
import { healthScore, judgeHealth, UNHEALTHY_AFTER, type Verdict } from '../../domain/agent/health.ts';
import { idOf } from '../../domain/ids.ts';

/** An agent that promised heartbeats. */
export type WatchedAgent = {
  readonly agentId: string;
  readonly intervalMs: number;
  /** As recorded in the log. */
  readonly health: Health;
  /** Its last registration or change of configuration, which is a sign of life, in milliseconds since the epoch. */
  readonly registeredMs: number;
};

/** A function that processes offer as an agent. */
export type FunctionAgent = { readonly agentId: string; readonly maxConcurrency: number };

export type WatchedAgentsSnapshot = {
  readonly agents: readonly WatchedAgent[];
  readonly functions: readonly FunctionAgent[];
};

/** The silence of an agent, or what it reports, means another health than the recorded one. */
export type HealthChange = {
  readonly agentId: string;
  readonly verdict: Verdict;
  readonly silentMs: number;
  readonly score: number;
  /** It missed heartbeats, whatever it reported before. */
  readonly isSilent: boolean;
  /** It missed so many that nobody waits for it any longer. */
  readonly isInactive: boolean;
};

/** Raised with any change of what a snapshot holds or means. */
export const WATCHED_AGENTS_VERSION = 2;

/** The agents that promised heartbeats, how often, and their health as recorded in the log; and the agents that are functions. */
export class WatchedAgents {
  readonly #agents = new Map<string, WatchedAgent>();
  readonly #functions = new Map<string, FunctionAgent>();
  readonly #halted = new Set<string>();

  constructor(snapshot?: WatchedAgentsSnapshot) {
    for (const agent of snapshot?.agents ?? []) this.#agents.set(agent.agentId, agent);
    for (const agent of snapshot?.functions ?? []) this.#functions.set(agent.agentId, agent);
  }

  snapshot(): WatchedAgentsSnapshot {
    return { agents: [...this.#agents.values()], functions: [...this.#functions.values()] };
  }

  get agents(): readonly WatchedAgent[] {
    return [...this.#agents.values()].filter(({ agentId }) => !this.#halted.has(agentId));
  }

  get functions(): readonly FunctionAgent[] {
    return [...this.#functions.values()].filter(({ agentId }) => !this.#halted.has(agentId));
  }

  halt(stream: string): void {
    this.#halted.add(idOf(stream));
  }

  /** None: agents are checked at fixed intervals, because heartbeats are not in the log. */
  nextDueMs(): undefined {
    return undefined;
  }

  evolve(event: AgentEvent): void {
    switch (event.type) {
      case 'AgentRegistered':
        this.#setFunction(event.data);
        this.#watch(event.data, 'healthy', event.data.registeredAt);
        return;
      case 'AgentReconfigured': {
        this.#setFunction(event.data);
        const known = this.#agents.get(event.data.agentId);
        this.#watch(event.data, known?.health ?? 'healthy', event.data.reconfiguredAt);
        return;
      }
      case 'AgentHealthChanged': {
        const known = this.#agents.get(event.data.agentId);
        if (known) this.#agents.set(known.agentId, { ...known, health: event.data.to });
        return;
      }
      case 'AgentDeregistered':
        this.#agents.delete(event.data.agentId);
        this.#functions.delete(event.data.agentId);
        return;
      case 'AgentDrainStarted':
      case 'AgentDrainEnded':
        return;
    }
  }

  /**
   * What the silence of an agent and its reported condition change; undefined when they change nothing, and for agents that are not watched.
   */
  changeOf(agentId: string, silentMs: number, condition = 1): HealthChange | undefined {
    const agent = this.#agents.get(agentId);
    if (!agent) return undefined;
    const { intervalMs, health } = agent;
    const verdict = judgeHealth({ silentMs, intervalMs, condition, health });
    if (verdict === health) return undefined;
    const score = healthScore({ silentMs, intervalMs, condition });
    const missed = silentMs / intervalMs;
    return { agentId, verdict, silentMs, score, isSilent: missed > 2, isInactive: missed > UNHEALTHY_AFTER };
  }

  #setFunction({ agentId, maxConcurrency, transport }: AgentProfile & { readonly agentId: string }): void {
    if (transport.kind === 'local' && transport.offered) this.#functions.set(agentId, { agentId, maxConcurrency });
    else this.#functions.delete(agentId);
  }

  #watch(
    { agentId, heartbeatIntervalMs }: { readonly agentId: string; readonly heartbeatIntervalMs?: number | undefined },
    health: Health,
    at: string,
  ): void {
    if (heartbeatIntervalMs === undefined) this.#agents.delete(agentId);
    else this.#agents.set(agentId, { agentId, intervalMs: heartbeatIntervalMs, health, registeredMs: Date.parse(at) });
  }
}
