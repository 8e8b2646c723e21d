import type { EventStore } from '../store/event-store.ts';
import { nodeEvent } from '../store/proposed-event.ts';
import { checkpointStreamOf } from './group-streams.ts';
import { jsonData, type NodeWrites } from './node-writes.ts';
import { parsePlace, placeText } from './place-text.ts';
import type { GroupKey } from './settings.ts';

const WRITTEN_TYPE = '$SubscriptionCheckpoint';
/** The real server has used both names; this one since it reserves `$` for its own events. */
const READ_TYPES = new Set([WRITTEN_TYPE, 'SubscriptionCheckpoint']);

/** A group's checkpoints: up to the place in the newest event, everything has been handled. */
export class CheckpointStream {
  readonly #name: string;
  readonly #store: EventStore;
  readonly #writes: NodeWrites;
  readonly #key: GroupKey;

  constructor(store: EventStore, writes: NodeWrites, key: GroupKey) {
    this.#store = store;
    this.#writes = writes;
    this.#key = key;
    this.#name = checkpointStreamOf(key);
  }

  /** Undefined if the group has none. */
  read(): number | undefined {
    const range = this.#store.readableRange(this.#name);
    if (!range || this.#store.isTombstoned(this.#name)) return undefined;
    for (let revision = range.last; revision >= range.first; revision--) {
      const record = this.#store.record(this.#store.index.ordinal(range.stream, revision));
      const place = READ_TYPES.has(record.type) ? parseData(record.data) : undefined;
      if (place !== undefined) return place;
    }
    return undefined;
  }

  async write(place: number): Promise<void> {
    if (!this.#store.readableRange(this.#name)) await this.#writes.setMetadata(this.#name, { $maxCount: 2 });
    const data = jsonData(placeText(this.#key.stream, place));
    await this.#writes.append(this.#name, nodeEvent(WRITTEN_TYPE, data, true));
  }
}

const parseData = (data: Buffer): number | undefined => {
  try {
    return parsePlace(String(JSON.parse(data.toString('utf8'))));
  } catch {
    return undefined; // not JSON: none of our checkpoints
  }
};
