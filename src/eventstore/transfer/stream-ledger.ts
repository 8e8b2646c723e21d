import type { Revision } from '../event-store.ts';
import type { RecordedEvent } from './raw-read.ts';

/** What the import knows about one stream of the file. */
export class StreamState {
  /** Revision of the next event in the target. */
  next: Revision = 0n;
  /** How much lower revisions are in the target than at the source. */
  shift: Revision = 0n;
  /** Batches in flight. */
  inFlight = 0;
  /** Last revision the target had before the import; undefined until it is read. */
  end: Revision | undefined;
  /** The target has nothing after what was written, so more may be sent before the answer arrives. */
  atHead = false;
  /** The stream differs in the target, or is refused there: nothing more of it is sent. */
  stopped = false;
  deletedInTarget = false;
  tombstoned = false;
  metadata: MetadataHistory | undefined;
}

/** All metadata of one stream in the file. Only the newest is written; the others identify what an import wrote to the target before. */
export class MetadataHistory {
  readonly #ids = new Set<string>();
  readonly #contents = new Set<string>();

  constructor(public newest: RecordedEvent) {
    this.add(newest);
  }

  add(event: RecordedEvent): void {
    this.newest = event;
    this.#ids.add(event.id);
    this.#contents.add(withoutTruncation(event.data));
  }

  /** Whether an event in the target is one of these, or one that a server derived from them when it recreated the stream. */
  isOurs(event: RecordedEvent): boolean {
    return this.#ids.has(event.id) || this.#contents.has(withoutTruncation(event.data));
  }
}

/** Ignores `$tb`: servers set it themselves when a deleted stream is written to. */
const withoutTruncation = (data: Uint8Array): string => {
  const metadata = objectOf(data);
  if (metadata === undefined) return Buffer.from(data).toString('latin1');
  const { $tb: _, ...others } = metadata;
  return JSON.stringify(Object.entries(others).toSorted(([a], [b]) => (a < b ? -1 : 1)));
};

/** Undefined for anything but a JSON object: it counts as no metadata. */
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
