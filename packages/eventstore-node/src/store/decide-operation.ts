import { randomUUID } from 'node:crypto';
import { metastreamOf, metastreamTarget } from '../index/stream-names.ts';
import { type ProposedEvent, TOMBSTONE_REVISION } from '../storage/record.ts';
import { type AppendDecision, decideAppend, type StreamFacts } from './append-rules.ts';
import type { EventStore } from './event-store.ts';
import type { GroupBuilder } from './group-builder.ts';
import type { Operation, Outcome } from './operations.ts';
import type { RecentIds } from './recent-ids.ts';
import { SOFT_DELETE_DATA, undeletedMetadata } from './stream-metadata.ts';

/** An event added to the group, with what is needed to undo that. */
export type Written = {
  readonly stream: number;
  readonly streamName: string;
  readonly id: string;
};

const WRONG_NO_STREAM = { kind: 'wrongExpectedVersion', current: -1 } as const;

/** Decides operations against everything decided before them and puts what they write into the group. */
export class OperationDecider {
  readonly written: Written[] = [];
  readonly #store: EventStore;
  readonly #recent: RecentIds;
  readonly #group: GroupBuilder;

  constructor(store: EventStore, recent: RecentIds, group: GroupBuilder) {
    this.#store = store;
    this.#recent = recent;
    this.#group = group;
  }

  decide(operation: Operation): Outcome {
    if (operation.kind === 'delete' && this.#isUnknown(operation.streamName)) return WRONG_NO_STREAM;
    const ids = operation.kind === 'append' ? operation.events.map(({ id }) => id) : [randomUUID()];
    const decision = decideAppend(this.#factsOf(operation.streamName), operation.expected, ids);
    if (decision.kind !== 'write') return this.#refusedOrKnown(operation.streamName, decision);
    if (operation.kind === 'delete') return this.#softDelete(operation.streamName);
    if (operation.kind === 'tombstone') return this.#tombstone(operation);
    return this.#append(operation);
  }

  #append({ streamName, nameBytes, events }: Operation): Outcome {
    if (events.length === 0) return { kind: 'done', revision: this.#lastRevision(streamName), position: this.#head() };
    const stream = this.#store.index.intern(streamName, events.length);
    const first = this.#lastRevision(streamName) + 1;
    const revive = this.#revival(streamName, first);
    let position = 0;
    for (let i = 0; i < events.length; i++) {
      position = this.#write(stream, streamName, nameBytes, events[i] as ProposedEvent, first + i);
    }
    revive?.();
    return { kind: 'done', revision: first + events.length - 1, position };
  }

  #softDelete(streamName: string): Outcome {
    if (this.#store.isTombstoned(metastreamOf(streamName), 'pending')) return { kind: 'streamDeleted' };
    const position = this.#writeMetadata(streamName, SOFT_DELETE_DATA);
    return { kind: 'done', revision: this.#lastRevision(streamName), position };
  }

  #tombstone({ streamName, nameBytes }: Operation): Outcome {
    const stream = this.#store.index.intern(streamName);
    const event = nodeEvent('$streamDeleted', Buffer.alloc(0), false);
    const position = this.#write(stream, streamName, nameBytes, event, TOMBSTONE_REVISION);
    return { kind: 'done', revision: TOMBSTONE_REVISION, position };
  }

  /**
   * Writing to a soft-deleted stream, or new metadata for one, brings it back with its old events hidden. Returns what
   * does that, to be called when the events are in.
   */
  #revival(streamName: string, firstNewRevision: number): (() => void) | undefined {
    const target = metastreamTarget(streamName);
    if (!this.#store.metadata(target ?? streamName, 'pending').softDeleted) return undefined;
    if (target !== undefined) return () => this.#reviveByMetadata(target);
    const previous = this.#rawMetadata(streamName);
    return () => this.#writeMetadata(streamName, undeletedMetadata(previous, firstNewRevision));
  }

  /** Even if the new metadata would delete it once more: so does the real server. */
  #reviveByMetadata(streamName: string): void {
    this.#writeMetadata(
      streamName,
      undeletedMetadata(this.#rawMetadata(streamName), this.#lastRevision(streamName) + 1),
    );
  }

  #rawMetadata(streamName: string): Buffer {
    const { index } = this.#store;
    const metastream = index.findMetastream(streamName) as number;
    return this.#store.record(index.ordinal(metastream, index.size(metastream, 'pending') - 1)).data;
  }

