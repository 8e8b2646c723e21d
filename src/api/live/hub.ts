import type { EventStore, Position, Revision, StoredEvent } from '../../eventstore/event-store.ts';
import type { LogFeed } from '../../eventstore/log-feed.ts';
import { unavailable } from '../../platform/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import { EdgeError } from '../errors.ts';
import { type AgentChange, agentConcerns } from './agent-changes.ts';
import { type ExecutionChange, executionConcerns } from './execution-changes.ts';
import { eventsFrom, revisionAfter } from './stream-history.ts';
import { type Placed, Subscriber } from './subscriber.ts';
import { type TaskChange, taskConcerns } from './task-changes.ts';
import { type Interest, Topic } from './topic.ts';

const BATCH = 500;
/** The most events that a resumed subscription reads again, about three seconds of work. Beyond that it must query instead. */
const MAX_RESUMED_EVENTS = 100_000;
export const MAX_SUBSCRIPTIONS = 5_000;

export type Follow<Change> = {
  readonly interest: Interest<Change>;
  /** Position that the reader has received; absent: from now on. */
  readonly after?: Position | undefined;
  /** Changes kept for a slow reader. */
  readonly limit: number;
  /** Approximate number of changes in one batch. */
  readonly most: number;
  readonly onCutOff?: (error: EdgeError) => void;
  /** Aborted when the reader is gone. */
  readonly signal: AbortSignal;
};

/** A change that is an event of its subject's own stream. */
type InStream = Placed & { readonly revision: Revision };

export type HubOptions = {
  readonly feed: Pick<LogFeed, 'read' | 'head'>;
  readonly store: Pick<EventStore, 'readStream' | 'head'>;
  readonly logger: Logger;
  /** Called with every event from the start on. */
  readonly onEvent?: (event: StoredEvent) => void;
};

const endOf = (events: readonly StoredEvent[]): { readonly had: Position; readonly next: Revision } => {
  const last = events.at(-1);
  if (last === undefined) throw new Error('bug: a page of a stream without events');
  return { had: last.position, next: last.revision + 1n };
};

/**
 * The revision after these changes, which must start at `next`. A read may have been answered by a node that is behind the live changes:
 * then the reader must start again, because changes would be missing.
 */
const afterAll = (changes: readonly InStream[], next: Revision): Revision => {
  changes.forEach(({ revision }, index) => {
    if (revision !== next + BigInt(index)) throw unavailable(`the change at revision ${next} was missed`);
  });
  return next + BigInt(changes.length);
};

/** Hands the events of the log to the subscriptions of this process: one reader of the feed for all of them. */
export class Hub {
  /** Assignments are in the ledgers of pools, and the lifecycles of an execution's tasks in the execution's stream. */
  readonly tasks = new Topic<TaskChange>(taskConcerns, ['pool', 'execution']);
  readonly agents = new Topic<AgentChange>(agentConcerns);
  readonly executions = new Topic<ExecutionChange>(executionConcerns);
  readonly #topics = [this.tasks, this.agents, this.executions] as const;
  readonly #options: HubOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #position: Position;

  constructor(options: HubOptions) {
    this.#options = options;
    this.#position = options.feed.head ?? 0n;
    this.#running = this.#run();
  }

  get subscriptions(): number {
    return this.#topics.reduce((sum, { size }) => sum + size, 0);
  }

  /** Everything up to here was published. */
  get position(): Position {
    return this.#position;
  }

  /** Whether the log has a position, even if it has not come here yet. */
  async hasReached(position: Position): Promise<boolean> {
    return position <= this.#position || position <= ((await this.#options.store.head()) ?? 0n);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#endAll();
    await this.#running;
  }

