import type { AgentEvent, AgentProfile, Health } from '../../domain/agent/events.ts';
import { judgeHealth, observedScore, UNHEALTHY_AFTER, type Verdict } from '../../domain/agent/health.ts';
import { idOf } from '../../domain/ids.ts';

/** An agent that promised heartbeats. */
export type WatchedAgent = {
  readonly agentId: string;
  readonly intervalMs: number;
  /** As recorded in the log. */
  readonly health: Health;
  /** As recorded in the log: nobody waits for what it holds. */
  readonly silent: boolean;
  /** Its last registration or change of configuration, which is a sign of life, in milliseconds since the epoch. */
  readonly registeredMs: number;
};

/** An agent that has not said yet that it is ready, and after how long it counts as that. */
export type WarmingAgent = { readonly agentId: string; readonly registeredAt: string; readonly limitMs: number };

/** A function that processes offer as an agent. */
export type FunctionAgent = { readonly agentId: string; readonly maxConcurrency: number };

export type WatchedAgentsSnapshot = {
  readonly agents: readonly WatchedAgent[];
  readonly functions: readonly FunctionAgent[];
  readonly warming: readonly WarmingAgent[];
  /** Agents under maintenance. */
  readonly maintained: readonly string[];
};

const FRESH = { health: 'healthy', silent: false } as const;

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
export const WATCHED_AGENTS_VERSION = 3;

/** The agents that promised heartbeats, how often, and their health as recorded in the log; and the agents that are functions. */
export class WatchedAgents {
  readonly #agents = new Map<string, WatchedAgent>();
  readonly #functions = new Map<string, FunctionAgent>();
  readonly #warming = new Map<string, WarmingAgent>();
  readonly #maintained: Set<string>;
  readonly #halted = new Set<string>();

  constructor(snapshot?: WatchedAgentsSnapshot) {
    for (const agent of snapshot?.agents ?? []) this.#agents.set(agent.agentId, agent);
    for (const agent of snapshot?.functions ?? []) this.#functions.set(agent.agentId, agent);
    for (const agent of snapshot?.warming ?? []) this.#warming.set(agent.agentId, agent);
    this.#maintained = new Set(snapshot?.maintained);
  }

  snapshot(): WatchedAgentsSnapshot {
    return {
      agents: [...this.#agents.values()],
      functions: [...this.#functions.values()],
      warming: [...this.#warming.values()],
      maintained: [...this.#maintained],
    };
  }

  get agents(): readonly WatchedAgent[] {
    return [...this.#agents.values()].filter(({ agentId }) => !this.#halted.has(agentId));
  }

  get functions(): readonly FunctionAgent[] {
    return [...this.#functions.values()].filter(({ agentId }) => !this.#halted.has(agentId));
  }

  get warming(): readonly WarmingAgent[] {
    return [...this.#warming.values()].filter(({ agentId }) => !this.#halted.has(agentId));
  }

  halt(stream: string): void {
    this.#halted.add(idOf(stream));
  }

  /** None: agents are checked at fixed intervals, because heartbeats are not in the log. */
  nextDueMs(): undefined {
    return undefined;
  }

  evolve(event: AgentEvent): void {
    const { agentId } = event.data;
    switch (event.type) {
      case 'AgentRegistered': {
        const { warmUpMs, maintenance, registeredAt } = event.data;
        this.#setFunction(event.data);
        this.#watch(event.data, FRESH, registeredAt);
        if (warmUpMs === undefined) this.#warming.delete(agentId);
        else this.#warming.set(agentId, { agentId, registeredAt, limitMs: warmUpMs });
        if (maintenance) this.#maintained.add(agentId);
        return;
      }
      case 'AgentReconfigured':
        this.#setFunction(event.data);
        this.#watch(event.data, this.#agents.get(agentId) ?? FRESH, event.data.reconfiguredAt);
        return;
      case 'AgentHealthChanged': {
        const known = this.#agents.get(agentId);
        const { to, callsLost } = event.data;
        if (known) this.#agents.set(agentId, { ...known, health: to, silent: callsLost === true });
        return;
      }
      case 'AgentMaintenanceStarted':
        this.#maintained.add(agentId);
        return;
      case 'AgentMaintenanceEnded':
        this.#maintained.delete(agentId);
        return;
      case 'AgentWarmUpEnded':
      case 'AgentDrainStarted':
        this.#warming.delete(agentId);
        return;
      case 'AgentDeregistered':
        for (const some of [this.#agents, this.#functions, this.#warming, this.#maintained]) some.delete(agentId);
        return;
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
    const judged = judgeHealth({ silentMs, intervalMs, condition, health });
    // Whoever works on it may have stopped it: it is not taken out meanwhile.
    const verdict = judged === 'gone' && this.#maintained.has(agentId) ? 'unhealthy' : judged;
    const missed = silentMs / intervalMs;
    const isInactive = missed > UNHEALTHY_AFTER;
    if (verdict === health && isInactive === agent.silent) return undefined;
    const score = observedScore({ silentMs, intervalMs, condition });
    return { agentId, verdict, silentMs, score, isSilent: missed > 2, isInactive };
  }

  #setFunction({ agentId, maxConcurrency, transport }: AgentProfile & { readonly agentId: string }): void {
    if (transport.kind === 'local' && transport.offered) this.#functions.set(agentId, { agentId, maxConcurrency });
    else this.#functions.delete(agentId);
  }

  #watch(
    { agentId, heartbeatIntervalMs }: { readonly agentId: string; readonly heartbeatIntervalMs?: number | undefined },
    { health, silent }: Pick<WatchedAgent, 'health' | 'silent'>,
    at: string,
  ): void {
    if (heartbeatIntervalMs === undefined) this.#agents.delete(agentId);
    else
      this.#agents.set(agentId, {
        agentId,
        intervalMs: heartbeatIntervalMs,
        health,
        silent,
        registeredMs: Date.parse(at),
      });
  }
}
