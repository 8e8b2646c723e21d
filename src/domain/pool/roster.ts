import type { AgentEvent, Transport } from '../agent/events.ts';
import { verdictOn } from '../resilience/failure.ts';
import { pauseMs } from '../resilience/pause.ts';
import type { Requirement } from '../routing/eligibility.ts';
import type { AttemptError } from '../task/events.ts';
import {
  type AgentEntry,
  copiedAgent,
  freshCircuits,
  heldCapabilities,
  lifecycleAfter,
  offersOf,
  type Profile,
  profileFacts,
  type Standing,
  standingOf,
} from './agent-entry.ts';
import { AgentLoads } from './agent-loads.ts';
import { Breakers } from './breakers.ts';
import type { BreakerChange } from './events.ts';
import type { Lane, Matching, Skill } from './matching.ts';
import { restAfter, restMs } from './rest.ts';

/** Weight of the newest outcome in an agent's moving averages (requirements 1.0: EMA α = 0.1). */
const NEWEST_WEIGHT = 0.1;

/** A registered agent in the indexes. `standings` is what those of each skill were told last: absent until they are told of it. */
type Listed = {
  readonly agent: AgentEntry;
  readonly skills: readonly Skill[];
  readonly standings: (Standing | undefined)[];
};

/** An attempt that an agent holds or held. */
export type Held = { readonly agentId: string; readonly taskId: string; readonly capability: string };

/** How such an attempt failed. */
type Failure = { readonly error: AttemptError; readonly failedAt: string; readonly retryAfterMs?: number | undefined };

const isFree = (standing: Standing | undefined): boolean =>
  standing !== undefined && standing.unavailable === undefined;

