import { Flag, type StoredRecord } from '../storage/record.ts';
import type { EventStore } from '../store/event-store.ts';
import { readEvent, withStructuredId } from '../wire/read-response.ts';

export interface RenderOptions {
  readonly resolveLinks: boolean;
  readonly structuredIds: boolean;
}

/** Makes the message for an event: the stored bytes, unless a link is resolved or ids are wanted in another form. */
export class Renderer {
  constructor(
    private readonly store: EventStore,
    private readonly options: RenderOptions,
    private readonly now: () => number,
  ) {}

  frame(record: StoredRecord): Buffer {
    const target = this.options.resolveLinks && (record.flags & Flag.link) !== 0 ? linkTarget(record) : undefined;
    if (!target) return this.options.structuredIds ? this.restructured(record) : record.frame;
    const event = this.find(target);
    const link = this.recorded(record);
    const { position } = record;
    return event ? readEvent({ event: this.recorded(event), link, position }) : readEvent({ link, position });
  }

  private restructured(record: StoredRecord): Buffer {
    return readEvent({ event: this.recorded(record), position: record.position });
  }

  private recorded(record: StoredRecord): Buffer {
    const { recordedEvent } = record;
    return this.options.structuredIds ? withStructuredId(recordedEvent, record.id) : recordedEvent;
  }

  /** The event a link points to, unless it is missing, deleted, truncated or expired. */
  private find({ streamName, revision }: LinkTarget): StoredRecord | undefined {
    const { store } = this;
    if (store.isTombstoned(streamName)) return undefined;
    const range = store.readableRange(streamName);
    if (!range || revision < range.first || revision > range.last) return undefined;
    const record = store.record(store.index.ordinal(range.stream, revision));
    const { maxAgeMs } = store.metadata(streamName);
    return maxAgeMs !== undefined && record.createdMs < this.now() - maxAgeMs ? undefined : record;
  }
}

interface LinkTarget {
  readonly streamName: string;
  readonly revision: number;
}

/** `<revision>@<stream>`; undefined if the data is anything else. */
function linkTarget(record: StoredRecord): LinkTarget | undefined {
  const match = /^(\d{1,15})@(.+)$/s.exec(record.data.toString('utf8'));
  return match ? { revision: Number(match[1]), streamName: match[2] as string } : undefined;
}
