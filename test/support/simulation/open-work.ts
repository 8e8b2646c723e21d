import type { StoredEvent } from '../../../src/eventstore/event-store.ts';

const OPENS: ReadonlySet<string> = new Set(['TaskSubmitted', 'TaskRedriven']);
const CLOSES: ReadonlySet<string> = new Set([
  'TaskCompleted',
  'TaskCancelled',
  'TaskFailed',
  'TaskDeadLettered',
  'TaskOutcomeUnknown',
]);
const RUNS: ReadonlySet<string> = new Set(['ExecutionStarted', 'ExecutionReopened', 'ExecutionAborting']);
const RESTS: ReadonlySet<string> = new Set([
  'ExecutionCompleted',
  'ExecutionFailed',
  'ExecutionCancelled',
  'ExecutionCompensated',
  'ExecutionCompensationFailed',
]);

/** What a log says is not finished, and which attempts are assigned. */
export class OpenWork {
  readonly #open = new Set<string>();
  readonly #assigned = new Set<string>();
  #read = 0;

  read(log: readonly StoredEvent[]): this {
    for (; this.#read < log.length; this.#read += 1) this.#take(log[this.#read] as StoredEvent);
    return this;
  }

  /** @param resting streams of which nothing more is expected */
  isEmpty(resting: ReadonlySet<string>): boolean {
    return [...this.#open].every((id) => resting.has(id));
  }

  isAssigned({ taskId, attempt, agentId }: { taskId: string; attempt: number; agentId: string }): boolean {
    return this.#assigned.has(`${taskId}/${attempt}/${agentId}`);
  }

  #take({ type, data }: StoredEvent): void {
    const { taskId, executionId, assignments } = data as Record<string, string> & {
      assignments?: { taskId: string; attempt: number; agentId: string }[];
    };
    if (OPENS.has(type)) this.#open.add(String(taskId));
    else if (CLOSES.has(type)) this.#open.delete(String(taskId));
    else if (RUNS.has(type)) this.#open.add(String(executionId));
    else if (RESTS.has(type)) this.#open.delete(String(executionId));
    for (const given of assignments ?? []) this.#assigned.add(`${given.taskId}/${given.attempt}/${given.agentId}`);
  }
}
