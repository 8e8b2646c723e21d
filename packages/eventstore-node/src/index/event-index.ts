import { NumberList } from './number-list.ts';
import { OrdinalLists } from './ordinal-lists.ts';
import { metastreamTarget } from './stream-names.ts';

/** A stream's number in the index. */
export type StreamId = number;

/**
 * Where every event is. An event's *ordinal* counts all events from 0 in log order. Events enter when they are decided
 * and become visible to readers when they are durable: `visible` is the number of events readers may see. What is
 * behind it can be taken back.
 */
export class EventIndex {
  readonly #ids = new Map<string, StreamId>();
  /** Metastreams by the name of the stream they describe; saves building their own name. */
  readonly #metastreams = new Map<string, StreamId>();
  readonly positions = new NumberList();
  readonly #lists = new OrdinalLists();
  /** Streams whose last event is a tombstone. */
  readonly #tombstoned = new Set<StreamId>();
  visible = 0;

  get count(): number {
    return this.positions.length;
  }

  get streamCount(): number {
    return this.#lists.count;
  }

  find(streamName: string): StreamId | undefined {
    return this.#ids.get(streamName);
  }

  /** The stream with this one's metadata. */
  findMetastream(streamName: string): StreamId | undefined {
    return this.#metastreams.get(streamName);
  }

  intern(streamName: string, expectedEvents = 1): StreamId {
    const known = this.#ids.get(streamName);
    if (known !== undefined) return known;
    return this.#name(streamName, this.#lists.add(expectedEvents));
  }

  add(stream: StreamId, position: number, isTombstone: boolean): void {
    this.#lists.push(stream, this.count);
    this.positions.push(position);
    if (isTombstone) this.#tombstoned.add(stream);
  }

  /** Takes back the newest event, which is of this stream and not visible yet. */
  removeNewest(stream: StreamId): void {
    this.#lists.pop(stream);
    this.positions.truncate(this.count - 1);
    this.#tombstoned.delete(stream);
  }

  /** Makes everything added so far visible. */
  publish(): void {
    this.visible = this.count;
  }

  /** Number of events of the stream, a tombstone included; those not visible yet too if `pending`. */
  size(stream: StreamId, scope: 'visible' | 'pending' = 'visible'): number {
    let size = this.#lists.length(stream);
    if (scope === 'pending') return size;
    while (size > 0 && this.#lists.get(stream, size - 1) >= this.visible) size--;
    return size;
  }

  /** Whether the stream ends in a tombstone. */
  isTombstoned(stream: StreamId, scope: 'visible' | 'pending' = 'visible'): boolean {
    if (!this.#tombstoned.has(stream)) return false;
    return scope === 'pending' || this.size(stream) === this.#lists.length(stream);
  }

  /** Revision of the newest event that is not a tombstone; -1 if there is none. */
  lastRevision(stream: StreamId, scope: 'visible' | 'pending' = 'visible'): number {
    return this.size(stream, scope) - (this.isTombstoned(stream, scope) ? 2 : 1);
  }

  /** Ordinal of the stream's event at this index, which is its revision except for a tombstone. */
  ordinal(stream: StreamId, index: number): number {
    return this.#lists.get(stream, index);
  }

  /** All streams in the order of their numbers, for the snapshot. */
  *streams(): Generator<{ name: string; ordinals: Uint32Array; tombstoned: boolean }> {
    for (const [name, id] of this.#ids) {
      yield { name, ordinals: this.#lists.view(id), tombstoned: this.#tombstoned.has(id) };
    }
  }

  /** Restores one stream, which is not in the index yet, from a snapshot. */
  restore(name: string, ordinals: Uint32Array, tombstoned: boolean): void {
    const id = this.#name(name, this.#lists.addAll(ordinals));
    if (tombstoned) this.#tombstoned.add(id);
  }

  #name(streamName: string, id: StreamId): StreamId {
    this.#ids.set(streamName, id);
    const target = metastreamTarget(streamName);
    if (target !== undefined) this.#metastreams.set(target, id);
    return id;
  }
}
