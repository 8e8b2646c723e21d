import { LRUCache } from 'lru-cache';
import type { TaskHandler } from '../../commands/context.ts';
import { taskStream } from '../../domain/ids.ts';
import type { Json } from '../../domain/json.ts';
import type { AttemptError, TaskEvent } from '../../domain/task/events.ts';
import { decodeEvent } from '../../eventstore/codec.ts';
import type { EventStore, StoredEvent } from '../../eventstore/event-store.ts';
import type { LogFeed } from '../../eventstore/log-feed.ts';

/** How a task ended; `deadLettered` may be followed by a redrive. */
export type TaskOutcome =
  | { readonly status: 'completed'; readonly result: Json; readonly agentId: string; readonly attempt: number }
  | { readonly status: 'cancelled' }
  | { readonly status: 'deadLettered'; readonly error: AttemptError };

/** Outcomes kept for a caller that asks just after the fact; an older one is read from the task's stream. */
const REMEMBERED = 10_000;

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
  readonly #feed: LogFeed;
  readonly #store: EventStore;
  readonly #tasks: TaskHandler;
  readonly #recent = new LRUCache<string, TaskOutcome>({ max: REMEMBERED });
  readonly #waiting = new Map<string, ((outcome: TaskOutcome) => void)[]>();

  constructor(deps: { feed: LogFeed; store: EventStore; tasks: TaskHandler }) {
    this.#feed = deps.feed;
    this.#store = deps.store;
    this.#tasks = deps.tasks;
  }

  /** Follows the log from its present end until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const after = this.#feed.status().position;
    for await (const { events } of this.#feed.read({
      ...(after === undefined ? {} : { after }),
      maxBatch: 1_000,
      signal,
    }))
      for (const event of events) this.#apply(event);
  }

  /** Resolves when the task has ended, at once when it has already. */
  async wait(tenant: string, taskId: string): Promise<TaskOutcome> {
    const stream = taskStream(tenant, taskId);
    const recent = this.#recent.get(stream);
    if (recent) return recent;
    const outcome = new Promise<TaskOutcome>((resolve) => {
      const others = this.#waiting.get(stream);
      if (others) others.push(resolve);
      else this.#waiting.set(stream, [resolve]);
    });
    const state = await this.#tasks.load(stream);
    if (state.status !== 'open' && state.status !== 'none') await this.#settleFromStream(stream);
    return outcome;
  }

  async #settleFromStream(stream: string): Promise<void> {
    for (const event of await this.#store.readStream(stream)) this.#apply(event);
  }

  #apply(event: StoredEvent): void {
    if (event.type !== 'TaskCompleted' && event.type !== 'TaskCancelled' && event.type !== 'TaskDeadLettered') return;
    const outcome = outcomeOf(decodeEvent(event) as TaskEvent);
    if (!outcome) return;
    this.#recent.set(event.stream, outcome);
    const waiting = this.#waiting.get(event.stream);
    this.#waiting.delete(event.stream);
    for (const resolve of waiting ?? []) resolve(outcome);
  }
}
