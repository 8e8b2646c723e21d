import { type Backoff, backoffMs } from '../domain/retry.ts';
import { type Clock, type Random, sleep, systemRandom } from '../platform/clock.ts';
import { AppError } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import { BEGINNING, EventRing } from './event-ring.ts';
import type { AllSubscription, EventStore, Position, StoredEvent } from './event-store.ts';
import { withCauses } from './outage-log.ts';
import { SharedPages } from './shared-pages.ts';

/** A consumer that is up to this many events behind is served from memory. */
const RING_EVENTS = 20_000;
const RING_BYTES = 64 * 1024 * 1024;
const FAILURES_TO_WARN = 3;
const BACKOFF: Backoff = { baseMs: 50, maxMs: 5_000 };

export type LogFeedOptions = {
  readonly store: Pick<EventStore, 'head' | 'readAll' | 'subscribeAll'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: Random;
  readonly ringEvents?: number;
  readonly ringBytes?: number;
};

export type ReadFeed = {
  /** The consumer's checkpoint: the last position it has handled. Default: the beginning of the log. */
  readonly after?: Position;
  readonly maxBatch: number;
  /** Ends the iteration. */
  readonly signal: AbortSignal;
};

export type FeedBatch = {
  /** In log order. Empty only in the batch that first reports `caughtUp` to a consumer with nothing to read. */
  readonly events: readonly StoredEvent[];
  /** Everything up to here was delivered: the checkpoint to pass as `after` next time. 0 when the log is empty. */
  readonly position: Position;
  /** No later event was known when this batch was created. */
  readonly caughtUp: boolean;
};

export type FeedStatus = {
  /** The live subscription is connected and at the end of the log. */
  readonly live: boolean;
  readonly position: Position | undefined;
  /** When `live` changed last, ISO 8601 UTC. */
  readonly since: string;
};

/** What happened to the live subscription since the feed was started. */
export type FeedCounters = {
  /** Events came faster than they were taken; it went on by reading. Expected under load. */
  readonly fellBehind: number;
  /** The connection was lost; it was resumed. */
  readonly lost: number;
};

type Page = Awaited<ReturnType<EventStore['readAll']>>;

/**
 * The log, for everything in this process that follows it: one live subscription, whose last events are kept for all consumers.
 *
 * Each consumer first reads pages from its own checkpoint, then joins the live events without gap or repetition; a consumer that falls
 * too far behind reads pages again. When the live subscription is lost, it is resumed after the last event seen, and consumers notice
 * only a pause.
 */
