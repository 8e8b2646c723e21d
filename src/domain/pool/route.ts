import { instantOf } from '../instant.ts';
import { strategies } from '../routing/strategies.ts';
import type { RoutingStrategy, Scored } from '../routing/strategy.ts';
import { hash32 } from '../structures/hash32.ts';
import type { AgentGroup } from './agent-group.ts';
import type { Assignment, Exclusion, RoutingReason } from './events.ts';
import { FreeAgents } from './free-agents.ts';
import type { Lane, Skill } from './matching.ts';
import { DISPATCH_GRACE_MS, type TaskEntry } from './task-entry.ts';

const SHOWN_CANDIDATES = 5;

export const strategyOf = ({ strategy }: Pick<TaskEntry, 'strategy'>): RoutingStrategy =>
  (strategies as Record<string, RoutingStrategy>)[strategy] ?? strategies.least_loaded;

const rounded = (value: number): number => Math.round(value * 1e6) / 1e6;

const roundedTerms = (terms: Scored['terms']): Record<string, number> => {
  const shown: Record<string, number> = {};
  for (const name in terms) shown[name] = rounded(terms[name] as number);
  return shown;
};

const shown = (best: readonly Scored[]): RoutingReason['candidates'] =>
  best.map(({ candidate: { agentId, open }, score, terms }) => ({
    agentId,
    score: rounded(score),
    open,
    terms: roundedTerms(terms),
  }));

type Counts = Partial<Record<Exclusion, number>>;

const count = (counts: Counts, name: Exclusion, agents: number): void => {
  if (agents > 0) counts[name] = (counts[name] ?? 0) + agents;
};

/** The agents that can take the task, after the preferences, each of which holds only where it leaves somebody; how many each left out. */
const preferred = (task: TaskEntry, able: readonly AgentGroup[], callable: readonly AgentGroup[]) => {
  const free = { healthy: 0, degraded: 0 };
  const failed = { healthy: 0, degraded: 0 };
  for (const group of callable) {
    free.healthy += group.healthy.size;
    free.degraded += group.degraded.size;
    for (const agentId of task.failedOn) {
      if (group.healthy.get(agentId)) failed.healthy += 1;
      if (group.degraded.get(agentId)) failed.degraded += 1;
    }
  }
  const avoids = failed.healthy + failed.degraded < free.healthy + free.degraded;
  const left = avoids
    ? { healthy: free.healthy - failed.healthy, degraded: free.degraded - failed.degraded }
    : { healthy: free.healthy, degraded: free.degraded };
  const health = left.healthy > 0 ? ('healthy' as const) : ('degraded' as const);
  const excluded: Counts = {};
  if (avoids) count(excluded, 'failed_before', failed.healthy + failed.degraded);
  if (health === 'healthy') count(excluded, 'degraded', left.degraded);
  const avoided = new Set(avoids ? task.failedOn : []);
  return {
    agents: new FreeAgents({ capability: task.capability, able, callable, health, avoided }, left[health]),
    excluded,
  };
};

export type RouteRequest = {
  readonly task: TaskEntry;
  /** What meets the requirement of the task. */
  readonly skills: readonly Skill[];
  /** Agents of the pool without the capability, and with other versions of it only. */
  readonly unable: { readonly capability: number; readonly version: number };
  /** Lanes in which more can be called. Agents of the others count as busy. */
  readonly lanes: readonly Lane[];
  readonly last: string | undefined;
  readonly bound: string | undefined;
  readonly nowMs: number;
};

const exclusions = ({ skills, unable, lanes }: RouteRequest, preferences: Counts): Counts => {
  const excluded: Counts = {};
  count(excluded, 'capability', unable.capability);
  count(excluded, 'version', unable.version);
  for (const { group, lane } of skills) {
    for (const name in group.excluded) count(excluded, name as Exclusion, group.excluded[name as Exclusion] ?? 0);
    if (!lanes.includes(lane)) count(excluded, 'no_slot', group.free);
  }
  for (const name in preferences) count(excluded, name as Exclusion, preferences[name as Exclusion] ?? 0);
  return excluded;
};

/**
 * Chooses the agent for a ready task, with the reason.
 *
 * Errors: throws when no agent is free: the caller picks only tasks for which one is.
 */
export const route = (request: RouteRequest): Assignment => {
  const { task, skills, lanes, last, bound, nowMs } = request;
  const able = skills.map(({ group }) => group);
  const callable = skills.filter(({ lane }) => lanes.includes(lane)).map(({ group }) => group);
  const { agents, excluded } = preferred(task, able, callable);
  const strategy = strategyOf(task);
  const seed = hash32(task.taskId, task.attempt);
  const choice = strategy.choose({ task, fleet: agents, top: SHOWN_CANDIDATES, seed, last, bound, nowMs });
  const [chosen] = choice.best;
  if (!chosen) throw new Error(`no agent is free for task ${task.taskId} although the matching has one`);
  return {
    taskId: task.taskId,
    attempt: task.attempt,
    agentId: chosen.candidate.agentId,
    expiresAt: instantOf(nowMs + task.timeoutMs + DISPATCH_GRACE_MS),
    reason: {
      strategy: strategy.name,
      strategyVersion: strategy.version,
      eligible: agents.size,
      candidates: shown(choice.best),
      excluded: exclusions(request, excluded),
      ...(choice.seed === undefined ? {} : { seed: choice.seed }),
      ...(choice.overflow === undefined ? {} : { overflow: choice.overflow }),
      waitedMs: Math.max(0, nowMs - task.readyMs),
    },
  };
};
