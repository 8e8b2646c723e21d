import { roughBytes } from '../domain/rough-bytes.ts';
import type { Position, StoredEvent } from './event-store.ts';

/** The position before every event of every log. */
export const BEGINNING: Position = -1n;

/**
 * The newest events of the log, without a gap: all with `floor < position <= last`. When a limit (events or bytes) is exceeded, the oldest
 * are dropped and the floor rises.
 */
export class EventRing {
  readonly #slots: (StoredEvent | undefined)[];
  readonly #sizes: number[];
  readonly #maxBytes: number;
  /** Counted from the first event ever pushed; slot = number modulo capacity. */
  #oldest = 0;
  #next = 0;
  #bytes = 0;
  #floor: Position;
  #last: Position;

  constructor(floor: Position, limits: { readonly events: number; readonly bytes: number }) {
    this.#slots = new Array(limits.events);
    this.#sizes = new Array(limits.events);
    this.#maxBytes = limits.bytes;
    this.#floor = floor;
    this.#last = floor;
  }

  get last(): Position {
    return this.#last;
  }

  /** The ring holds everything after this position, up to `last`. */
  get floor(): Position {
    return this.#floor;
  }

  push(event: StoredEvent): void {
    const size = roughBytes(event);
    while (this.#next > this.#oldest && (this.#isFull() || this.#bytes + size > this.#maxBytes)) this.#evict();
    const slot = this.#next % this.#slots.length;
    this.#slots[slot] = event;
    this.#sizes[slot] = size;
    this.#next += 1;
    this.#bytes += size;
    this.#last = event.position;
  }

  /** Up to `max` events after `position`; undefined when the ring has dropped some of them. */
  after(position: Position, max: number): StoredEvent[] | undefined {
    if (position < this.#floor) return undefined;
    const start = this.#firstAfter(position);
    const end = Math.min(start + max, this.#next);
    const events: StoredEvent[] = [];
    for (let number = start; number < end; number += 1) events.push(this.#at(number));
    return events;
  }

  #isFull(): boolean {
    return this.#next - this.#oldest === this.#slots.length;
  }

  #evict(): void {
    const slot = this.#oldest % this.#slots.length;
    this.#floor = this.#at(this.#oldest).position;
    this.#bytes -= this.#sizes[slot] ?? 0;
    this.#slots[slot] = undefined;
    this.#oldest += 1;
  }

  #at(number: number): StoredEvent {
    return this.#slots[number % this.#slots.length] as StoredEvent;
  }

  #firstAfter(position: Position): number {
    let low = this.#oldest;
    let high = this.#next;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#at(middle).position > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
