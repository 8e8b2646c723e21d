import type { Revision } from '../event-store.ts';
import type { RecordedEvent } from './raw-read.ts';

/** What the import knows about one stream of the file. */
export class StreamState {
  /** Revision of the next event in the target. */
  next: Revision = 0n;
  /** So much lower are revisions in the target than at the source. */
  shift: Revision = 0n;
  /** Batches that were sent and are not answered. */
  inFlight = 0;
  /** Last revision the target had before the import; undefined until it is asked for. */
  end: Revision | undefined;
  /** The target has nothing behind what was written, so that more may be sent before that is answered. */
  atHead = false;
  /** It differs in the target, or is refused there: nothing more of it is sent. */
  stopped = false;
  deletedInTarget = false;
  tombstoned = false;
  metadata: MetadataHistory | undefined;
}

/** All metadata of one stream in the file; only the newest counts, the others tell what is ours in the target. */
export class MetadataHistory {
  private readonly ids = new Set<string>();
  private readonly contents = new Set<string>();

  constructor(public newest: RecordedEvent) {
    this.add(newest);
  }

  add(event: RecordedEvent): void {
    this.newest = event;
    this.ids.add(event.id);
    this.contents.add(withoutTruncation(event.data));
  }

  /** Whether an event in the target is one of these, or one that a server made of them when it brought the stream back. */
  isOurs(event: RecordedEvent): boolean {
    return this.ids.has(event.id) || this.contents.has(withoutTruncation(event.data));
  }
}

/** `$tb` apart: servers set that themselves when a deleted stream is written to. */
const withoutTruncation = (data: Uint8Array): string => {
  const metadata = objectOf(data);
  if (metadata === undefined) return Buffer.from(data).toString('latin1');
  const { $tb: _, ...others } = metadata;
  return JSON.stringify(Object.entries(others).toSorted(([a], [b]) => (a < b ? -1 : 1)));
};

/** Undefined for what is no JSON object, which counts as no metadata. */
export const objectOf = (data: Uint8Array): Record<string, unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(Buffer.from(data).toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined; // not JSON
  }
};
