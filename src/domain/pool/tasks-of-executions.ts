import type { ExecutionEvent } from '../execution/events.ts';
import type { TaskEvent } from '../task/events.ts';
import type { PoolEvent } from './events.ts';
import type { ReadyQueue, Withheld } from './ready-queue.ts';
import type { TaskEntry } from './task-entry.ts';
import type { TaskTable } from './task-table.ts';
import type { TaskTimers } from './timers.ts';

type Parts = {
  readonly tasks: TaskTable;
  readonly queue: ReadyQueue;
  readonly timers: TaskTimers;
  /** Puts a task where it belongs by its fields. */
  readonly reschedule: (task: TaskEntry) => void;
};

/** The open tasks of each execution, and what becomes of them when it pauses, goes on or aborts. */
export class TasksOfExecutions {
  readonly #parts: Parts;
  readonly #byExecution = new Map<string, Set<string>>();
  /** Executions whose tasks no agent gets for the time being. */
  readonly #paused: Set<string>;

  constructor(parts: Parts, paused: readonly string[] = []) {
    this.#parts = parts;
    this.#paused = new Set(paused);
  }

  get paused(): readonly string[] {
    return [...this.#paused];
  }

  add({ taskId, executionId }: TaskEntry): void {
    if (executionId === undefined) return;
    const tasks = this.#byExecution.get(executionId) ?? new Set();
    this.#byExecution.set(executionId, tasks.add(taskId));
  }

  delete({ taskId, executionId }: TaskEntry): void {
    if (executionId === undefined) return;
    const tasks = this.#byExecution.get(executionId);
    tasks?.delete(taskId);
    if (tasks?.size === 0) this.#byExecution.delete(executionId);
  }

  *of(executionId: string): Generator<TaskEntry> {
    for (const taskId of this.#byExecution.get(executionId) ?? []) yield this.#parts.tasks.get(taskId) as TaskEntry;
  }

  /** Why no agent may have the task for now. */
  withheld({ executionId, releasing }: TaskEntry): Withheld | undefined {
    if (releasing) return 'aborting';
    return executionId !== undefined && this.#paused.has(executionId) ? 'paused' : undefined;
  }

  /** What else happens to an execution does not concern the assignment of tasks, nor do other events. */
  evolve(event: ExecutionEvent | TaskEvent | PoolEvent): void {
    switch (event.type) {
      case 'ExecutionPaused':
        this.#pause(event.data.executionId);
        return;
      case 'ExecutionResumed':
        this.#resume(event.data.executionId);
        return;
      case 'ExecutionAborting':
        this.#abort(event.data);
        return;
      case 'ExecutionCompleted':
      case 'ExecutionCancelled':
      case 'ExecutionCompensated':
        this.#paused.delete(event.data.executionId);
        return;
      default:
        return;
    }
  }

  #pause(executionId: string): void {
    this.#paused.add(executionId);
    for (const task of this.of(executionId)) if (task.agentId === undefined) this.#parts.queue.withhold(task, 'paused');
  }

  #resume(executionId: string): void {
    if (!this.#paused.delete(executionId)) return;
    for (const task of this.of(executionId)) this.#parts.reschedule(task);
  }

  /** From here on no agent gets a step of the execution. It learns of each whether an agent holds it, unless it waits for those to end. */
  #abort({ executionId, interrupt, reason }: Extract<ExecutionEvent, { type: 'ExecutionAborting' }>['data']): void {
    if (reason !== 'step_failed') this.#resume(executionId);
    const { tasks, queue, timers } = this.#parts;
    for (const task of this.of(executionId)) {
      if (task.compensates || (task.agentId !== undefined && !interrupt)) continue;
      if (task.agentId === undefined) queue.withhold(task, 'aborting');
      timers.schedule(tasks.change(task, { releasing: true }));
    }
  }
}
