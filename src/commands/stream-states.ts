import { LRUCache } from 'lru-cache';
import type { Decider } from '../domain/decider.ts';
import type { DomainEvent } from '../domain/events.ts';
import { roughBytes } from '../domain/rough-bytes.ts';
import { decodeEvent, type StreamHead } from '../eventstore/codec.ts';
import type { EventStore, Position, Revision, StoredEvent } from '../eventstore/event-store.ts';
import { EMPTY_HEAD, nextRevision } from '../eventstore/provenance.ts';
import { AppError } from '../platform/errors.ts';

/** Streams whose state is kept. Disposable: a miss reads the stream. */
const CACHED_STREAMS = 20_000;
const CACHED_BYTES = 64 * 1024 * 1024;
/**
 * A state counts for no more than this, however large: one that did not fit would be read from its stream for every command. So the cache
 * may hold two that are larger than all of it.
 */
const MAX_COUNTED_BYTES = CACHED_BYTES / 2;
/** Events of other writers that are kept for a stream until its state is used; a state that is further behind is read on from its stream. */
const MAX_SEEN = 1_000;
/** The same for all streams together, in bytes. When it is full all are forgotten. */
const SEEN_BYTES = 16 * 1024 * 1024;
/** Members of a list or object that are measured. */
const SAMPLE = 100;

export type Recorded<Event> = { readonly fingerprint: string; readonly events: Event[]; position: Position };

/** A stream folded: state, head, and the commands it records that may come again, which are those with a fingerprint. */
export type Loaded<State, Event> = {
  readonly state: State;
  readonly head: StreamHead;
  readonly position: Position | undefined;
  /** Shared by all later states of the stream and only added to: what it holds is in the stream, if not yet in this state. */
  readonly commands: Map<string, Recorded<Event>>;
};

/** In order, without gaps. */
type Seen = { readonly events: StoredEvent[]; readonly bytes: number };

type Options<State> = {
  readonly store: Pick<EventStore, 'readStream'>;
  readonly decider: Pick<Decider<State, never, never, unknown>, 'initialState'> & {
    readonly evolve: (state: State, event: never) => State;
  };
  /** Streams whose state is kept, at most; memory for that many is taken at once. */
  readonly max?: number | undefined;
  /** Bytes that a state takes in memory, roughly (an integer from 1); by default each value in it is counted. */
  readonly sizeOf?: ((state: State) => number) | undefined;
};

/**
 * The states of streams as this process knows them: what it read and appended, and what it saw of other writers.
 *
 * Nothing here is sure to be current. An append with an expected revision proves it, and so does a read.
 */
export class StreamStates<State extends object, Event extends DomainEvent> {
  readonly #store: Options<State>['store'];
  readonly #initial: () => State;
  readonly #evolve: (state: State, event: Event) => State;
  readonly #cache: LRUCache<string, Loaded<State, Event>>;
  /** Streams in the cache to which others have added, and up to which revision at least. */
  readonly #behind = new Map<string, Revision>();
  /** What others have added, as far as it follows on the state in the cache without a gap. */
  readonly #seen = new Map<string, Seen>();
  #seenBytes = 0;

