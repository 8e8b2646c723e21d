import { instantOf } from '../instant.ts';
import { strategies } from '../routing/strategies.ts';
import type { RoutingStrategy, Scored } from '../routing/strategy.ts';
import { hash32 } from '../structures/hash32.ts';
import { DEGRADED_TIER, isReserve, TIERS } from './agent-entry.ts';
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

const sum = (numbers: readonly number[], from = 0): number => {
  let all = 0;
  for (let at = from; at < numbers.length; at += 1) all += numbers[at] as number;
  return all;
};

/** Agents of each tier that are free, and those of them on which the task has failed. */
const countTiers = (groups: readonly AgentGroup[], failedOn: readonly string[]) => {
  const free = new Array<number>(TIERS).fill(0);
  const failed = new Array<number>(TIERS).fill(0);
  for (const { tiers } of groups)
    for (const [tier, agents] of tiers.entries()) {
      free[tier] = (free[tier] as number) + agents.size;
      for (const agentId of failedOn) if (agents.get(agentId)) failed[tier] = (failed[tier] as number) + 1;
    }
  return { free, failed };
};

/** The agents that can take the task, after the preferences, each of which holds only where it leaves somebody; how many each left out. */
const preferred = (task: TaskEntry, able: readonly AgentGroup[], callable: readonly AgentGroup[]) => {
  const { free, failed } = countTiers(callable, task.failedOn);
  const avoids = sum(failed) < sum(free);
  const left = avoids ? free.map((size, tier) => size - (failed[tier] as number)) : free;
  const first = left.findIndex((size) => size > 0);
  const tier = first === -1 ? 0 : first;
  const excluded: Counts = {};
  if (avoids) count(excluded, 'failed_before', sum(failed));
  if (tier < DEGRADED_TIER) count(excluded, 'degraded', sum(left, DEGRADED_TIER));
  if (!isReserve(tier)) count(excluded, 'standby', left[tier + 1] as number);
  const avoided = new Set(avoids ? task.failedOn : []);
  return {
    agents: new FreeAgents({ capability: task.capability, able, callable, tier, avoided }, left[tier] as number),
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
      ...(task.rule === undefined ? {} : { rule: task.rule }),
      ...(choice.overflow === undefined ? {} : { overflow: choice.overflow }),
      waitedMs: Math.max(0, nowMs - task.readyMs),
    },
  };
};
