import { metastreamTarget } from '../index/stream-names.ts';
import { type StoredRecord, TOMBSTONE_REVISION } from '../storage/record.ts';

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const FRAME_PREFIX = 5;
/** Represents the revision after a tombstone. */
const CLOSED = -1;

/** Checks that each stream's revisions are consecutive and that every event can be read. */
export class StreamLedger {
  readonly #next = new Map<string, number>();
  events = 0;
  tombstones = 0;
  /** Metadata events whose data is not a JSON object: they count as no metadata. */
  unreadableMetadata = 0;

  get streams(): number {
    return this.#next.size;
  }

  /** What is wrong with the event at its place, if anything. */
  take(record: StoredRecord): string | undefined {
    this.events++;
    const { streamName, revision } = record;
    const expected = this.#next.get(streamName) ?? 0;
    const isTombstone = revision === TOMBSTONE_REVISION;
    if (isTombstone) this.tombstones++;
    this.#next.set(streamName, isTombstone ? CLOSED : revision + 1);
    if (metastreamTarget(streamName) !== undefined && !isTombstone && !isObject(record.data)) this.unreadableMetadata++;
    if (expected === CLOSED) return 'an event follows the tombstone of its stream';
    if (isTombstone || revision === expected) return contentProblem(record);
    if (revision < expected) return `revision ${revision} occurs a second time`;
    const missing = revision - expected;
    return missing === 1 ? `revision ${expected} is missing` : `revisions ${expected} to ${revision - 1} are missing`;
  }
}

/** The checksum is right, so the writer would have made this mistake. */
const contentProblem = (record: StoredRecord): string | undefined => {
  const { frame, streamName, type, id } = record;
  const readable =
    frame[0] === 0 &&
    frame.readUInt32BE(1) === frame.length - FRAME_PREFIX &&
    streamName !== '' &&
    type !== '' &&
    ID.test(id);
  return readable ? undefined : 'the event is not stored in the form that readers need';
};

const isObject = (data: Buffer): boolean => {
  try {
    const value: unknown = JSON.parse(data.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false; // not JSON
  }
};
