import { LRUCache } from 'lru-cache';
import type { StoredEvent } from '../../eventstore/event-store.ts';
import type { LogFeed } from '../../eventstore/log-feed.ts';

/** Outcomes kept for a caller that asks just after the fact; an older one is read from the stream. */
const REMEMBERED = 10_000;

/** How things ended, by the stream that tells it, for code in this process that waits. */
export class OutcomeBook<Outcome extends object> {
  readonly #recent = new LRUCache<string, Outcome>({ max: REMEMBERED });
  readonly #waiting = new Map<string, ((outcome: Outcome) => void)[]>();

  recent(stream: string): Outcome | undefined {
    return this.#recent.get(stream);
  }

  /** Resolves with what is settled next. */
  next(stream: string): Promise<Outcome> {
    return new Promise((resolve) => {
      const others = this.#waiting.get(stream);
      if (others) others.push(resolve);
      else this.#waiting.set(stream, [resolve]);
    });
  }

  settle(stream: string, outcome: Outcome): void {
    this.#recent.set(stream, outcome);
    const waiting = this.#waiting.get(stream);
    this.#waiting.delete(stream);
    for (const resolve of waiting ?? []) resolve(outcome);
  }

  /** What was remembered no longer holds. */
  forget(stream: string): void {
    this.#recent.delete(stream);
  }
}

/** Shows every event from the log's present end on, until `signal` aborts. */
export const followFromNow = async (
  feed: LogFeed,
  signal: AbortSignal,
  onEvent: (event: StoredEvent) => void,
): Promise<void> => {
  const after = feed.status().position;
  for await (const { events } of feed.read({ ...(after === undefined ? {} : { after }), maxBatch: 1_000, signal }))
    for (const event of events) onEvent(event);
};
