import type { Place, ReadyQueue } from './ready-queue.ts';
import type { TaskTable } from './task-table.ts';

/** The open tasks of a pool that no agent has, and where each of them is. */
export class WaitingTasks {
  readonly #tasks: Pick<TaskTable, 'get' | 'size' | 'heldSize'>;
  readonly #queue: Pick<ReadyQueue, 'size' | 'placeOf'>;

  constructor(tasks: Pick<TaskTable, 'get' | 'size' | 'heldSize'>, queue: Pick<ReadyQueue, 'size' | 'placeOf'>) {
    this.#tasks = tasks;
    this.#queue = queue;
  }

  get size(): number {
    return this.#tasks.size - this.#tasks.heldSize;
  }

  /** Tasks that are neither in the queue nor kept out of it for a reason, so that nobody looks at them again: none, unless there is a defect. */
  get withoutReason(): number {
    return this.size - this.#queue.size;
  }

  /** Where a task is; undefined of one that is held, not known, or without a reason. */
  placeOf(taskId: string): Place | undefined {
    const task = this.#tasks.get(taskId);
    return task?.agentId === undefined ? task && this.#queue.placeOf(task) : undefined;
  }
}
