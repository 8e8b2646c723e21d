import type { AgentEvent, Capability, Health, Transport } from '../agent/events.ts';
import { ABILITY, AVAILABILITY, firstRule, type Requirement, type Sorted, sortOut } from '../routing/eligibility.ts';
import type { Exclusion } from './events.ts';
import { type Lane, type Matching, requirementKey, type Skill } from './matching.ts';
import { type Rest, restAfter, restMs } from './rest.ts';

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
  /** It could not be reached since it last answered; until then it gets one attempt at a time. */
  rest?: Rest | undefined;
  /** It could not be reached, and gets no work until then. */
  restsUntilMs?: number | undefined;
};

type Profile = Extract<AgentEvent, { type: 'AgentRegistered' | 'AgentReconfigured' }>['data'];

const profileFacts = ({ capabilities, maxConcurrency, transport }: Profile) => ({
  capabilities,
  maxConcurrency,
  transport: transport.kind,
});

/** An agent with the reason for which it can take no more work now: kept, because a decision looks at every able agent. */
export type RosterAgent = AgentEntry & { unavailable: Exclusion | undefined };

/** Requirements whose able agents are remembered, per capability. */
const MAX_REMEMBERED = 1_000;

/** A registered agent in the matching. */
type Listed = { readonly skills: readonly Skill[]; free: boolean };

/** The agents of a pool: what they can do, how many attempts each holds, and how often it fails. */
export class Roster {
  readonly #pool: string;
  readonly #matching: Matching;
  /** Also the deregistered ones that still hold attempts. */
  readonly #agents = new Map<string, RosterAgent>();
  /** Agents that could not be reached, until their next try. */
  readonly #resting = new Set<RosterAgent>();
  /** Those among them at which no clock has looked yet: their times are stamps of whoever called them. */
  readonly #unseen = new Set<RosterAgent>();
  /** Agents that could not be reached since they last answered. */
  readonly #unreached = new Set<RosterAgent>();
  /** Agents of which no more is known; not in the snapshot. */
  readonly #halted = new Set<string>();
  readonly #listed = new Map<string, Listed>();
  /** Registered agents by the names of their capabilities. */
  readonly #named = new Map<string, Set<RosterAgent>>();
  /** Of the agents with a capability those that meet a requirement; dropped when one of them changes what it offers. */
  readonly #able = new Map<string, Map<string, Sorted<RosterAgent>>>();

  /** Attempts that agents of each lane hold. */
  readonly held: Record<Lane, number> = { a2a: 0, local: 0 };

  /** @param matching is told which agents can take more work */
  constructor(pool: string, matching: Matching, agents: readonly AgentEntry[] = []) {
    this.#pool = pool;
    this.#matching = matching;
    for (const agent of agents) this.#enter({ ...agent, unavailable: undefined });
  }