/** The agents of a pool: what they can do, how many attempts each holds, and how often it fails. */
export class Roster {
  readonly #pool: string;
  readonly #matching: Matching;
  /** Also the deregistered ones that still hold attempts. */
  readonly #agents = new Map<string, AgentEntry>();
  /** Agents that could not be reached, until their next try. */
  readonly #resting = new Set<AgentEntry>();
  /** Those among them at which no clock has looked yet: their times are stamps of whoever called them. */
  readonly #unseen = new Set<AgentEntry>();
  /** Agents that could not be reached since they last answered. */
  readonly #unreached = new Set<AgentEntry>();
  /** Agents that drain, until their limit. */
  readonly #draining = new Set<AgentEntry>();
  /** Agents of which no more is known; not in the snapshot. */
  readonly #halted = new Set<string>();
  readonly #listed = new Map<string, Listed>();
  /** Agents that have changed since the indexes were told of them: told once before a decision, however often they change. */
  readonly #changed = new Set<Listed>();
  readonly #breakers = new Breakers();
  readonly loads = new AgentLoads({ agents: this.#agents, onChanged: (agent) => this.#touch(agent) });

  /** Attempts that agents of each lane hold. */
  readonly held: Record<Lane, number> = { a2a: 0, local: 0 };

  /** @param matching is told which agents can take more work */
  constructor(pool: string, matching: Matching, agents: readonly AgentEntry[] = []) {
    this.#pool = pool;
    this.#matching = matching;
    for (const agent of agents) this.#enter(copiedAgent(agent));
  }

  snapshot(): readonly AgentEntry[] {
    return [...this.#agents.values()].map(copiedAgent);
  }

  transportOf(agentId: string): Transport['kind'] | undefined {
    return this.#agents.get(agentId)?.transport;
  }

  /** Agents of the pool that cannot do the work: without the capability, and in other versions only than these skills have. */
  unable(name: string, skills: readonly Skill[]): { readonly capability: number; readonly version: number } {
    const named = this.#matching.agentsNamed(name);
    return {
      capability: this.#listed.size - named,
      version: skills.reduce((left, { group }) => left - group.size, named),
    };
  }

  /** Tells the indexes what has changed. */
  settle(): void {
    for (const listed of this.#changed) {
      const { agent, skills, standings } = listed;
      for (const [at, skill] of skills.entries()) {
        const before = standings[at];
        const now = standingOf(agent, skill.offer.name);
        skill.group.move(agent, before, now);
        if (isFree(before) !== isFree(now)) this.#matching.setFree(skill, isFree(now) ? 1 : -1);
        standings[at] = now;
      }
    }
    this.#changed.clear();
  }

  /** The agent gets no more work. */
  halt(agentId: string): void {
    this.#halted.add(agentId);
    const agent = this.#agents.get(agentId);
    if (agent) this.#unlist(agent);
  }

  /** The agent holds one attempt more. */
  take({ agentId, taskId, capability }: Held): void {
    const agent = this.#agents.get(agentId);
    if (!agent) return;
    this.#breakers.take(agent, capability, taskId);
    agent.open += 1;
    if (agent.drainsUntilMs !== undefined) this.#draining.add(agent);
    this.held[agent.transport] += 1;
    this.#touch(agent);
  }

  /** The agent holds one attempt less. */
  giveBack({ agentId, taskId, capability }: Held): void {
    const agent = this.#agents.get(agentId);
    if (!agent) return;
    this.#breakers.giveBack(agent, capability, taskId);
    agent.open -= 1;
    this.held[agent.transport] -= 1;
    if (agent.deregistered && agent.open === 0) this.#agents.delete(agentId);
    else this.#touch(agent);
  }

  /** What a failed attempt says of its agent. */
  judge(held: Held, { error, failedAt, retryAfterMs }: Failure): void {
    const agent = this.#agents.get(held.agentId);
    if (!agent) return;
    const verdict = verdictOn(error, retryAfterMs);
    if (retryAfterMs !== undefined) this.#pause(agent, Date.parse(failedAt), pauseMs(retryAfterMs));
    const isProbe = this.#breakers.isProbe(agent, held.capability, held.taskId);
    const isNews = verdict !== 'unreachable' || this.#unreachable(agent, Date.parse(failedAt), error.message);
    if (verdict !== 'nothing' && (isNews || isProbe)) this.#countCall(agent, held, verdict !== 'answered');
    if (verdict !== 'unreachable' && error.source !== 'baton') this.failed(held.agentId);
    if (error.source === 'agent') this.reached(held.agentId);
  }

  /** The agent asked not to be called for so long. Its newest word counts. */
  #pause(agent: AgentEntry, atMs: number, forMs: number): void {
    agent.pausedUntilMs = atMs + forMs;
    agent.pausedForMs = forMs;
    this.#resting.add(agent);
    this.#unseen.add(agent);
    this.#touch(agent);
  }

  /** An answer of an agent to a task of the pool. */
  answered({ agentId, taskId, capability }: Held): void {
    const agent = this.#agents.get(agentId);
    if (agent) this.#countCall(agent, { agentId, taskId, capability }, false);
  }

  #countCall(agent: AgentEntry, { capability, taskId }: Held, failed: boolean): void {
    if (!agent.deregistered) this.#breakers.count(agent, capability, taskId, failed);
  }

  /** Changes of breakers that are due, at most `limit`. They hold from `changeBreaker` on. */
  dueBreakers(nowMs: number, limit: number): BreakerChange[] {
    return this.#breakers.due(nowMs, limit);
  }

  changeBreaker(change: BreakerChange, atMs: number): void {
    const agent = this.#agents.get(change.agentId);
    if (!agent || agent.deregistered) return;
    this.#breakers.apply(agent, change, atMs);
    this.#touch(agent);
  }

  /** A call did not reach the agent: it rests. Whether that is news: calls that were under way before it rested say the same. */
  #unreachable(agent: AgentEntry, atMs: number, error: string): boolean {
    const rest = restAfter(agent.rest, atMs, error);
    if (rest === agent.rest) return false;
    agent.rest = rest;
    agent.restsUntilMs = rest.untilMs;
    this.#resting.add(agent);
    this.#unseen.add(agent);
    this.#unreached.add(agent);
    this.#touch(agent);
    return true;
  }

