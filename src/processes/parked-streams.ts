import type { DomainEvent } from '../domain/events.ts';
import { roughBytes } from '../domain/rough-bytes.ts';
import { isReadable, readEvent } from '../eventstore/codec.ts';
import type { StoredEvent } from '../eventstore/event-store.ts';

/**
 * What is kept of all parked streams together. Beyond it the events of a stream are let go, and a build that can read them reads the
 * whole log once instead of the snapshot.
 */
const MAX_KEPT_EVENTS = 5_000;
const MAX_KEPT_BYTES = 8 * 1024 * 1024;

/** A stream that a fold stopped to follow, at the first event that this build cannot read. */
export type ParkedStream = {
  readonly stream: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly revision: bigint;
};

type Parked = ParkedStream & { kept: StoredEvent[] | undefined };

/** A stored event as JSON. */
type SavedEvent = Omit<StoredEvent, 'revision' | 'position'> & { readonly revision: string; readonly position: string };

export type ParkedSnapshot = readonly (Omit<ParkedStream, 'revision'> & {
  readonly revision: string;
  /** Null when there were too many. */
  readonly kept: readonly SavedEvent[] | null;
})[];

const saved = (event: StoredEvent): SavedEvent => ({
  ...event,
  revision: event.revision.toString(),
  position: event.position.toString(),
});

const restored = (event: SavedEvent): StoredEvent => ({
  ...event,
  revision: BigInt(event.revision),
  position: BigInt(event.position),
});

/**
 * The streams that a fold does not follow any further, because they hold an event that a newer build wrote. Everything else goes on; their
 * events are kept for a build that can read them.
 */
export class ParkedStreams {
  readonly #parked = new Map<string, Parked>();
  #keptEvents = 0;
  #keptBytes = 0;

  constructor(snapshot: ParkedSnapshot = []) {
    for (const { kept, revision, ...facts } of snapshot) {
      const parked = { ...facts, revision: BigInt(revision), kept: kept ? [] : undefined };
      this.#parked.set(facts.stream, parked);
      for (const event of kept ?? []) this.#keep(parked, restored(event));
    }
  }

  snapshot(): ParkedSnapshot {
    return [...this.#parked.values()].map(({ kept, revision, ...facts }) => ({
      ...facts,
      revision: revision.toString(),
      kept: kept?.map(saved) ?? null,
    }));
  }

  get list(): readonly ParkedStream[] {
    return [...this.#parked.values()].map(({ kept: _, ...facts }) => facts);
  }

  has(stream: string): boolean {
    return this.#parked.has(stream);
  }

  /** This build can read an event that was parked, but those after it were not kept. */
  get needsTheLog(): boolean {
    return [...this.#parked.values()].some((parked) => parked.kept === undefined && isReadable(parked));
  }

  /** The event for the fold; undefined when its stream is parked, or was parked by it. */
  admit(event: StoredEvent): DomainEvent | undefined {
    const parked = this.#parked.get(event.stream);
    if (parked) {
      this.#keep(parked, event);
      return undefined;
    }
    const decoded = readEvent(event);
    if (decoded) return decoded;
    const { stream, type, revision, metadata } = event;
    const first = { stream, type, schemaVersion: metadata.schemaVersion, revision, kept: [] };
    this.#parked.set(stream, first);
    this.#keep(first, event);
    return undefined;
  }

  /** Takes out the streams whose first event this build can read. Returns their events, in log order, to be admitted again. */
  release(): StoredEvent[] {
    const events: StoredEvent[] = [];
    for (const parked of this.#parked.values()) {
      if (parked.kept === undefined || !isReadable(parked)) continue;
      events.push(...parked.kept);
      this.#letGo(parked);
      this.#parked.delete(parked.stream);
    }
    return events.sort((a, b) => (a.position < b.position ? -1 : 1));
  }

  #keep(parked: Parked, event: StoredEvent): void {
    if (parked.kept === undefined) return;
    parked.kept.push(event);
    this.#keptEvents += 1;
    this.#keptBytes += roughBytes(event.data);
    if (this.#keptEvents > MAX_KEPT_EVENTS || this.#keptBytes > MAX_KEPT_BYTES) this.#letGo(parked);
  }

  #letGo(parked: Parked): void {
    for (const { data } of parked.kept ?? []) this.#keptBytes -= roughBytes(data);
    this.#keptEvents -= parked.kept?.length ?? 0;
    parked.kept = undefined;
  }
}
