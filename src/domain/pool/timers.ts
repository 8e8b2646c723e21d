import { IndexedHeap } from '../structures/indexed-heap.ts';
import { DISPATCH_GRACE_MS, type Lost, lostBy, type TaskEntry } from './task-entry.ts';
import type { TaskTable } from './task-table.ts';

export type DueTimer =
  | {
      readonly kind: 'attemptExpired';
      readonly taskId: string;
      readonly attempt: number;
      readonly agentId: string;
      readonly executionId: string | undefined;
      /** Nobody waits for what the agent holds; otherwise the attempt's time is up. */
      readonly lost?: Lost;
      readonly expiresMs: number;
      /** From when an agent takes the attempt until it is given up. */
      readonly limitMs: number;
    }
  | { readonly kind: 'deadlinePassed'; readonly taskId: string; readonly heldBy: string | undefined }
  /** No agent that can do the task was reached for too long. */
  | {
      readonly kind: 'agentsUnreachable';
      readonly taskId: string;
      readonly attempt: number;
      readonly executionId: string | undefined;
      /** What the last call to one of them met. */
      readonly error: string;
    }
  /** Something may have become of the tasks that it waits for. */
  | { readonly kind: 'dependencies'; readonly taskId: string; readonly waitsFor: readonly string[] }
  /** The task's execution aborts. */
  | {
      readonly kind: 'release';
      readonly taskId: string;
      readonly attempt: number;
      readonly executionId: string;
      readonly held: boolean;
    };

const NEVER = Number.POSITIVE_INFINITY;

const timerOf = (task: TaskEntry, nowMs: number): DueTimer => {
  const { taskId, attempt, agentId, executionId, releasing } = task;
  // An attempt that its agent holds for too long is given up in any case.
  const expired = agentId !== undefined && task.expiresMs <= nowMs;
  if (releasing && executionId !== undefined && !expired)
    return { kind: 'release', taskId, attempt, executionId, held: agentId !== undefined };
  if (task.deadlineMs !== undefined && task.deadlineMs <= nowMs)
    return { kind: 'deadlinePassed', taskId, heldBy: agentId };
  const { expiresMs, timeoutMs } = task;
  const lost = lostBy(expiresMs);
  const limitMs = timeoutMs + DISPATCH_GRACE_MS;
  return {
    kind: 'attemptExpired',
    taskId,
    attempt,
    agentId: agentId as string,
    executionId,
    expiresMs,
    limitMs,
    ...(lost === undefined ? {} : { lost }),
  };
};

/** When something must happen to a task although nobody reports anything: its attempt expires, its deadline passes, its execution aborts. */
export class TaskTimers {
  readonly #tasks: Pick<TaskTable, 'get'>;
  readonly #due = new IndexedHeap();

  /** @param tasks holds every task that has a timer */
  constructor(tasks: Pick<TaskTable, 'get'>) {
    this.#tasks = tasks;
  }

  /** Sets the task's timer by its fields. */
  schedule(task: TaskEntry): void {
    const expires = task.agentId === undefined ? NEVER : task.expiresMs;
    const due = task.releasing ? 0 : Math.min(expires, task.deadlineMs ?? NEVER);
    if (due === NEVER) this.#due.delete(task.taskId);
    else this.#due.set(task.taskId, due, task.seq);
  }

  delete(taskId: string): void {
    this.#due.delete(taskId);
  }

  nextDueMs(): number | undefined {
    return this.#due.peek()?.key;
  }

  /**
   * Timers that are due, at most `limit`, the oldest first; each is put off by `holdMs`, for the case that it does not lead to an event, but
   * not beyond a deadline to come.
   */
  due(nowMs: number, holdMs: number, limit: number): DueTimer[] {
    const due: DueTimer[] = [];
    for (let head = this.#due.peek(); head && head.key <= nowMs && due.length < limit; head = this.#due.peek()) {
      const task = this.#tasks.get(head.id) as TaskEntry;
      due.push(timerOf(task, nowMs));
      const { deadlineMs = NEVER } = task;
      this.#due.set(task.taskId, Math.min(nowMs + holdMs, deadlineMs > nowMs ? deadlineMs : NEVER), task.seq);
    }
    return due;
  }
}
