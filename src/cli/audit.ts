import { createHash } from 'node:crypto';
import { STREAM_CATEGORIES } from '../domain/ids.ts';
import type { EventStore, Position, Revision, StoredEvent } from '../eventstore/event-store.ts';
import { EMPTY_HEAD, type StreamHead, verifyStream } from '../eventstore/provenance.ts';

/** The first break in a stream's chain. What follows in that stream is not checked. */
export type Defect = {
  readonly stream: string;
  readonly revision: Revision;
  readonly position: Position;
  readonly problem: string;
};

export type Audit = {
  readonly streams: number;
  readonly events: number;
  /** Events of other programs in a shared event store. Not checked. */
  readonly foreignEvents: number;
  /** Of the last event read. */
  readonly position: Position | undefined;
  /** SHA-256 over `stream revision hash` of every stream's head, by name: equal for the same log up to the same position. */
  readonly digest: string;
  readonly defects: readonly Defect[];
};

/** Categories that a later build may write. */
const OF_LATER_BUILDS = ['hook', 'migration', 'pattern', 'policy', 'swarm', 'tenant'];
const OURS = new RegExp(`^(?:${[...STREAM_CATEGORIES, ...OF_LATER_BUILDS].join('|')})-[A-Za-z0-9_]+\\.`);

const PAGE = 1_000;

/** Checks events of any streams, each stream's in order. */
export class Auditor {
  readonly #heads = new Map<string, StreamHead>();
  readonly #broken = new Set<string>();
  readonly #defects: Defect[] = [];
  #events = 0;
  #foreign = 0;
  #position: Position | undefined;

  /** Counts an event of another program. */
  pass(event: StoredEvent): void {
    this.#position = event.position;
    this.#foreign += 1;
  }

  take(event: StoredEvent): void {
    this.#position = event.position;
    const { stream } = event;
    this.#events += 1;
    if (this.#broken.has(stream)) return;
    const verified = verifyStream([event], this.#heads.get(stream) ?? EMPTY_HEAD);
    if (verified.ok) {
      this.#heads.set(stream, verified.head);
      return;
    }
    this.#broken.add(stream);
    this.#defects.push({ stream, revision: event.revision, position: event.position, problem: verified.problem });
  }

  result(): Audit {
    return {
      streams: new Set([...this.#heads.keys(), ...this.#broken]).size,
      events: this.#events,
      foreignEvents: this.#foreign,
      position: this.#position,
      digest: this.#digest(),
      defects: this.#defects,
    };
  }

  #digest(): string {
    const digest = createHash('sha256');
    for (const stream of [...this.#heads.keys()].sort()) {
      const { revision, hash } = this.#heads.get(stream) as StreamHead;
      digest.update(`${stream} ${revision} ${hash}\n`);
    }
    return digest.digest('hex');
  }
}

/** Every event of the log after `after`, up to and including `to`, page by page. */
export async function* readLog(
  store: EventStore,
  { after, to }: { readonly after?: Position | undefined; readonly to?: Position | undefined },
): AsyncGenerator<StoredEvent[]> {
  for (let next: Position | undefined | 'start' = after ?? 'start'; next !== undefined; ) {
    const page: Awaited<ReturnType<EventStore['readAll']>> = await store.readAll({
      limit: PAGE,
      ...(next === 'start' ? {} : { after: next }),
    });
    const events = to === undefined ? page.events : page.events.filter(({ position }) => position <= to);
    if (events.length > 0) yield events;
    next = events.length < page.events.length ? undefined : page.next;
  }
}

/** Checks the chain of every stream of the log, reading it once from its beginning. */
export const auditLog = async (
  store: EventStore,
  options: { readonly to?: Position; readonly onPosition?: (position: Position) => void } = {},
): Promise<Audit> => {
  const auditor = new Auditor();
  for await (const events of readLog(store, { to: options.to })) {
    for (const event of events) {
      if (OURS.test(event.stream)) auditor.take(event);
      else auditor.pass(event);
    }
    const last = events.at(-1);
    if (last !== undefined) options.onPosition?.(last.position);
  }
  return auditor.result();
};

export const auditStream = async (store: EventStore, stream: string): Promise<Audit> => {
  const auditor = new Auditor();
  for (let from = 0n; ; from += BigInt(PAGE)) {
    const events = await store.readStream(stream, { from, limit: PAGE });
    for (const event of events) auditor.take(event);
    if (events.length < PAGE) return auditor.result();
  }
};
