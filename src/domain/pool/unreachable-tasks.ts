import type { ReadyQueue } from './ready-queue.ts';
import type { Roster } from './roster.ts';
import type { TaskEntry } from './task-entry.ts';
import type { DueTimer } from './timers.ts';

const first = (tasks: Iterable<TaskEntry>, wanted: (task: TaskEntry) => boolean, limit: number): TaskEntry[] => {
  const found: TaskEntry[] = [];
  for (const task of tasks) {
    if (found.length >= limit) break;
    if (wanted(task)) found.push(task);
  }
  return found.sort((a, b) => a.seq - b.seq);
};

/**
 * Takes ready tasks without a deadline out of the queue that have waited since then while no agent that can do them was reached, at most
 * `limit`. Others of the same requirement keep none of them from it.
 */
export const takeUnreachable = (queue: ReadyQueue, roster: Roster, sinceMs: number, limit: number): DueTimer[] => {
  const taken: DueTimer[] = [];
  if (!roster.hasUnreachedSince(sinceMs)) return taken;
  const mayWait = (task: TaskEntry): boolean => task.deadlineMs !== undefined || task.readyMs > sinceMs;
  for (const head of queue.heads()) {
    const error = roster.unreachedSince(head, sinceMs);
    if (error === undefined) continue;
    for (const task of first(queue.readyLike(head), (each) => !mayWait(each), limit - taken.length)) {
      const { taskId, attempt, executionId } = task;
      queue.withhold(task, 'unreachable');
      taken.push({ kind: 'agentsUnreachable', taskId, attempt, executionId, error });
    }
    if (taken.length >= limit) return taken;
  }
  return taken;
};
