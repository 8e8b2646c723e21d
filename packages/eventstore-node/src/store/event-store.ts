import type { EventIndex, StreamId } from '../index/event-index.ts';
import { metastreamTarget } from '../index/stream-names.ts';
import { GroupCache } from '../storage/group-cache.ts';
import type { Log } from '../storage/log.ts';
import { DamagedLog } from '../storage/log.ts';
import { isIntactRecord, StoredRecord } from '../storage/record.ts';
import type { GroupBuilder } from './group-builder.ts';
import { metadataIn, NO_METADATA, type StreamMetadata } from './stream-metadata.ts';
import { Wakeups } from './wakeups.ts';

/** Newest groups kept in memory: what live subscribers and readers of fresh streams want. */
const TAIL = { bytes: 16 * 1024 * 1024, groups: 4096 };
const METADATA_CACHE = 10_000;

export type Scope = 'visible' | 'pending';

/** Reads events by ordinal, from the newest groups in memory or from the log. The committer alone adds to it. */
export class EventStore {
  readonly wakeups = new Wakeups();
  readonly #tail = new GroupCache(TAIL);
  readonly #metadataCache = new Map<StreamId, { ordinal: number; metadata: StreamMetadata }>();
  #building: GroupBuilder | undefined;
  readonly log: Log;
  readonly index: EventIndex;

  constructor(log: Log, index: EventIndex) {
    this.log = log;
    this.index = index;
  }

  /** From now on events from this group's start are read from it; undefined ends that. */
  build(group: GroupBuilder | undefined): void {
    this.#building = group;
  }

  /** The group's events are durable: readers may see them. */
  publish(start: number, group: Buffer): void {
    this.#tail.add(start, group);
    this.index.publish();
  }

  /** Takes back the events of a group that could not be made durable. */
  withdraw(streams: readonly StreamId[]): void {
    for (const stream of streams.toReversed()) this.index.removeNewest(stream);
    this.#metadataCache.clear();
  }

  /** The bytes of these consecutive events' records; each is at its position minus that of the first. */
  readRun(first: number, last: number): Buffer {
    const from = this.index.positions.get(first);
    return this.#read(from, this.#runEnd(last) - from);
  }

  /** Upper bound of the bytes `readRun` takes for these events. */
  runSize(first: number, last: number): number {
    return this.#runEnd(last) - this.index.positions.get(first);
  }

  record(ordinal: number): StoredRecord {
    return this.recordIn(this.readRun(ordinal, ordinal), ordinal, ordinal);
  }

  /** The record of an event inside a run that starts with event `first`. Throws `DamagedLog` if it is not intact. */
  recordIn(run: Buffer, first: number, ordinal: number): StoredRecord {
    const position = this.index.positions.get(ordinal);
    const at = position - this.index.positions.get(first);
    if (!isIntactRecord(run, at, position)) {
      throw new DamagedLog(position, `the event at position ${position} is damaged on disk`);
    }
    return new StoredRecord(run, at);
  }

  /** Metastreams have none of their own: that of their metastreams has no effect. */
  metadata(streamName: string, scope: Scope = 'visible'): StreamMetadata {
    if (metastreamTarget(streamName) !== undefined) return NO_METADATA;
    const metastream = this.index.findMetastream(streamName);
    if (metastream === undefined) return NO_METADATA;
    const newest = this.index.size(metastream, scope) - 1;
    if (newest < 0) return NO_METADATA;
    const ordinal = this.index.ordinal(metastream, newest);
    const cached = this.#metadataCache.get(metastream);
    if (cached?.ordinal === ordinal) return cached.metadata;
    const metadata = metadataIn(this.record(ordinal));
    if (this.#metadataCache.size >= METADATA_CACHE) this.#metadataCache.clear();
    this.#metadataCache.set(metastream, { ordinal, metadata });
    return metadata;
  }

  /** Whether the stream ends in a tombstone, or has the metadata of a stream that does. */
  isTombstoned(streamName: string, scope: Scope = 'visible'): boolean {
    return this.#endsInTombstone(streamName, scope) || this.#endsInTombstone(metastreamTarget(streamName), scope);
  }

  /** Revisions a reader of the stream may see; undefined if readers see no such stream. */
  readableRange(streamName: string): { stream: StreamId; first: number; last: number } | undefined {
    const stream = this.index.find(streamName);
    if (stream === undefined) return undefined;
    const last = this.index.lastRevision(stream);
    if (last < 0) return undefined;
    if (metastreamTarget(streamName) !== undefined) return { stream, first: last, last };
    const { maxCount, truncateBefore, softDeleted } = this.metadata(streamName);
    if (softDeleted) return undefined;
    const first = Math.max(0, truncateBefore, maxCount === undefined ? 0 : last - maxCount + 1);
    return { stream, first, last };
  }

  #endsInTombstone(streamName: string | undefined, scope: Scope): boolean {
    const stream = streamName === undefined ? undefined : this.index.find(streamName);
    return stream !== undefined && this.index.isTombstoned(stream, scope);
  }

  #runEnd(last: number): number {
    if (last + 1 < this.index.count) return this.index.positions.get(last + 1);
    return this.#building?.end ?? this.log.end;
  }

  #read(position: number, length: number): Buffer {
    if (this.#building && position >= this.#building.start) return this.#building.read(position, length);
    return this.#tail.read(position, length) ?? this.log.read(position, length);
  }
}
