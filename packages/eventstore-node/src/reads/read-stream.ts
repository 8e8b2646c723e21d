import type { EventStore } from '../store/event-store.ts';
import type { StreamRef } from '../wire/append-request.ts';
import type { Start } from '../wire/read-request.ts';
import { streamNotFound } from '../wire/read-response.ts';
import { streamDeleted } from '../wire/write-errors.ts';
import type { MessageSource, OutputChunk } from './output.ts';
import type { Renderer } from './renderer.ts';
import { ScanBudget } from './scan-budget.ts';
import { SpanReader } from './span-reader.ts';

export type ReadStreamOptions = {
  readonly stream: StreamRef;
  readonly from: Start;
  readonly backwards: boolean;
  readonly count: number;
};

/** The readable events of a stream. Throws if it ends in a tombstone; reports a stream without events in a message. */
export class ReadStream implements MessageSource {
  readonly #reader: SpanReader | undefined;
  readonly #oldestMs: number;
  #next = 0;
  #towards = -1;
  #left: number;
  readonly #renderer: Renderer;
  readonly #options: ReadStreamOptions;

  constructor(store: EventStore, renderer: Renderer, options: ReadStreamOptions, now: number) {
    this.#renderer = renderer;
    this.#options = options;

    const { name } = options.stream;
    this.#left = options.count;
    if (store.isTombstoned(name)) throw streamDeleted(name);
    const range = store.readableRange(name);
    this.#oldestMs = now - (store.metadata(name).maxAgeMs ?? Number.POSITIVE_INFINITY);
    if (!range) return;
    this.#reader = new SpanReader(store, (revision) => store.index.ordinal(range.stream, revision));
    this.#bound(range.first, range.last);
  }

  fill(chunk: OutputChunk): 'more' | 'done' {
    if (!this.#reader) {
      chunk.add(streamNotFound(this.#options.stream.bytes));
      return 'done';
    }
    const { backwards } = this.#options;
    const budget = new ScanBudget();
    while (!chunk.isFull && !budget.isSpent) {
      if (this.#left === 0 || (backwards ? this.#next < this.#towards : this.#next > this.#towards)) return 'done';
      const record = this.#reader.record(this.#next, this.#towards);
      this.#next += backwards ? -1 : 1;
      budget.spend(record);
      if (record.createdMs < this.#oldestMs) continue;
      chunk.add(this.#renderer.frame(record));
      this.#left--;
    }
    return 'more';
  }

  #bound(first: number, last: number): void {
    const { from, backwards, count } = this.#options;
    const asked = from === 'start' ? 0 : from === 'end' ? last + (backwards ? 0 : 1) : from;
    if (backwards) {
      this.#next = Math.min(asked, last);
      this.#towards = Math.max(first, this.#oldestMs > 0 ? first : this.#next - count + 1);
    } else {
      this.#next = Math.max(asked, first);
      this.#towards = this.#oldestMs > 0 ? last : Math.min(last, this.#next + count - 1);
    }
  }
}
