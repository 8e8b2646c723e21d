import { instantOf } from '../instant.ts';
import { AVAILABILITY, PREFERENCE, type Sorted, sortOut } from '../routing/eligibility.ts';
import { strategies } from '../routing/strategies.ts';
import type { RoutingStrategy, Scored } from '../routing/strategy.ts';
import type { Assignment, RoutingReason } from './events.ts';
import type { AgentEntry } from './roster.ts';
import { DISPATCH_GRACE_MS, type TaskEntry } from './task-entry.ts';

const SHOWN_CANDIDATES = 3;

const strategyOf = ({ strategy }: TaskEntry): RoutingStrategy =>
  (strategies as Record<string, RoutingStrategy>)[strategy] ?? strategies.least_loaded;

/** Without the preferences when they would leave nobody. */
const preferred = (free: readonly AgentEntry[], task: TaskEntry): Sorted<AgentEntry> => {
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

/**
 * Chooses the agent for a ready task, with the reason.
 *
 * Errors: throws when no agent is free: the caller picks only tasks for which one is.
 *
 * @param able the agents that can do the work, and how many cannot
 * @param turn decisions made so far for the task's requirement
 */
export const route = (task: TaskEntry, able: Sorted<AgentEntry>, turn: number, nowMs: number): Assignment => {
  const free = sortOut(able.eligible, AVAILABILITY, task);
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
