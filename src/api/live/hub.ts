import type { Position, StoredEvent } from '../../eventstore/event-store.ts';
import type { LogFeed } from '../../eventstore/log-feed.ts';
import type { Logger } from '../../platform/logger.ts';
import { EdgeError } from '../errors.ts';
import type { TimelineEntry } from '../graphql/timeline.ts';
import { type AgentChange, agentConcerns, taskConcerns } from './changes.ts';
import { type Placed, Subscriber } from './subscriber.ts';
import { type Interest, Topic } from './topic.ts';

const BATCH = 500;
/** Events that a resumed subscription reads again before it is sent to the queries instead: about three seconds of work. */
const MAX_RESUMED_EVENTS = 100_000;
export const MAX_SUBSCRIPTIONS = 5_000;

export type Follow<Change> = {
  readonly interest: Interest<Change>;
  /** What the reader has had; absent: from now on. */
  readonly after?: Position | undefined;
  /** Changes kept for a reader that is slow. */
  readonly limit: number;
  /** About as many changes come in one batch. */
  readonly most: number;
  readonly onCutOff?: (error: EdgeError) => void;
  /** The reader is gone. */
  readonly signal: AbortSignal;
};

export type HubOptions = {
  readonly feed: Pick<LogFeed, 'read' | 'head'>;
  readonly logger: Logger;
  /** Sees every event from the start on. */
  readonly onEvent?: (event: StoredEvent) => void;
};

/** Hands the events of the log to the subscriptions of this process: one reader of the feed for all of them. */
export class Hub {
  readonly tasks = new Topic<TimelineEntry>(taskConcerns);
  readonly agents = new Topic<AgentChange>(agentConcerns);
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
    return this.tasks.size + this.agents.size;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.tasks.endAll();
    this.agents.endAll();
    await this.#running;
  }

  /**
   * Changes in log order, without gap or repetition from `after` on: history is read from the feed, and live changes are joined where it
   * ends. Never empty.
   *
   * Errors: `EdgeError` `RESUME_EXPIRED` when `after` is too far back, `SLOW_CONSUMER`, `LIMIT_SUBSCRIPTIONS`.
   */
  async *follow<Change extends Placed>(topic: Topic<Change>, follow: Follow<Change>): AsyncGenerator<Change[], void> {
    if (this.subscriptions >= MAX_SUBSCRIPTIONS)
      throw new EdgeError('LIMIT_SUBSCRIPTIONS', `this process serves at most ${MAX_SUBSCRIPTIONS} subscriptions`);
    const { interest, limit, most, onCutOff } = follow;
    const signal = AbortSignal.any([follow.signal, this.#stopping.signal]);
    let had = follow.after ?? this.#position;
    // Nothing is awaited between this check and joining: what the hub hands out after it is not missed.
    while (had < this.#position && !signal.aborted) had = yield* this.#history(topic, interest, had, signal);
    if (signal.aborted) return;
    const subscriber = new Subscriber<Change>(had, limit, (error) => {
      leave();
      onCutOff?.(error);
    });
    const leave = topic.join(interest, subscriber);
    const end = (): void => subscriber.end();
    signal.addEventListener('abort', end, { once: true });
    try {
      for (let taken = await subscriber.take(most); taken; taken = await subscriber.take(most)) yield taken;
    } finally {
      leave();
      signal.removeEventListener('abort', end);
    }
  }

  /** Reads the log until it has caught up with the hub; returns how far that is. */
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
          `position ${after} is more than ${MAX_RESUMED_EVENTS} events back: query the present state and subscribe from its position`,
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
      // The feed tries again by itself; what it throws does not pass.
      logger.error({ err: error }, 'live changes have stopped');
    }
    this.tasks.endAll();
    this.agents.endAll();
  }

  #publish(event: StoredEvent): void {
    try {
      this.tasks.publish(event);
      this.agents.publish(event);
    } catch (error) {
      // An event that this build cannot read must not stop the others.
      const { stream, revision } = event;
      this.#options.logger.error({ err: error, stream, revision: String(revision) }, 'subscribers miss an event');
    }
  }
}
