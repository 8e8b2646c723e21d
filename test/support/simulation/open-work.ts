import type { StoredEvent } from '../../../src/eventstore/event-store.ts';

const OPENS: ReadonlySet<string> = new Set(['TaskSubmitted', 'TaskRedriven']);
const CLOSES: ReadonlySet<string> = new Set([
  'TaskCompleted',
  'TaskCancelled',
  'TaskFailed',
  'TaskDeadLettered',
  'TaskOutcomeUnknown',
]);
const PARKS: ReadonlySet<string> = new Set(['TaskDeadLettered', 'TaskOutcomeUnknown']);
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
  /** Tasks that ended without a result, and that somebody may send back to work. */
  readonly #parked = new Set<string>();
  readonly #waitsFor = new Map<string, readonly string[]>();
  #read = 0;

  read(log: readonly StoredEvent[]): this {
    for (; this.#read < log.length; this.#read += 1) this.#take(log[this.#read] as StoredEvent);
    return this;
  }

  /** @param resting streams of which nothing more is expected */
  isEmpty(resting: ReadonlySet<string>): boolean {
    const rests = (id: string): boolean =>
      resting.has(id) || this.#parked.has(id) || (this.#waitsFor.get(id) ?? []).some(rests);
    return [...this.#open].every(rests);
  }

  isAssigned({ taskId, attempt, agentId }: { taskId: string; attempt: number; agentId: string }): boolean {
    return this.#assigned.has(`${taskId}/${attempt}/${agentId}`);
  }

  #take({ type, data }: StoredEvent): void {
    const { taskId, executionId, assignments, waitsFor } = data as Record<string, string> & {
      assignments?: { taskId: string; attempt: number; agentId: string }[];
      waitsFor?: string[];
    };
    if (waitsFor !== undefined) this.#waitsFor.set(String(taskId), waitsFor);
    if (type === 'TaskUnblocked') this.#waitsFor.delete(String(taskId));
    if (PARKS.has(type)) this.#parked.add(String(taskId));
    else if (taskId !== undefined) this.#parked.delete(taskId);
    if (OPENS.has(type)) this.#open.add(String(taskId));
    else if (CLOSES.has(type)) this.#open.delete(String(taskId));
    else if (RUNS.has(type)) this.#open.add(String(executionId));
    else if (RESTS.has(type)) this.#open.delete(String(executionId));
    for (const given of assignments ?? []) this.#assigned.add(`${given.taskId}/${given.attempt}/${given.agentId}`);
  }
}
