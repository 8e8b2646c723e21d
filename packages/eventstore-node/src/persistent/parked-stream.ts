import type { ProposedEvent, StoredRecord } from '../storage/record.ts';
import type { EventStore } from '../store/event-store.ts';
import { nodeEvent } from '../store/proposed-event.ts';
import { parkedStreamOf } from './group-streams.ts';
import { jsonData, type NodeWrites } from './node-writes.ts';
import type { GroupKey } from './settings.ts';

export type ParkNote = {
  readonly reason: string;
  /** Ms since the epoch. */
  readonly added: number;
};

/**
 * The messages a group has parked, as links to the events. A replay claims a range of them, which is then read bit by
 * bit. They are truncated (`$tb`) once they are dealt with, not when they are claimed: a node that is killed in between
 * still has them.
 */
export class ParkedStream {
  readonly #name: string;
  /** The claimed range that is not read yet. */
  #next = 0;
  #claimedUntil = 0;
  #truncating: Promise<void> | undefined;
  readonly #store: EventStore;
  readonly #writes: NodeWrites;

  constructor(store: EventStore, writes: NodeWrites, key: GroupKey) {
    this.#store = store;
    this.#writes = writes;
    this.#name = parkedStreamOf(key);
  }

  /** Messages that no replay has claimed. */
  get count(): number {
    const { first, last } = this.#range();
    return last + 1 - Math.max(first, Math.min(this.#claimedUntil, last + 1));
  }

  /** Whether a replay has messages left to read. */
  get isReplaying(): boolean {
    return this.#next < this.#claimedUntil;
  }

  /** Parks a message under what it showed: the event, or the link if that leads nowhere. Resolves once it is durable. */
  async park(record: StoredRecord, shown: { event?: StoredRecord }, note: ParkNote): Promise<void> {
    const { event } = shown;
    const target = event ? Buffer.from(`${event.revision}@${event.streamName}`, 'utf8') : record.data;
    const metadata = {
      added: new Date(note.added).toISOString(),
      reason: note.reason,
      subscriptionEventNumber: record.revision,
    };
    await this.#writes.append(this.#name, linkEvent(target, jsonData(metadata)));
  }

  /** Claims the messages parked below this revision (all, if undefined) for a replay. */
  claim(stopAt: number | undefined): void {
    const { first, last } = this.#range();
    this.#next = Math.max(this.#next, first);
    this.#claimedUntil = Math.max(this.#claimedUntil, Math.min(stopAt ?? last + 1, last + 1));
  }

  /** Continues to read the claimed messages. */
  read(limit: number, take: (record: StoredRecord, ordinal: number) => void): void {
    const { stream, first } = this.#range();
    this.#next = Math.max(this.#next, first);
    for (let left = limit; left > 0 && this.isReplaying && stream !== undefined; left--) {
      const ordinal = this.#store.index.ordinal(stream, this.#next);
      take(this.#store.record(ordinal), ordinal);
      this.#next++;
    }
  }

  /** Truncates what a replay has dealt with: everything it has read before its first open message. */
  async truncate(firstOpen: number | undefined): Promise<void> {
    const before = firstOpen ?? this.#next;
    const { stream, first } = this.#range();
    if (stream === undefined || before <= first) return this.#truncating;
    this.#truncating ??= this.#writes.setMetadata(this.#name, { $tb: before }).finally(() => {
      this.#truncating = undefined;
    });
    return this.#truncating;
  }

  #range(): { stream: number | undefined; first: number; last: number } {
    const range = this.#store.isTombstoned(this.#name) ? undefined : this.#store.readableRange(this.#name);
    return range ?? { stream: undefined, first: 0, last: -1 };
  }
}

const linkEvent = (target: Buffer, metadata: Buffer): ProposedEvent => {
  const event = nodeEvent('$>', Buffer.concat([target, metadata]), false);
  const dataEnd = event.dataStart + target.length;
  return { ...event, dataEnd, metadataStart: dataEnd, metadataEnd: event.source.length };
};
