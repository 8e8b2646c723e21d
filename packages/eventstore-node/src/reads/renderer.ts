import { Flag, MAX_I64, type StoredRecord } from '../storage/record.ts';
import type { EventStore } from '../store/event-store.ts';
import { readEvent, withStructuredId } from '../wire/read-response.ts';

export type RenderOptions = {
  readonly resolveLinks: boolean;
  readonly structuredIds: boolean;
};

/** Makes the message for an event: the stored bytes, unless a link is resolved or ids are wanted in another form. */
export class Renderer {
  readonly #store: EventStore;
  readonly #options: RenderOptions;
  readonly #now: () => number;
  /** Whether the reader of the links may read the stream they point to. */
  readonly #mayRead: (streamName: string) => boolean;

  constructor(
    store: EventStore,
    options: RenderOptions,
    now: () => number,
    mayRead: (streamName: string) => boolean = () => true,
  ) {
    this.#store = store;
    this.#options = options;
    this.#now = now;
    this.#mayRead = mayRead;
  }

  frame(record: StoredRecord): Buffer {
    const { event, link } = this.resolve(record);
    if (!link) return this.#options.structuredIds ? this.#restructured(record) : record.frame;
    const parts = { link: this.recorded(link), position: record.position };
    return event ? readEvent({ ...parts, event: this.recorded(event) }) : readEvent(parts);
  }

  /** What a record shows: the event, and the link to it if the record is one that is resolved; then the event may be missing. */
  resolve(record: StoredRecord): { event?: StoredRecord; link?: StoredRecord } {
    const target = this.#options.resolveLinks ? linkTarget(record) : undefined;
    if (!target) return { event: record };
    const event = this.#find(target);
    return event ? { event, link: record } : { link: record };
  }

  #restructured(record: StoredRecord): Buffer {
    return readEvent({ event: this.recorded(record), position: record.position });
  }

  /** The `RecordedEvent`, its id in the form asked for. */
  recorded(record: StoredRecord): Buffer {
    const { recordedEvent } = record;
    return this.#options.structuredIds ? withStructuredId(recordedEvent, record.id) : recordedEvent;
  }

  /** The event a link points to, unless it is missing, deleted, truncated or expired, or not for the reader's eyes. */
  #find({ streamName, revision }: LinkTarget): StoredRecord | undefined {
    const store = this.#store;
    if (store.isTombstoned(streamName) || !this.#mayRead(streamName)) return undefined;
    const range = store.readableRange(streamName);
    if (!range || revision < range.first || revision > range.last) return undefined;
    const record = store.record(store.index.ordinal(range.stream, revision));
    const { maxAgeMs } = store.metadata(streamName);
    return maxAgeMs !== undefined && record.createdMs < this.#now() - maxAgeMs ? undefined : record;
  }
}

type LinkTarget = {
  readonly streamName: string;
  readonly revision: number;
};

/** `<revision>@<stream>`; undefined if the record is no link or its data is anything else. */
export const linkTarget = (record: StoredRecord): LinkTarget | undefined => {
  if ((record.flags & Flag.link) === 0) return undefined;
  const match = /^(\d{1,19})@(.+)$/s.exec(record.data.toString('utf8'));
  return match && BigInt(match[1] as string) <= MAX_I64
    ? { revision: Number(match[1]), streamName: match[2] as string }
    : undefined;
};