  #writeMetadata(streamName: string, data: Buffer): number {
    const name = metastreamOf(streamName);
    const stream = this.#store.index.intern(name);
    const event = nodeEvent('$metadata', data, true);
    return this.#write(stream, name, Buffer.from(name, 'utf8'), event, this.#lastRevision(name) + 1);
  }

  #write(stream: number, name: string, nameBytes: Buffer, event: ProposedEvent, revision: number): number {
    const position = this.#group.add(event, nameBytes, revision);
    this.#store.index.add(stream, position, revision === TOMBSTONE_REVISION);
    this.#recent.remember(stream, event.id, revision);
    this.written.push({ stream, streamName: name, id: event.id });
    return position;
  }

  #refusedOrKnown(streamName: string, decision: Exclude<AppendDecision, { kind: 'write' }>): Outcome {
    if (decision.kind === 'wrongExpectedVersion') return { ...decision, current: this.#lastRevision(streamName) };
    if (decision.kind === 'streamDeleted') return decision;
    const { index } = this.#store;
    const stream = index.find(streamName) as number;
    const ordinal = index.ordinal(stream, decision.lastRevision);
    const position = this.#isReadable(streamName, decision.lastRevision, ordinal)
      ? index.positions.get(ordinal)
      : undefined;
    return { kind: 'done', revision: decision.lastRevision, position };
  }

  /** Whether the stream's metadata, or that it is a metastream, does not hide the event. */
  #isReadable(streamName: string, revision: number, ordinal: number): boolean {
    const last = this.#lastRevision(streamName);
    if (metastreamTarget(streamName) !== undefined) return revision === last;
    const { softDeleted, truncateBefore, maxCount, maxAgeMs } = this.#store.metadata(streamName, 'pending');
    if (softDeleted || revision < truncateBefore) return false;
    if (maxCount !== undefined && revision <= last - maxCount) return false;
    return maxAgeMs === undefined || this.#store.record(ordinal).createdMs >= this.#group.created.ms - maxAgeMs;
  }

  #factsOf(streamName: string): StreamFacts {
    const store = this.#store;
    const recent = this.#recent;
    const { index } = store;
    const stream = index.find(streamName);
    return {
      lastRevision: this.#lastRevision(streamName),
      tombstoned: store.isTombstoned(streamName, 'pending'),
      softDeleted: () => store.metadata(streamName, 'pending').softDeleted,
      hasMetadata: () => this.#lastRevision(metastreamOf(streamName)) >= 0,
      idAt: (revision) => store.record(index.ordinal(stream as number, revision)).id,
      recentRevision: (id) => (stream === undefined ? undefined : recent.find(stream, id)),
    };
  }

  /** Position of the newest event of all; an append of no events is after it. */
  #head(): number | undefined {
    const { count, positions } = this.#store.index;
    return count === 0 ? undefined : positions.get(count - 1);
  }

  #isUnknown(streamName: string): boolean {
    return (
      !this.#store.isTombstoned(streamName, 'pending') &&
      this.#lastRevision(streamName) < 0 &&
      this.#lastRevision(metastreamOf(streamName)) < 0
    );
  }

  #lastRevision(streamName: string): number {
    const { index } = this.#store;
    const stream = index.find(streamName);
    return stream === undefined ? -1 : index.lastRevision(stream, 'pending');
  }
}

/** An event the node itself writes. */
export const nodeEvent = (type: string, data: Buffer, json: boolean): ProposedEvent => {
  const typeBytes = Buffer.from(type, 'latin1');
  const source = Buffer.concat([typeBytes, data]);
  return {
    source,
    id: randomUUID(),
    json,
    typeStart: 0,
    typeEnd: typeBytes.length,
    dataStart: typeBytes.length,
    dataEnd: source.length,
    metadataStart: 0,
    metadataEnd: 0,
  };
};
