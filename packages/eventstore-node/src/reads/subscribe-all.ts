import type { StoredRecord } from '../storage/record.ts';
import type { EventStore } from '../store/event-store.ts';
import type { Start } from '../wire/read-request.ts';
import { CAUGHT_UP, checkpoint, confirmation } from '../wire/read-response.ts';
import { isHiddenFromAll } from './all-content.ts';
import type { EventFilter } from './event-filter.ts';
import type { MessageSource, OutputChunk } from './output.ts';
import type { Renderer } from './renderer.ts';
import { ScanBudget } from './scan-budget.ts';
import { fallsBehind, type SlowSubscribers } from './slow-subscribers.ts';
import { SpanReader } from './span-reader.ts';

export type SubscribeAllOptions = {
  readonly subscriptionId: string;
  /** Exclusive. */
  readonly from: Start;
  readonly filter: { readonly matches: EventFilter; readonly checkpointInterval: number } | undefined;
  readonly slow: SlowSubscribers | undefined;
};

/**
 * A catch-up subscription to $all. One cursor over the log serves history and live events alike, so there is no switch
 * at which an event could be lost or repeated; a slow client merely falls further behind.
 */
export class SubscribeAll implements MessageSource {
  readonly #reader: SpanReader;
  readonly #after: number;
  #next: number;
  #confirmed = false;
  #live = false;
  #considered = 0;
  #lastConsidered = 0;
  #lastCheckpoint = 0;
  readonly #store: EventStore;
  readonly #renderer: Renderer;
  readonly #options: SubscribeAllOptions;

  constructor(store: EventStore, renderer: Renderer, options: SubscribeAllOptions) {
    this.#store = store;
    this.#renderer = renderer;
    this.#options = options;

    const { from } = options;
    const { index } = store;
    this.#reader = new SpanReader(store, (ordinal) => ordinal);
    this.#after = typeof from === 'number' ? from : 0;
    this.#next = from === 'end' ? index.visible : Math.min(index.positions.countUpTo(this.#after), index.visible);
  }

  fill(chunk: OutputChunk): 'more' | 'idle' {
    if (!this.#confirmed) chunk.add(confirmation(this.#options.subscriptionId));
    this.#confirmed = true;
    const { index } = this.#store;
    const budget = new ScanBudget();
    while (this.#next < index.visible) {
      if (chunk.isFull || budget.isSpent) return 'more';
      const record = this.#reader.record(this.#next, index.visible - 1);
      this.#next++;
      budget.spend(record);
      if (record.position > this.#after && !isHiddenFromAll(record)) this.#consider(record, chunk);
    }
    this.#reader.release();
    if (!this.#live) this.#goLive(chunk);
    return 'idle';
  }

  waiting(): void {
    const { slow } = this.#options;
    if (this.#live && fallsBehind(slow, this.#store.index.visible - this.#next)) this.#live = false;
  }

  #consider(record: StoredRecord, chunk: OutputChunk): void {
    const { filter } = this.#options;
    if (!filter) {
      chunk.add(this.#renderer.frame(record));
      return;
    }
    if (filter.matches(record)) chunk.add(this.#renderer.frame(record));
    this.#lastConsidered = record.position;
    if (++this.#considered >= filter.checkpointInterval) this.#checkpoint(chunk);
  }

  /** The end of history is worth a checkpoint too: it may be far beyond the last event that matched. */
  #goLive(chunk: OutputChunk): void {
    this.#live = true;
    if (this.#options.filter && this.#lastConsidered > this.#lastCheckpoint) this.#checkpoint(chunk);
    chunk.add(CAUGHT_UP);
  }

  #checkpoint(chunk: OutputChunk): void {
    this.#considered = 0;
    this.#lastCheckpoint = this.#lastConsidered;
    chunk.add(checkpoint(this.#lastConsidered));
  }
}
