import type { Revision } from '../event-store.ts';
import type { RecordedEvent } from './raw-read.ts';

/** An append holds at most 1 MiB by default, and some servers count more than data. */
const MAX_BYTES = 512 * 1024;
const MAX_EVENTS = 500;

/** Consecutive events of one stream, appended together. */
export type Batch = {
  readonly stream: string;
  /** Revision of the first one in the target. */
  readonly from: Revision;
  readonly events: readonly RecordedEvent[];
  readonly bytes: number;
};

const sizeOf = ({ data, metadata, type }: RecordedEvent): number => data.length + metadata.length + 2 * type.length;

/** A batch while it is filled. */
export class BatchBuilder implements Batch {
  readonly events: RecordedEvent[] = [];
  bytes = 0;

  constructor(
    readonly stream: string,
    readonly from: Revision,
  ) {}

  /** Whether one more event fits; an empty batch takes any event. */
  fits(event: RecordedEvent): boolean {
    if (this.events.length === 0) return true;
    return this.stream === event.stream && this.events.length < MAX_EVENTS && this.bytes + sizeOf(event) <= MAX_BYTES;
  }

  add(event: RecordedEvent): void {
    this.events.push(event);
    this.bytes += sizeOf(event);
  }
}

/** The first `count` events of the batch, and the others. */
export const split = ({ stream, from, events }: Batch, count: number): [Batch, Batch] => [
  batchOf(stream, from, events.slice(0, count)),
  batchOf(stream, from + BigInt(count), events.slice(count)),
];

export const batchOf = (stream: string, from: Revision, events: readonly RecordedEvent[]): Batch => ({
  stream,
  from,
  events,
  bytes: events.reduce((sum, event) => sum + sizeOf(event), 0),
});
