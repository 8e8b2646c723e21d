import type { EventStore } from '../store/event-store.ts';
import type { StreamRef } from '../wire/append-request.ts';
import type { Start } from '../wire/read-request.ts';
import { CAUGHT_UP, confirmation } from '../wire/read-response.ts';
import { streamDeleted } from '../wire/write-errors.ts';
import type { MessageSource, OutputChunk } from './output.ts';
import type { Renderer } from './renderer.ts';
import { ScanBudget } from './scan-budget.ts';
import { fallsBehind, type SlowSubscribers } from './slow-subscribers.ts';
import { SpanReader } from './span-reader.ts';

export type SubscribeStreamOptions = {
  readonly subscriptionId: string;
  readonly stream: StreamRef;
  /** Exclusive. */
  readonly from: Start;
  readonly slow: SlowSubscribers | undefined;
};

/**
 * A catch-up subscription to a stream, which need not exist yet. History shows what a read would show; live events come
 * regardless of the stream's metadata.
 */
export class SubscribeStream implements MessageSource {
  #reader: SpanReader | undefined;
  readonly #deletedBefore: boolean;
  #next: number;
  #confirmed = false;
  #live = false;
  readonly #store: EventStore;
  readonly #renderer: Renderer;
  readonly #options: SubscribeStreamOptions;
  readonly #now: () => number;

  constructor(store: EventStore, renderer: Renderer, options: SubscribeStreamOptions, now: () => number) {
    this.#store = store;
    this.#renderer = renderer;
    this.#options = options;
    this.#now = now;

    const { from, stream } = options;
    this.#deletedBefore = store.isTombstoned(stream.name);
    this.#next = from === 'start' ? 0 : from === 'end' ? this.#head() + 1 : from + 1;
  }

  fill(chunk: OutputChunk): 'more' | 'idle' {
    const { name } = this.#options.stream;
    if (!this.#confirmed) chunk.add(confirmation(this.#options.subscriptionId));
    this.#confirmed = true;
    if (this.#deletedBefore) throw streamDeleted(name);
    if (!this.#deliver(chunk)) return 'more';
    this.#deliverTombstone(chunk);
    this.#reader?.release();
    if (!this.#live) chunk.add(CAUGHT_UP);
    this.#live = true;
    return 'idle';
  }

  waiting(): void {
    if (this.#live && fallsBehind(this.#options.slow, this.#head() + 1 - this.#next)) this.#live = false;
  }

  /** Adds events up to the head; false if it did not get there in one go. */
  #deliver(chunk: OutputChunk): boolean {
    const head = this.#head();
    if (this.#next > head) return true;
    const reader = this.#readerOf();
    const oldestMs = this.#live ? Number.NEGATIVE_INFINITY : this.#skipHidden(head);
    const budget = new ScanBudget();
    for (; this.#next <= head; this.#next++) {
      if (chunk.isFull || budget.isSpent) return false;
      const record = reader.record(this.#next, head);
      budget.spend(record);
      if (record.createdMs >= oldestMs) chunk.add(this.#renderer.frame(record));
    }
    return true;
  }

  /** Moves over what metadata hides from readers; returns the time before which events are expired. */
  #skipHidden(head: number): number {
    const { name } = this.#options.stream;
    this.#next = Math.max(this.#next, this.#store.readableRange(name)?.first ?? head + 1);
    return this.#now() - (this.#store.metadata(name).maxAgeMs ?? Number.POSITIVE_INFINITY);
  }

  /** A tombstone is the last thing a subscriber gets. */
  #deliverTombstone(chunk: OutputChunk): void {
    const { index } = this.#store;
    const { name } = this.#options.stream;
    const stream = index.find(name);
    if (stream === undefined || !index.isTombstoned(stream)) return;
    chunk.add(this.#renderer.frame(this.#store.record(index.ordinal(stream, index.size(stream) - 1))));
    throw streamDeleted(name);
  }

  #head(): number {
    const stream = this.#store.index.find(this.#options.stream.name);
    return stream === undefined ? -1 : this.#store.index.lastRevision(stream);
  }

  #readerOf(): SpanReader {
    const { index } = this.#store;
    const stream = index.find(this.#options.stream.name) as number;
    this.#reader ??= new SpanReader(this.#store, (revision) => index.ordinal(stream, revision));
    return this.#reader;
  }
}
