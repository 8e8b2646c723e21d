import type { TaskHandler } from '../../commands/context.ts';
import { taskStream } from '../../domain/ids.ts';
import type { Json } from '../../domain/json.ts';
import { type AttemptError, endsTask, type TaskEvent } from '../../domain/task/events.ts';
import { readEvent } from '../../eventstore/codec.ts';
import type { EventStore, StoredEvent } from '../../eventstore/event-store.ts';
import { type FollowPorts, followLog } from '../../eventstore/follow-log.ts';
import { OutcomeBook, type WaitOptions } from './outcome-book.ts';

/** How a task ended; `deadLettered` may be followed by a redrive. */
export type TaskOutcome =
  | { readonly status: 'completed'; readonly result: Json; readonly agentId: string; readonly attempt: number }
  | { readonly status: 'cancelled' }
  | { readonly status: 'deadLettered'; readonly error: AttemptError };

/** A task ended without a result. */
export class TaskFailed extends Error {
  override readonly name = 'TaskFailed';
  readonly taskId: string;
  readonly status: 'cancelled' | 'deadLettered';
  /** Why it was given up; undefined for a task that was cancelled. */
  readonly error: AttemptError | undefined;
  constructor(taskId: string, outcome: Exclude<TaskOutcome, { status: 'completed' }>) {
    const error = outcome.status === 'deadLettered' ? outcome.error : undefined;
    super(error ? `task ${taskId} failed: ${error.code}: ${error.message}` : `task ${taskId} was cancelled`);
    this.taskId = taskId;
    this.status = outcome.status;
    this.error = error;
  }
}

const outcomeOf = (event: TaskEvent): TaskOutcome | undefined => {
  switch (event.type) {
    case 'TaskCompleted':
      return {
        status: 'completed',
        result: event.data.result,
        agentId: event.data.agentId,
        attempt: event.data.attempt,
      };
    case 'TaskCancelled':
      return { status: 'cancelled' };
    case 'TaskDeadLettered':
      return { status: 'deadLettered', error: event.data.error };
    default:
      return undefined;
  }
};

/** Lets code in this process wait for tasks, from the shared feed. */
export class TaskOutcomes {
  readonly #ports: FollowPorts;
  readonly #store: EventStore;
  readonly #tasks: TaskHandler;
  readonly #book: OutcomeBook<TaskOutcome>;

  constructor(deps: FollowPorts & { store: EventStore; tasks: TaskHandler; remembered?: number }) {
    this.#book = new OutcomeBook(deps.remembered);
    this.#ports = deps;
    this.#store = deps.store;
    this.#tasks = deps.tasks;
  }

  /** Events that this build could not read. */
  get unreadable(): number {
    return this.#book.unreadable;
  }

  /** Follows the log from its present end until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await followLog({ ...this.#ports, name: 'the watch on tasks', signal }, (event) => this.#apply(event));
    this.#book.close();
  }

  /**
   * Resolves with the task's result when it has completed.
   *
   * Errors: throws `TaskFailed` when it ended otherwise, and what `wait` throws.
   */
  async result(tenant: string, taskId: string): Promise<Json> {
    const outcome = await this.wait(tenant, taskId);
    if (outcome.status === 'completed') return outcome.result;
    throw new TaskFailed(taskId, outcome);
  }

  /**
   * Resolves when the task has ended; at once when it already has.
   *
   * Errors: throws `AppError` `UNAVAILABLE` when this process stops first, `TIMEOUT` when the signal aborts.
   */
  async wait(tenant: string, taskId: string, { signal, fresh = false }: WaitOptions = {}): Promise<TaskOutcome> {
    const stream = taskStream(tenant, taskId);
    const recent = this.#book.recent(stream);
    if (recent) return recent;
    const outcome = this.#book.next(stream, signal);
    outcome.catch(() => {}); // nobody waits for it when the stream cannot be read either
    const state = await this.#tasks.load(stream, { fresh });
    if (state.status !== 'open' && state.status !== 'none') await this.#settleFromStream(stream);
    return outcome;
  }

  async #settleFromStream(stream: string): Promise<void> {
    for (const event of await this.#store.readStream(stream)) this.#apply(event);
  }

  #apply(event: StoredEvent): void {
    if (!endsTask(event.type) && !this.#book.mayEnd(event)) return;
    const known = readEvent(event) as TaskEvent | undefined;
    const outcome = known && outcomeOf(known);
    if (outcome) this.#book.settle(event.stream, outcome);
    else if (!known) this.#book.park(event);
  }
}