  snapshot(): readonly AgentEntry[] {
    return [...this.#agents.values()].map(({ unavailable: _, ...agent }) => agent);
  }

  transportOf(agentId: string): Transport['kind'] | undefined {
    return this.#agents.get(agentId)?.transport;
  }

  /** Registered agents that can do the work, whether or not they can take more now, and how many cannot do it. */
  able(required: Requirement): Sorted<RosterAgent> {
    const named = this.#named.get(required.capability);
    const { eligible, excluded } = this.#ableOf(required, named ?? new Set());
    // The agents without the capability are not examined, only counted.
    const without = this.#listed.size - (named?.size ?? 0);
    return { eligible, excluded: without > 0 ? { ...excluded, capability: without } : excluded };
  }

  /** The agent gets no more work. */
  halt(agentId: string): void {
    this.#halted.add(agentId);
    const agent = this.#agents.get(agentId);
    if (agent) this.#unlist(agent);
  }

  /** The agent holds one attempt more. */
  take(agentId: string): void {
    const agent = this.#agents.get(agentId);
    if (!agent) return;
    agent.open += 1;
    this.held[agent.transport] += 1;
    this.#updateFree(agent);
  }

  /** The agent holds one attempt less. */
  giveBack(agentId: string): void {
    const agent = this.#agents.get(agentId);
    if (!agent) return;
    agent.open -= 1;
    this.held[agent.transport] -= 1;
    if (agent.deregistered && agent.open === 0) this.#agents.delete(agentId);
    else this.#updateFree(agent);
  }

  /** A call did not reach the agent: it rests. */
  unreachable(agentId: string, atMs: number, error: string): void {
    const agent = this.#agents.get(agentId);
    if (!agent) return;
    const rest = restAfter(agent.rest, atMs, error);
    if (rest === agent.rest) return;
    agent.rest = rest;
    agent.restsUntilMs = rest.untilMs;
    this.#resting.add(agent);
    this.#unseen.add(agent);
    this.#unreached.add(agent);
    this.#updateFree(agent);
  }

  /** The agent has answered. */
  reached(agentId: string): void {
    const agent = this.#agents.get(agentId);
    if (!agent?.rest) return;
    agent.rest = undefined;
    this.#unreached.delete(agent);
    this.#wakeUp(agent);
  }

  /** What kept work of this kind from every agent that can do it, if none of them was reached since then. */
  unreachedSince(required: Requirement, sinceMs: number): string | undefined {
    const able = this.able(required).eligible;
    return able.every(({ rest }) => rest && rest.sinceMs <= sinceMs) ? able[0]?.rest?.error : undefined;
  }

  /** Whether any agent was not reached since then. */
  hasUnreachedSince(sinceMs: number): boolean {
    for (const { rest } of this.#unreached) if (rest && rest.sinceMs <= sinceMs) return true;
    return false;
  }

  /** Ends the rests whose time has come. A rest is counted from when it is first looked at. */
  wake(nowMs: number): void {
    for (const agent of this.#unseen) this.#look(agent, nowMs);
    this.#unseen.clear();
    for (const agent of this.#resting) if ((agent.restsUntilMs ?? 0) <= nowMs) this.#wakeUp(agent);
  }

  /** When the next rest ends; undefined when no agent rests. */
  nextDueMs(): number | undefined {
    let due: number | undefined;
    for (const { restsUntilMs = 0 } of this.#resting) due = Math.min(due ?? restsUntilMs, restsUntilMs);
    return due;
  }

  #look(agent: RosterAgent, nowMs: number): void {
    const { rest } = agent;
    if (!rest || agent.restsUntilMs === undefined) return;
    agent.rest = { ...rest, sinceMs: Math.min(rest.sinceMs, nowMs) };
    agent.restsUntilMs = nowMs + restMs(rest);
  }

  #wakeUp(agent: RosterAgent): void {
    this.#resting.delete(agent);
    agent.restsUntilMs = undefined;
    this.#updateFree(agent);
  }

  /** @param outcome 1 for a failed attempt, 0 for a completed one */
  rate(agentId: string, outcome: 0 | 1): void {
    const agent = this.#agents.get(agentId);
    if (agent) agent.errorRate += ERROR_RATE_WEIGHT * (outcome - agent.errorRate);
  }

  /** @param heldBy attempts that an agent holds although it is not known here: they were assigned just before its deregistration was seen */
  evolve(event: AgentEvent, heldBy: (agentId: string) => number): void {
    const { agentId, pool } = event.data;
    const agent = this.#agents.get(agentId);
    if (pool !== this.#pool) {
      if (agent && event.type === 'AgentRegistered') this.#deregister(agent);
      return;
    }
    switch (event.type) {
      case 'AgentRegistered':
        if (agent) this.#leave(agent);
        this.#enter({
          ...profileFacts(event.data),
          agentId,
          health: 'healthy',
          draining: false,
          deregistered: false,
          open: agent?.open ?? heldBy(agentId),
          errorRate: 0,
          unavailable: undefined,
        });
        return;
      case 'AgentReconfigured':
        if (agent) this.#reconfigure(agent, event.data);
        return;
      case 'AgentHealthChanged':
        if (agent) agent.health = event.data.to;
        break;
      case 'AgentDrainStarted':
        if (agent) agent.draining = true;
        break;
      case 'AgentDrainEnded':
        if (agent) agent.draining = false;
        break;
      case 'AgentDeregistered':
        if (agent) this.#deregister(agent);
        return;
    }
    if (agent) this.#updateFree(agent);
  }

  #enter(agent: RosterAgent): void {
    this.#agents.set(agent.agentId, agent);
    if (agent.restsUntilMs !== undefined) this.#resting.add(agent);
    if (agent.rest) this.#unreached.add(agent);
    this.held[agent.transport] += agent.open;
    if (!agent.deregistered && !this.#halted.has(agent.agentId)) this.#list(agent);
  }

  #reconfigure(agent: RosterAgent, profile: Profile): void {
    this.#leave(agent);
    this.#enter(Object.assign(agent, profileFacts(profile)));
  }

  #leave(agent: RosterAgent): void {
    this.#unlist(agent);
    this.#resting.delete(agent);
    this.#unreached.delete(agent);
    this.held[agent.transport] -= agent.open;
  }

  /** Kept while it holds attempts, so that its slots are still counted if it registers again. */
  #deregister(agent: RosterAgent): void {
    this.#unlist(agent);
    this.#resting.delete(agent);
    this.#unreached.delete(agent);
    agent.restsUntilMs = undefined;
    agent.deregistered = true;
    if (agent.open === 0) this.#agents.delete(agent.agentId);
  }

  #list(agent: RosterAgent): void {
    const distinct = new Map(agent.capabilities.map((offered) => [`${offered.name}@${offered.version}`, offered]));
    const skills = [...distinct.values()].map((capability) => this.#matching.offer(capability, agent.transport));
    this.#listed.set(agent.agentId, { skills, free: false });
    for (const { name } of agent.capabilities) {
      this.#able.delete(name);
      const named = this.#named.get(name);
      if (named) named.add(agent);
      else this.#named.set(name, new Set([agent]));
    }
    this.#updateFree(agent);
  }

  #unlist(agent: RosterAgent): void {
    const listed = this.#listed.get(agent.agentId);
    if (!listed) return;
    this.#setFree(listed, false);
    this.#listed.delete(agent.agentId);
    for (const skill of listed.skills) this.#matching.withdraw(skill);
    for (const { name } of agent.capabilities) {
      this.#able.delete(name);
      const named = this.#named.get(name);
      named?.delete(agent);
      if (named?.size === 0) this.#named.delete(name);
    }
  }

  #updateFree(agent: RosterAgent): void {
    const listed = this.#listed.get(agent.agentId);
    if (!listed) return;
    agent.unavailable = firstRule(AVAILABILITY, agent, undefined)?.name;
    this.#setFree(listed, agent.unavailable === undefined);
  }

  #setFree(listed: Listed, free: boolean): void {
    if (listed.free === free) return;
    listed.free = free;
    for (const skill of listed.skills) this.#matching.setFree(skill, free ? 1 : -1);
  }

  #ableOf(required: Requirement, named: ReadonlySet<RosterAgent>): Sorted<RosterAgent> {
    const key = requirementKey(required);
    const remembered = this.#able.get(required.capability);
    const known = remembered?.get(key);
    if (known) return known;
    const sorted = sortOut([...named], ABILITY, required);
    if (remembered && remembered.size < MAX_REMEMBERED) remembered.set(key, sorted);
    else this.#able.set(required.capability, new Map([[key, sorted]]));
    return sorted;
  }
}
