import type { BreakerChange } from './events.ts';
import type { TaskTable } from './task-table.ts';

const keyOf = (agentId: string | undefined, capability: string): string => `${agentId} ${capability}`;

/** Tasks whose agents were found to be failing after the assignment. Forgotten when the process ends: then the attempt takes its course. */
export class Recalls {
  readonly #taskIds = new Set<string>();

  /** Adds those that are held where breakers opened. */
  add(changes: readonly BreakerChange[], tasks: Pick<TaskTable, 'held'>): void {
    const opened = new Set(
      changes.flatMap(({ agentId, capability, to }) => (to === 'open' ? keyOf(agentId, capability) : [])),
    );
    if (opened.size === 0) return;
    for (const { taskId, agentId, capability } of tasks.held())
      if (opened.has(keyOf(agentId, capability))) this.#taskIds.add(taskId);
  }

  delete(taskId: string): void {
    this.#taskIds.delete(taskId);
  }

  take(): readonly string[] {
    const taken = [...this.#taskIds];
    this.#taskIds.clear();
    return taken;
  }
}