export class LogFeed {
  readonly #store: LogFeedOptions['store'];
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #random: Random;
  readonly #ring: EventRing;
  readonly #pages: SharedPages;
  readonly #stopping = new AbortController();
  #following: Promise<void> = Promise.resolve();
  #live = false;
  #since: number;
  /** Losses of the live subscription since it last delivered something. */
  #failures = 0;
  readonly #counters = { fellBehind: 0, lost: 0 };
  /** Shared by all consumers that wait for the next event; absent when none waits. */
  #moved: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  private constructor(options: LogFeedOptions, head: Position | undefined) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#random = options.random ?? systemRandom;
    this.#since = options.clock.now();
    this.#pages = new SharedPages((page) => options.store.readAll(page), options.clock);
    this.#ring = new EventRing(head ?? BEGINNING, {
      events: options.ringEvents ?? RING_EVENTS,
      bytes: options.ringBytes ?? RING_BYTES,
    });
  }

  /**
   * Starts the live subscription at the current end of the log; nothing older is loaded.
   *
   * Errors: `AppError` `UNAVAILABLE` when the store cannot be reached.
   */
  static async start(options: LogFeedOptions): Promise<LogFeed> {
    const feed = new LogFeed(options, await options.store.head());
    feed.#following = feed.#follow();
    return feed;
  }

  /** Ends the live subscription and all reads. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    await this.#following;
  }

  /** The last position seen live; undefined while the log is empty. */
  get head(): Position | undefined {
    return this.#ring.last === BEGINNING ? undefined : this.#ring.last;
  }

  get counters(): FeedCounters {
    return this.#counters;
  }

  status(): FeedStatus {
    return { live: this.#live, position: this.head, since: new Date(this.#since).toISOString() };
  }

  /**
   * All events after a checkpoint, forever, in batches of at most `maxBatch`. Ends when `signal` aborts or the feed stops.
   *
   * Errors: throws what the store throws, except for `UNAVAILABLE`: then it waits and tries again.
   */
  async *read({ after, maxBatch, signal }: ReadFeed): AsyncGenerator<FeedBatch, void, undefined> {
    const ended = AbortSignal.any([signal, this.#stopping.signal]);
    const wake = (): void => this.#wake();
    ended.addEventListener('abort', wake, { once: true });
    try {
      let position = after ?? BEGINNING;
      let reportedCaughtUp = false;
      while (!ended.aborted) {
        const events = this.#ring.after(position, maxBatch);
        if (events === undefined) {
          for await (const batch of this.#readPages(position, maxBatch, ended)) {
            position = batch.position;
            if (batch.events.length === 0) continue;
            reportedCaughtUp ||= batch.caughtUp;
            yield batch;
          }
        } else if (events.length > 0 || !reportedCaughtUp) {
          position = events.at(-1)?.position ?? position;
          const caughtUp = position >= this.#ring.last;
          reportedCaughtUp ||= caughtUp;
          yield { events, position: position === BEGINNING ? 0n : position, caughtUp };
        } else await this.#nextMove();
      }
    } finally {
      ended.removeEventListener('abort', wake);
    }
  }

  /** Pages from `start` until the ring can continue. The next page is fetched while the consumer handles the current one. */
  async *#readPages(start: Position, limit: number, ended: AbortSignal): AsyncGenerator<FeedBatch, void, undefined> {
    let position = start;
    let ahead: Promise<Page> | undefined;
    while (!ended.aborted && position < this.#ring.floor) {
      const { events, next } = await (ahead ?? this.#page(position, limit, ended));
      const reached = next ?? events.at(-1)?.position ?? position;
      // A follower of a cluster may be behind the node that the live subscription reads from.
      if (reached === position && !ended.aborted) await sleep(this.#clock, BACKOFF.baseMs, ended);
      position = reached;
      ahead = position < this.#ring.floor ? this.#page(position, limit, ended) : undefined;
      yield { events, position, caughtUp: position >= this.#ring.last };
    }
  }

  /** Never rejects unhandled: a page that was fetched ahead may no longer be needed. */
  #page(position: Position, limit: number, ended: AbortSignal): Promise<Page> {
    const page = this.#fetch(position, limit, ended);
    page.catch(() => {});
    return page;
  }

  async #fetch(position: Position, limit: number, ended: AbortSignal): Promise<Page> {
    for (let failures = 1; !ended.aborted; failures += 1) {
      try {
        return await this.#pages.after(position, limit);
      } catch (error) {
        if (!(error instanceof AppError && error.retryable)) throw error;
        await sleep(this.#clock, backoffMs(BACKOFF, failures, this.#random()), ended);
      }
    }
    return { events: [], next: undefined };
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#subscribe(signal).done;
      } catch (error) {
        this.#failures += 1;
        this.#counters.lost += 1;
        const delayMs = backoffMs(BACKOFF, this.#failures, this.#random());
        this.#reportLoss(error);
        this.#setLive(false);
        await sleep(this.#clock, delayMs, signal);
      }
    }
    this.#setLive(false);
  }

  /** That a connection breaks and is resumed is expected, and the store reports outages; that it cannot be resumed is neither. */
  #reportLoss(error: unknown): void {
    const reason = withCauses(error);
    if (this.#failures === FAILURES_TO_WARN)
      this.#logger.warn({ reason }, 'the live subscription to the log cannot be resumed; still trying');
    else this.#logger.debug({ reason }, 'the live subscription to the log was lost; resuming it');
  }

  #subscribe(signal: AbortSignal): AllSubscription {
    const { last } = this.#ring;
    return this.#store.subscribeAll(
      {
        onEvent: (event) => this.#onEvent(event),
        onCaughtUp: () => {
          this.#failures = 0;
          this.#setLive(true);
        },
        onBehind: (reason) => {
          this.#counters.fellBehind += 1;
          this.#logger.debug({ reason }, 'the live subscription to the log fell behind; it reads on');
          this.#setLive(false);
        },
      },
      last === BEGINNING ? { signal } : { after: last, signal },
    );
  }

  #onEvent(event: StoredEvent): void {
    if (event.position <= this.#ring.last) return;
    this.#failures = 0;
    this.#ring.push(event);
    this.#wake();
  }

  #setLive(live: boolean): void {
    if (this.#live === live) return;
    this.#live = live;
    this.#since = this.#clock.now();
  }

  #nextMove(): Promise<void> {
    if (this.#moved === undefined) {
      let resolve = (): void => {};
      const promise = new Promise<void>((settle) => {
        resolve = settle;
      });
      this.#moved = { promise, resolve };
    }
    return this.#moved.promise;
  }

  #wake(): void {
    this.#moved?.resolve();
    this.#moved = undefined;
  }
}
