import { metastreamOf, metastreamTarget } from '../index/stream-names.ts';
import { type ProposedEvent, TOMBSTONE_REVISION } from '../storage/record.ts';
import type { StreamFacts } from './append-rules.ts';
import type { EventStore } from './event-store.ts';
import type { GroupBuilder } from './group-builder.ts';
import { nodeEvent } from './proposed-event.ts';
import type { RecentIds } from './recent-ids.ts';
import { undeletedMetadata } from './stream-metadata.ts';

/** An event added to the group, with what is needed to undo that. */
export type Written = {
  readonly stream: number;
  readonly streamName: string;
  readonly id: string;
};

type Revival = {
  /** The stream that comes back. */
  readonly target: string;
  readonly revive: () => void;
};

/** Puts events into the group, and knows the streams as they are with everything put there before. */
export class GroupWriter {
  readonly written: Written[] = [];
  readonly #store: EventStore;
  readonly #recent: RecentIds;
  readonly #group: GroupBuilder;

  constructor(store: EventStore, recent: RecentIds, group: GroupBuilder) {
    this.#store = store;
    this.#recent = recent;
    this.#group = group;
  }

  /** Ms since the epoch at which the group's events are created. */
  get createdMs(): number {
    return this.#group.created.ms;
  }

  /** Adds one event and returns its position. */
  write(streamName: string, nameBytes: Buffer, event: ProposedEvent, revision: number): number {
    const { index } = this.#store;
    const stream = index.intern(streamName);
    const position = this.#group.add(event, nameBytes, revision);
    index.add(stream, position, revision === TOMBSTONE_REVISION);
    this.#recent.remember(stream, event.id, revision);
    this.written.push({ stream, streamName, id: event.id });
    return position;
  }

  writeMetadata(streamName: string, data: Buffer): number {
    const name = metastreamOf(streamName);
    return this.write(name, Buffer.from(name, 'utf8'), nodeEvent('$metadata', data, true), this.lastRevision(name) + 1);
  }

  /**
   * Writing to a soft-deleted stream, or new metadata for one, brings it back with its old events hidden: even if the new
   * metadata would delete it once more, as in the real server. Returns what does that, to be called when the events are in.
   */
  revival(streamName: string): Revival | undefined {
    const target = metastreamTarget(streamName) ?? streamName;
    if (!this.#store.metadata(target, 'pending').softDeleted) return undefined;
    const metastream = metastreamOf(target);
    const firstNewRevision = this.lastRevision(target) + 1;
    const revision = this.lastRevision(metastream);
    const previous = this.#newest(metastream); // now: reading what is damaged must fail before anything is written
    const revive = () => {
      const newest = this.lastRevision(metastream) === revision ? previous : this.#newest(metastream);
      this.writeMetadata(target, undeletedMetadata(newest, firstNewRevision));
    };
    return { target, revive };
  }

  lastRevision(streamName: string): number {
    const { index } = this.#store;
    const stream = index.find(streamName);
    return stream === undefined ? -1 : index.lastRevision(stream, 'pending');
  }

  factsOf(streamName: string): StreamFacts {
    const store = this.#store;
    const recent = this.#recent;
    const { index } = store;
    const stream = index.find(streamName);
    return {
      lastRevision: this.lastRevision(streamName),
      tombstoned: store.isTombstoned(streamName, 'pending'),
      softDeleted: () => store.metadata(streamName, 'pending').softDeleted,
      hasMetadata: () => this.lastRevision(metastreamOf(streamName)) >= 0,
      idAt: (revision) => store.record(index.ordinal(stream as number, revision)).id,
      recentRevision: (id) => (stream === undefined ? undefined : recent.find(stream, id)),
    };
  }

  /** Position of the newest event of all. */
  get head(): number | undefined {
    const { count, positions } = this.#store.index;
    return count === 0 ? undefined : positions.get(count - 1);
  }

  #newest(streamName: string): Buffer {
    const { index } = this.#store;
    const stream = index.find(streamName) as number;
    return this.#store.record(index.ordinal(stream, index.size(stream, 'pending') - 1)).data;
  }
}
