import type { TaskEntry } from './task-entry.ts';

type Owned = Pick<TaskEntry, 'taskId' | 'executionId'>;

/** The open tasks of each execution, by their ids. */
export class TasksOfExecutions {
  readonly #tasks = new Map<string, Set<string>>();

  add({ taskId, executionId }: Owned): void {
    if (executionId === undefined) return;
    const known = this.#tasks.get(executionId);
    if (known) known.add(taskId);
    else this.#tasks.set(executionId, new Set([taskId]));
  }

  delete({ taskId, executionId }: Owned): void {
    if (executionId === undefined) return;
    const known = this.#tasks.get(executionId);
    known?.delete(taskId);
    if (known?.size === 0) this.#tasks.delete(executionId);
  }

  of(executionId: string): Iterable<string> {
    return this.#tasks.get(executionId) ?? [];
  }
}
