import { instantOf } from '../instant.ts';
import { PREFERENCE, type Sorted, sortOut } from '../routing/eligibility.ts';
import { strategies } from '../routing/strategies.ts';
import type { RoutingStrategy, Scored } from '../routing/strategy.ts';
import type { Assignment, Exclusion, RoutingReason } from './events.ts';
import type { Lane } from './matching.ts';
import type { RosterAgent } from './roster.ts';
import { DISPATCH_GRACE_MS, type TaskEntry } from './task-entry.ts';

const SHOWN_CANDIDATES = 3;

const strategyOf = ({ strategy }: TaskEntry): RoutingStrategy =>
  (strategies as Record<string, RoutingStrategy>)[strategy] ?? strategies.least_loaded;

/** Without the preferences when they would leave nobody. */
const preferred = (free: readonly RosterAgent[], task: TaskEntry): Sorted<RosterAgent> => {
  const all = { eligible: free, excluded: {} };
  if (task.failedOn.length === 0) return all;
  const sorted = sortOut(free, PREFERENCE, task);
  return sorted.eligible.length > 0 ? sorted : all;
};

const shown = (ranked: readonly Scored[]): RoutingReason['candidates'] =>
  ranked.map(({ candidate, score }) => ({
    agentId: candidate.agentId,
    score: Math.round(score * 1e6) / 1e6,
    open: candidate.open,
  }));

/** Those that can take more work now. Agents of lanes in which no more can be called count as busy. */
const availableIn = (agents: readonly RosterAgent[], lanes: readonly Lane[]): Sorted<RosterAgent> => {
  const eligible: RosterAgent[] = [];
  const excluded: Partial<Record<Exclusion, number>> = {};
  for (const agent of agents) {
    const reason = agent.unavailable ?? (lanes.includes(agent.transport) ? undefined : 'no_slot');
    if (reason === undefined) eligible.push(agent);
    else excluded[reason] = (excluded[reason] ?? 0) + 1;
  }
  return { eligible, excluded };
};

export type RouteRequest = {
  readonly task: TaskEntry;
  /** The agents that can do the work, and how many cannot. */
  readonly able: Sorted<RosterAgent>;
  /** Lanes in which more can be called. */
  readonly lanes: readonly Lane[];
  /** Decisions made so far for the task's requirement. */
  readonly turn: number;
  readonly nowMs: number;
};

/**
 * Chooses the agent for a ready task, with the reason.
 *
 * Errors: throws when no agent is free: the caller picks only tasks for which one is.
 */
export const route = ({ task, able, lanes, turn, nowMs }: RouteRequest): Assignment => {
  const free = availableIn(able.eligible, lanes);
  const { eligible: candidates, excluded } = preferred(free.eligible, task);
  const strategy = strategyOf(task);
  const best = strategy.rank({ task, candidates, turn, top: SHOWN_CANDIDATES });
  const [chosen] = best;
  if (!chosen) throw new Error(`no agent is free for task ${task.taskId} although the matching has one`);
  return {
    taskId: task.taskId,
    attempt: task.attempt,
    agentId: chosen.candidate.agentId,
    expiresAt: instantOf(nowMs + task.timeoutMs + DISPATCH_GRACE_MS),
    reason: {
      strategy: strategy.name,
      strategyVersion: strategy.version,
      eligible: candidates.length,
      candidates: shown(best),
      excluded: { ...able.excluded, ...free.excluded, ...excluded },
      waitedMs: Math.max(0, nowMs - task.readyMs),
    },
  };
};
