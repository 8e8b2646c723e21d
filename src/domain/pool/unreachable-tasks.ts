import type { ReadyQueue } from './ready-queue.ts';
import type { Roster } from './roster.ts';
import type { TaskEntry } from './task-entry.ts';
import type { DueTimer } from './timers.ts';

/**
 * Takes ready tasks without a deadline out of the queue that have waited since then while no agent that can do them was reached, at most
 * `limit`. Of each requirement the first in turn come first.
 */
export const takeUnreachable = (queue: ReadyQueue, roster: Roster, sinceMs: number, limit: number): DueTimer[] => {
  const taken: DueTimer[] = [];
  if (!roster.hasUnreachedSince(sinceMs)) return taken;
  const mayWait = (task: TaskEntry): boolean => task.deadlineMs !== undefined || task.readyMs > sinceMs;
  for (const head of queue.heads()) {
    const error = roster.unreachedSince(head, sinceMs);
    if (error === undefined) continue;
    for (let task: TaskEntry | undefined = head; task && !mayWait(task); task = queue.headLike(head)) {
      if (taken.length >= limit) return taken;
      const { taskId, attempt, executionId } = task;
      queue.withhold(task, 'unreachable');
      taken.push({ kind: 'agentsUnreachable', taskId, attempt, executionId, error });
    }
  }
  return taken;
};