  constructor({ store, decider, max = CACHED_STREAMS, sizeOf = roughBytes }: Options<State>) {
    this.#store = store;
    this.#initial = decider.initialState;
    this.#evolve = decider.evolve as (state: State, event: Event) => State;
    this.#cache = new LRUCache({
      max,
      maxSize: CACHED_BYTES,
      sizeCalculation: (loaded) => Math.min(sizeOf(loaded.state), MAX_COUNTED_BYTES),
      dispose: (_, stream, reason) => {
        if (reason === 'set') return;
        this.#behind.delete(stream);
        this.#forgetSeen(stream);
      },
    });
  }

  empty(): Loaded<State, Event> {
    return { state: this.#initial(), head: EMPTY_HEAD, position: undefined, commands: new Map() };
  }

  has(stream: string): boolean {
    return this.#cache.has(stream);
  }

  /** What the stream is as far as this process has seen it, without reading; undefined when there is more than that, or nothing is known. */
  current(stream: string): Loaded<State, Event> | undefined {
    const known = this.#cache.get(stream);
    if (known === undefined || !this.#behind.has(stream)) return known;
    const caughtUp = this.#takeSeen(stream, known);
    return this.#behind.has(stream) ? undefined : caughtUp;
  }

  /**
   * The stream as it is now. What is known of it is only read on: a stream is never changed, only added to, and that of an execution
   * may be long.
   */
  async read(stream: string): Promise<Loaded<State, Event>> {
    const cached = this.#cache.get(stream);
    const known = cached && this.#takeSeen(stream, cached);
    if (known === undefined || known.head.revision === 'no_stream') return this.#readAll(stream);
    const added = await this.#store.readStream(stream, { from: nextRevision(known.head) });
    return follows(known.head, added) ? this.#fold(stream, known, added) : this.#readAll(stream);
  }

  /** An append that was made while the stream was read knows more. */
  keep(stream: string, loaded: Loaded<State, Event>): void {
    const { revision } = loaded.head;
    if (revision === 'no_stream') return;
    const cached = this.#cache.peek(stream);
    if (cached === undefined || isBefore(cached.head, revision)) this.#cache.set(stream, loaded);
    const needed = this.#behind.get(stream);
    if (needed === undefined || needed > revision) return;
    this.#behind.delete(stream);
    this.#forgetSeen(stream);
  }

  drop(stream: string): void {
    this.#cache.delete(stream);
  }

  /** Others have added to the stream, up to this revision at least. */
  isAt(stream: string, revision: Revision | 'no_stream'): void {
    if (revision === 'no_stream') this.#cache.delete(stream);
    else if (this.#cache.has(stream)) this.#behind.set(stream, revision);
  }

  /** An event was seen in the log; of another writer unless the state knows it. */
  observe(event: StoredEvent): void {
    const { stream, revision } = event;
    const cached = this.#cache.peek(stream);
    if (cached === undefined || !isBefore(cached.head, revision)) return;
    const needed = this.#behind.get(stream);
    if (needed === undefined || needed < revision) this.#behind.set(stream, revision);
    this.#see(event, cached.head);
  }

  #see(event: StoredEvent, head: StreamHead): void {
    const { stream, revision } = event;
    const seen = this.#seen.get(stream);
    const last = seen?.events.at(-1)?.revision;
    const isNext = last !== undefined && revision === last + 1n;
    if (!isNext && revision !== nextRevision(head)) return;
    if (!isNext) this.#forgetSeen(stream);
    const { events, bytes } = (isNext && seen) || { events: [], bytes: 0 };
    if (events.length >= MAX_SEEN) return;
    const more = roughBytes(event.data, SAMPLE);
    events.push(event);
    this.#seen.set(stream, { events, bytes: bytes + more });
    this.#seenBytes += more;
    if (this.#seenBytes <= SEEN_BYTES) return;
    this.#seen.clear();
    this.#seenBytes = 0;
  }

  #forgetSeen(stream: string): void {
    this.#seenBytes -= this.#seen.get(stream)?.bytes ?? 0;
    this.#seen.delete(stream);
  }

  /** Takes in what was seen. Errors: those of `#fold`. */
  #takeSeen(stream: string, known: Loaded<State, Event>): Loaded<State, Event> {
    const seen = this.#seen.get(stream);
    if (seen === undefined) return known;
    this.#forgetSeen(stream);
    const added = seen.events.filter(({ revision }) => isBefore(known.head, revision));
    return follows(known.head, added) ? this.#fold(stream, known, added) : known;
  }

  async #readAll(stream: string): Promise<Loaded<State, Event>> {
    return this.#fold(stream, this.empty(), await this.#store.readStream(stream));
  }

  /** Errors: `AppError` `UNAVAILABLE` for an event that this build does not know. */
  #fold(stream: string, start: Loaded<State, Event>, added: readonly StoredEvent[]): Loaded<State, Event> {
    const recorded = new Map<string, Recorded<Event>>();
    let { state } = start;
    for (const event of added) {
      const decoded = decodeEvent(event) as Event | undefined;
      if (decoded === undefined)
        throw new AppError(
          'UNAVAILABLE',
          `stream ${stream} holds ${event.type} at revision ${event.revision}, which this build does not know`,
        );
      state = this.#evolve(state, decoded);
      record(recorded, event, decoded);
    }
    for (const [commandId, record] of recorded) start.commands.set(commandId, record);
    const last = added.at(-1);
    const loaded: Loaded<State, Event> = {
      state,
      head: last ? { revision: last.revision, hash: last.metadata.hash } : start.head,
      position: last?.position ?? start.position,
      commands: start.commands,
    };
    this.keep(stream, loaded);
    return loaded;
  }
}

const record = <Event>(recorded: Map<string, Recorded<Event>>, stored: StoredEvent, event: Event): void => {
  const { commandId, fingerprint } = stored.metadata;
  if (fingerprint === undefined) return;
  const present = recorded.get(commandId);
  if (present) {
    present.events.push(event);
    present.position = stored.position;
  } else recorded.set(commandId, { fingerprint, events: [event], position: stored.position });
};

/** Otherwise the log was restored to an earlier state and went on from there. */
const follows = ({ hash }: StreamHead, added: readonly StoredEvent[]): boolean =>
  added.length === 0 || added[0]?.metadata.prevHash === hash;

const isBefore = ({ revision }: StreamHead, other: Revision): boolean => revision === 'no_stream' || revision < other;
