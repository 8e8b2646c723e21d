import type { StoredRecord } from '../storage/record.ts';

/** At about 1 µs per event and 1 GB/s this is a few ms. */
const MAX_EVENTS = 2_000;
const MAX_BYTES = 4 * 1024 * 1024;

/** How much a reader scans at a time, so that a filter that matches nothing does not delay other calls. */
export class ScanBudget {
  #events = 0;
  #bytes = 0;

  spend(record: StoredRecord): void {
    this.#events++;
    this.#bytes += record.size;
  }

  get isSpent(): boolean {
    return this.#events >= MAX_EVENTS || this.#bytes >= MAX_BYTES;
  }
}
