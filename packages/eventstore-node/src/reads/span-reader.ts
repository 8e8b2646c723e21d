import type { StoredRecord } from '../storage/record.ts';
import type { EventStore } from '../store/event-store.ts';

const SPAN_BYTES = 128 * 1024;
/** Reading over this much of other streams' events is cheaper than one more read. */
const GAP_BYTES = 8 * 1024;

/** Reads a sequence of events (all, or those of a stream) in either direction, many with each access to the log. */
export class SpanReader {
  #run: Buffer | undefined;
  #first = 0;
  #last = -1;

  readonly #store: EventStore;
  /** Ordinal of the sequence's event at this index; ascending. */
  readonly #ordinalAt: (index: number) => number;

  constructor(store: EventStore, ordinalAt: (index: number) => number) {
    this.#store = store;
    this.#ordinalAt = ordinalAt;
  }

  /** The event at `index`, of which the caller is on its way to `towards`. */
  record(index: number, towards: number): StoredRecord {
    const ordinal = this.#ordinalAt(index);
    const run = this.#run && ordinal >= this.#first && ordinal <= this.#last ? this.#run : this.#load(index, towards);
    return this.#store.recordIn(run, this.#first, ordinal);
  }

  /** Lets go of what was read. */
  release(): void {
    this.#run = undefined;
  }

  #load(index: number, towards: number): Buffer {
    const step = towards < index ? -1 : 1;
    this.#first = this.#ordinalAt(index);
    this.#last = this.#first;
    for (let next = index; next !== towards; ) {
      next += step;
      if (!this.#extend(this.#ordinalAt(next))) break;
    }
    this.#run = this.#store.readRun(this.#first, this.#last);
    return this.#run;
  }

  #extend(ordinal: number): boolean {
    const store = this.#store;
    const first = Math.min(this.#first, ordinal);
    const last = Math.max(this.#last, ordinal);
    if (store.runSize(first, last) > SPAN_BYTES) return false;
    const gap = ordinal < this.#first ? this.#first - ordinal : ordinal - this.#last;
    if (gap > 1) {
      const between =
        ordinal < this.#first
          ? store.runSize(ordinal + 1, this.#first - 1)
          : store.runSize(this.#last + 1, ordinal - 1);
      if (between > GAP_BYTES) return false;
    }
    this.#first = first;
    this.#last = last;
    return true;
  }
}