  /**
   * Changes in log order, without gap or repetition from `after` on: history is read from the feed, and live changes follow where it
   * ends. Batches are never empty.
   *
   * Errors: `EdgeError` `RESUME_EXPIRED` when `after` is too far back, `SLOW_CONSUMER`, `LIMIT_SUBSCRIPTIONS`.
   */
  async *follow<Change extends Placed>(topic: Topic<Change>, follow: Follow<Change>): AsyncGenerator<Change[], void> {
    this.#checkRoom();
    const { interest, most } = follow;
    const signal = AbortSignal.any([follow.signal, this.#stopping.signal]);
    let had = follow.after ?? this.#position;
    // Nothing is awaited between this check and joining, so that nothing published after it is missed.
    while (had < this.#position && !signal.aborted) had = yield* this.#history(topic, interest, had, signal);
    if (signal.aborted) return;
    const { subscriber, leave } = this.#join(topic, follow, had);
    try {
      for (let taken = await subscriber.take(most); taken; taken = await subscriber.take(most)) yield taken;
    } finally {
      leave();
    }
  }

  /**
   * As `follow`, for a subject whose changes are the events of its own stream: history is read there, however far back it goes.
   *
   * Errors: `EdgeError` `SLOW_CONSUMER`, `LIMIT_SUBSCRIPTIONS`; `AppError` `UNAVAILABLE`, also when a change was missed.
   */
  async *followStream<Change extends InStream>(
    topic: Topic<Change>,
    stream: string,
    follow: Omit<Follow<Change>, 'interest'>,
  ): AsyncGenerator<Change[], void> {
    this.#checkRoom();
    const { store } = this.#options;
    const { after = 0n, most } = follow;
    const interest = { subject: stream };
    const select = (events: readonly StoredEvent[]) => events.flatMap((event) => topic.select(event, interest));
    let had = after;
    let next = await revisionAfter(store, stream, after);
    for await (const events of eventsFrom(store, stream, next)) {
      ({ had, next } = endOf(events));
      yield select(events);
      if (follow.signal.aborted) return;
    }
    const { subscriber, leave } = this.#join(topic, { ...follow, interest }, had);
    try {
      // Events appended between the last read and joining. Live changes wait meanwhile.
      for await (const events of eventsFrom(store, stream, next)) {
        ({ had, next } = endOf(events));
        subscriber.skipTo(had);
        yield select(events);
      }
      for (let taken = await subscriber.take(most); taken; taken = await subscriber.take(most)) {
        next = afterAll(taken, next);
        yield taken;
      }
    } finally {
      leave();
    }
  }

  /** From here on the subscriber gets what the hub publishes, until it leaves, its reader is gone or the hub stops. */
  #join<Change extends Placed>(
    topic: Topic<Change>,
    { interest, limit, onCutOff, signal: gone }: Follow<Change>,
    had: Position,
  ): { readonly subscriber: Subscriber<Change>; readonly leave: () => void } {
    const signal = AbortSignal.any([gone, this.#stopping.signal]);
    const subscriber = new Subscriber<Change>(had, limit, (error) => {
      leave();
      onCutOff?.(error);
    });
    const end = (): void => subscriber.end();
    const quit = topic.join(interest, subscriber);
    const leave = (): void => {
      quit();
      signal.removeEventListener('abort', end);
    };
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    return { subscriber, leave };
  }

  #checkRoom(): void {
    if (this.subscriptions >= MAX_SUBSCRIPTIONS)
      throw new EdgeError('LIMIT_SUBSCRIPTIONS', `this process serves at most ${MAX_SUBSCRIPTIONS} subscriptions`);
  }

  /** Reads the log until it has caught up with the hub; returns the position reached. */
  async *#history<Change extends Placed>(
    topic: Topic<Change>,
    interest: Interest<Change>,
    after: Position,
    signal: AbortSignal,
  ): AsyncGenerator<Change[], Position> {
    let position = after;
    let considered = 0;
    for await (const batch of this.#options.feed.read({ after, maxBatch: BATCH, signal })) {
      considered += batch.events.length;
      if (considered > MAX_RESUMED_EVENTS)
        throw new EdgeError(
          'RESUME_EXPIRED',
          `position ${after} is more than ${MAX_RESUMED_EVENTS} events back: query the current state and subscribe from its position`,
        );
      const changes = batch.events.flatMap((event) => topic.select(event, interest));
      if (batch.position > position) position = batch.position;
      if (changes.length > 0) yield changes;
      if (position >= this.#position) return position;
    }
    return position;
  }

  async #run(): Promise<void> {
    const { feed, logger, onEvent } = this.#options;
    const { signal } = this.#stopping;
    try {
      for await (const batch of feed.read({ after: this.#position, maxBatch: BATCH, signal })) {
        for (const event of batch.events) {
          onEvent?.(event);
          this.#publish(event);
        }
        if (batch.position > this.#position) this.#position = batch.position;
      }
    } catch (error) {
      // The feed retries by itself: an error that it throws is permanent.
      logger.error({ err: error }, 'live changes have stopped');
    }
    this.#endAll();
  }

  #endAll(): void {
    for (const topic of this.#topics) topic.endAll();
  }

  #publish(event: StoredEvent): void {
    try {
      for (const topic of this.#topics) topic.publish(event);
    } catch (error) {
      // An event that this build cannot read must not stop the others.
      const { stream, revision } = event;
      this.#options.logger.error({ err: error, stream, revision: String(revision) }, 'subscribers miss an event');
    }
  }
}
