import { isHiddenFromAll } from '../reads/all-content.ts';
import type { EventFilter } from '../reads/event-filter.ts';
import { ScanBudget } from '../reads/scan-budget.ts';
import { SpanReader } from '../reads/span-reader.ts';
import { type StoredRecord, TOMBSTONE_REVISION } from '../storage/record.ts';
import type { EventStore } from '../store/event-store.ts';

/** Takes what a source has read. What it throws on an event comes again with the next read, and so does that event. */
export type SourceSink = {
  add(record: StoredRecord, place: number, ordinal: number): void;
  /** An event that is not for the group. */
  passOver(place: number): void;
};

/** A cursor over the events a group is about. */
export interface GroupSource {
  readonly hasMore: boolean;
  /** Hands over the next events, up to `limit`. Of a live group no metadata hides them, as in the real server. */
  read(limit: number, live: boolean, sink: SourceSink): void;
  /** Releases what was read ahead; a group that waits for its clients does not need it. */
  release(): void;
}

/** Every event after a position. */
export class AllSource implements GroupSource {
  readonly #reader: SpanReader;
  #next: number;
  readonly #store: EventStore;
  readonly #filter: EventFilter | undefined;

  constructor(store: EventStore, after: number, filter: EventFilter | undefined) {
    this.#store = store;
    this.#filter = filter;
    this.#reader = new SpanReader(store, (ordinal) => ordinal);
    this.#next = Math.min(store.index.positions.countUpTo(after), store.index.visible);
  }

  get hasMore(): boolean {
    return this.#next < this.#store.index.visible;
  }

  read(limit: number, _live: boolean, sink: SourceSink): void {
    const budget = new ScanBudget();
    let taken = 0;
    for (; !budget.isSpent && taken < limit && this.hasMore; this.#next++) {
      const record = this.#reader.record(this.#next, this.#store.index.visible - 1);
      budget.spend(record);
      if (isHiddenFromAll(record)) continue;
      if (this.#filter && !this.#filter(record)) {
        sink.passOver(record.position);
        continue;
      }
      sink.add(record, record.position, this.#next);
      taken++;
    }
    if (!this.hasMore) this.release();
  }

  release(): void {
    this.#reader.release();
  }
}

/** The events of a stream after a revision. The stream need not exist. */
export class StreamSource implements GroupSource {
  #reader: SpanReader | undefined;
  #next: number;
  #tombstoneTaken: boolean;
  readonly #store: EventStore;
  readonly #streamName: string;
  readonly #now: () => number;

  constructor(store: EventStore, streamName: string, after: number, now: () => number) {
    this.#store = store;
    this.#streamName = streamName;
    this.#now = now;
    this.#next = after + 1;
    this.#tombstoneTaken = after >= TOMBSTONE_REVISION;
  }

  get hasMore(): boolean {
    return this.#next <= this.#head() || (!this.#tombstoneTaken && this.#tombstone() !== undefined);
  }

  read(limit: number, live: boolean, sink: SourceSink): void {
    const head = this.#head();
    const oldestMs = live ? Number.NEGATIVE_INFINITY : this.#skipHidden(head, sink);
    const budget = new ScanBudget();
    let taken = 0;
    for (; !budget.isSpent && taken < limit && this.#next <= head; this.#next++) {
      const record = this.#readerOf().record(this.#next, head);
      budget.spend(record);
      if (record.createdMs < oldestMs) {
        sink.passOver(this.#next);
        continue;
      }
      sink.add(record, this.#next, this.#ordinal(this.#next));
      taken++;
    }
    if (this.#next <= head) return;
    if (taken < limit) this.#readTombstone(live, sink);
    this.release();
  }

  release(): void {
    this.#reader?.release();
  }

  /** Moves over what metadata hides from readers; returns the time before which events are expired. */
  #skipHidden(head: number, sink: SourceSink): number {
    const store = this.#store;
    const streamName = this.#streamName;
    const range = store.isTombstoned(streamName) ? undefined : store.readableRange(streamName);
    const first = range?.first ?? head + 1;
    if (this.#next < first) {
      this.#next = first;
      sink.passOver(first - 1);
    }
    return this.#now() - (store.metadata(streamName).maxAgeMs ?? Number.POSITIVE_INFINITY);
  }

  /** Those who were there when the stream was deleted get its tombstone; it is nothing that can be read later. */
  #readTombstone(live: boolean, sink: SourceSink): void {
    const ordinal = this.#tombstone();
    if (ordinal === undefined || this.#tombstoneTaken) return;
    this.#tombstoneTaken = true;
    if (live) sink.add(this.#store.record(ordinal), TOMBSTONE_REVISION, ordinal);
  }

  #tombstone(): number | undefined {
    const { index } = this.#store;
    const stream = index.find(this.#streamName);
    if (stream === undefined || !index.isTombstoned(stream)) return undefined;
    return index.ordinal(stream, index.size(stream) - 1);
  }

  #head(): number {
    const { index } = this.#store;
    const stream = index.find(this.#streamName);
    return stream === undefined ? -1 : index.lastRevision(stream);
  }

  #ordinal(revision: number): number {
    const { index } = this.#store;
    return index.ordinal(index.find(this.#streamName) as number, revision);
  }

  #readerOf(): SpanReader {
    this.#reader ??= new SpanReader(this.#store, (revision) => this.#ordinal(revision));
    return this.#reader;
  }
}