  /** The agent has answered. */
  reached(agentId: string): void {
    const agent = this.#agents.get(agentId);
    if (!agent?.rest) return;
    agent.rest = undefined;
    this.#unreached.delete(agent);
    this.#wakeUp(agent);
  }

  /** What kept ready work of this kind from every agent that can do it, if none of them was reached since then. */
  unreachedSince(required: Requirement, sinceMs: number): string | undefined {
    let error: string | undefined;
    for (const { group } of this.#matching.skillsFor(required))
      for (const { rest } of group.members()) {
        if (!rest || rest.sinceMs > sinceMs) return undefined;
        error ??= rest.error;
      }
    return error;
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
    for (const agent of this.#resting) {
      if ((agent.pausedUntilMs ?? Number.POSITIVE_INFINITY) <= nowMs) this.#endPause(agent);
      if ((agent.restsUntilMs ?? Number.POSITIVE_INFINITY) <= nowMs) this.#wakeUp(agent);
    }
  }

  /** Agents whose time to finish what they hold has just ended. */
  drained(nowMs: number): string[] {
    const ended = [...this.#draining].filter(({ drainsUntilMs = 0 }) => drainsUntilMs <= nowMs);
    for (const agent of ended) this.#draining.delete(agent);
    return ended.map(({ agentId }) => agentId);
  }

  /** Nobody waits any longer for what the agent holds. */
  isSilent(agentId: string): boolean {
    return this.#agents.get(agentId)?.silent === true;
  }

  /** When the next rest or drain ends, or the next breaker changes; undefined when there is none. */
  nextDueMs(): number | undefined {
    let due = this.#breakers.nextDueMs();
    const never = Number.POSITIVE_INFINITY;
    for (const { restsUntilMs = never, pausedUntilMs = never } of this.#resting)
      due = Math.min(due ?? never, restsUntilMs, pausedUntilMs);
    for (const { drainsUntilMs = 0 } of this.#draining) due = Math.min(due ?? drainsUntilMs, drainsUntilMs);
    return due;
  }

  #look(agent: AgentEntry, nowMs: number): void {
    const { rest, pausedUntilMs, pausedForMs = 0 } = agent;
    // Counted by the stamp, but no longer than it was asked for, whatever clock stamped it.
    if (pausedUntilMs !== undefined) agent.pausedUntilMs = Math.min(pausedUntilMs, nowMs + pausedForMs);
    if (!rest || agent.restsUntilMs === undefined) return;
    agent.rest = { ...rest, sinceMs: Math.min(rest.sinceMs, nowMs) };
    agent.restsUntilMs = nowMs + restMs(rest);
  }

  #endPause(agent: AgentEntry): void {
    if (agent.restsUntilMs === undefined) this.#resting.delete(agent);
    agent.pausedUntilMs = undefined;
    this.#touch(agent);
  }

  #wakeUp(agent: AgentEntry): void {
    if (agent.pausedUntilMs === undefined) this.#resting.delete(agent);
    agent.restsUntilMs = undefined;
    this.#touch(agent);
  }

  /** An attempt of the agent has failed. */
  failed(agentId: string): void {
    const agent = this.#agents.get(agentId);
    if (!agent) return;
    agent.errorRate += NEWEST_WEIGHT * (1 - agent.errorRate);
    this.#touch(agent);
  }

  /** The agent has completed an attempt. */
  completed(agentId: string, durationMs: number): void {
    const agent = this.#agents.get(agentId);
    if (!agent) return;
    agent.errorRate -= NEWEST_WEIGHT * agent.errorRate;
    const { averageMs = durationMs } = agent;
    agent.averageMs = averageMs + NEWEST_WEIGHT * (durationMs - averageMs);
    agent.completed += 1;
    this.#touch(agent);
  }

  /** @param heldBy capabilities of the attempts that an agent holds although it is not known here: they were assigned just before its deregistration was seen */
  evolve(event: AgentEvent, heldBy: (agentId: string) => readonly string[]): void {
    const { agentId, pool } = event.data;
    const agent = this.#agents.get(agentId);
    if (pool !== this.#pool) {
      if (agent && event.type === 'AgentRegistered') this.#deregister(agent);
      return;
    }
    switch (event.type) {
      case 'AgentRegistered': {
        if (agent) this.#leave(agent);
        const heldFor = agent ? heldCapabilities(agent) : heldBy(agentId);
        this.#enter({
          ...profileFacts(event.data),
          agentId,
          health: 'healthy',
          draining: false,
          ...lifecycleAfter(event),
          deregistered: false,
          open: heldFor.length,
          errorRate: 0,
          completed: 0,
          circuits: freshCircuits(heldFor),
        });
        return;
      }
      case 'AgentReconfigured':
        if (agent) this.#reconfigure(agent, event.data);
        return;
      case 'AgentHealthChanged':
        if (agent) Object.assign(agent, { health: event.data.to, silent: event.data.callsLost });
        break;
      case 'AgentDeregistered':
        if (agent) this.#deregister(agent);
        return;
      default:
        if (agent) this.#live(agent, event);
    }
    if (agent) this.#touch(agent);
  }

  #live(agent: AgentEntry, event: AgentEvent): void {
    Object.assign(agent, lifecycleAfter(event));
    if (agent.drainsUntilMs === undefined) this.#draining.delete(agent);
    else this.#draining.add(agent);
  }

  #enter(agent: AgentEntry): void {
    this.#agents.set(agent.agentId, agent);
    if (agent.restsUntilMs !== undefined || agent.pausedUntilMs !== undefined) this.#resting.add(agent);
    if (agent.rest) this.#unreached.add(agent);
    if (agent.drainsUntilMs !== undefined) this.#draining.add(agent);
    if (!agent.deregistered) this.#breakers.enter(agent);
    this.held[agent.transport] += agent.open;
    if (!agent.deregistered && !this.#halted.has(agent.agentId)) this.#list(agent);
  }

  #reconfigure(agent: AgentEntry, profile: Profile): void {
    this.#leave(agent);
    this.#enter(Object.assign(agent, profileFacts(profile)));
  }

  #leave(agent: AgentEntry): void {
    this.#forget(agent);
    this.held[agent.transport] -= agent.open;
  }

  #forget(agent: AgentEntry): void {
    this.#unlist(agent);
    this.#breakers.leave(agent);
    this.#resting.delete(agent);
    this.#unreached.delete(agent);
    this.#draining.delete(agent);
  }

  /** Kept while it holds attempts, so that its slots are still counted if it registers again. */
  #deregister(agent: AgentEntry): void {
    this.#forget(agent);
    agent.restsUntilMs = undefined;
    agent.pausedUntilMs = undefined;
    agent.drainsUntilMs = undefined;
    agent.deregistered = true;
    if (agent.open === 0) this.#agents.delete(agent.agentId);
  }

  #list(agent: AgentEntry): void {
    const skills = offersOf(agent).map((offer) => this.#matching.offer(offer, agent.transport));
    for (const { group } of skills) group.add(agent);
    this.#listed.set(agent.agentId, { agent, skills, standings: [] });
    this.#touch(agent);
  }

  #unlist({ agentId }: AgentEntry): void {
    const listed = this.#listed.get(agentId);
    if (!listed) return;
    this.#listed.delete(agentId);
    this.#changed.delete(listed);
    const { agent, skills, standings } = listed;
    for (const [at, skill] of skills.entries()) {
      if (isFree(standings[at])) this.#matching.setFree(skill, -1);
      skill.group.remove(agent, standings[at]);
      this.#matching.withdraw(skill);
    }
  }

  #touch({ agentId }: AgentEntry): void {
    const listed = this.#listed.get(agentId);
    if (listed) this.#changed.add(listed);
  }
}
