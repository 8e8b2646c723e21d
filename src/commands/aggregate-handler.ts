import type { DecidedState, Decider } from '../domain/decider.ts';
import type { DomainEvent } from '../domain/events.ts';
import { ok, type Result } from '../domain/result.ts';
import { type Backoff, backoffMs } from '../domain/retry.ts';
import { roughBytes } from '../domain/rough-bytes.ts';
import { type EventContext, encodeEvents, headAfter, type StreamHead } from '../eventstore/codec.ts';
import {
  type EventStore,
  type NewEvent,
  type Position,
  RevisionConflict,
  type StoredEvent,
} from '../eventstore/event-store.ts';
import { type Clock, type Random, sleep } from '../platform/clock.ts';
import { AppError } from '../platform/errors.ts';
import { Contention, type Turns } from './contention.ts';
import { type Loaded, type Recorded, StreamStates } from './stream-states.ts';

/** Tries per command when other writers keep winning the stream; each re-reads it. */
const MAX_CONFLICTS = 5;
const CONFLICT_BACKOFF: Backoff = { baseMs: 20, maxMs: 200 };
/** Commands decided together in one append. */
const MAX_BATCH = 50;
/**
 * An append that has reached this size takes no further command: the store takes at most 1 MiB, and this measure may be a third of the
 * bytes. A command alone has at most one payload.
 */
const FULL_APPEND_BYTES = 128 * 1024;

export type HandlerPorts = {
  readonly clock: Clock;
  readonly random: Random;
  /** Streams whose state is kept, at most; memory for that many is taken at once. */
  readonly cachedStreams?: number;
  /** For streams that several processes write to at a time. */
  readonly turns?: Turns | undefined;
};

export type CommandContext = Omit<EventContext, 'at'>;

export type Outcome<Event, State> = {
  /** What was appended; what the first call appended when `repeated`. */
  readonly events: readonly Event[];
  readonly state: State;
  /** Position of the last event of the stream that this outcome knows of; undefined only for a stream without events. */
  readonly position: Position | undefined;
  /** The same command had been recorded before; nothing was appended. */
  readonly repeated: boolean;
};

export type Execute<Command> = {
  readonly stream: string;
  readonly command: Command;
  readonly context: CommandContext;
  /** Instant of the decision, ISO 8601 UTC. */
  readonly at: string;
  /** The stream is expected to be new: decide without reading it first. A wrong guess costs one refused append. */
  readonly assumeNew?: boolean;
};

type Pending<State, Command, Event, Rejection> = Execute<Command> & {
  readonly resolve: (result: Result<Outcome<Event, State>, Rejection>) => void;
  readonly reject: (error: unknown) => void;
};

/** What a command came to. `unproved`: it appends nothing, so no expected revision has shown that the state it was decided on is current. */
type Decided = { readonly settle: (position: Position | undefined) => void; readonly unproved: boolean };

/** One command decided, and where its events leave the stream. */
type Step<State, Event> = {
  readonly decided: Decided;
  readonly state: State;
  readonly head: StreamHead;
  readonly events: Event[];
  readonly encoded: readonly NewEvent[];
};

/** Commands decided in order, as far as one append takes them. */
type Decision<State, Event> = {
  readonly loaded: Loaded<State, Event>;
  /** Commands that the events record, until the append is acknowledged. */
  readonly recorded: ReadonlyMap<string, Recorded<Event>>;
  readonly events: readonly NewEvent[];
  readonly decided: readonly Decided[];
};

/** `stale`: what was decided on may be out of date; `conflict`: it was. */
type Attempted =
  | { readonly outcome: 'done'; readonly count: number }
  | { readonly outcome: 'stale' | 'conflict'; readonly cause?: unknown };

const keyReused = (commandId: string): AppError =>
  new AppError('IDEMPOTENCY_KEY_REUSED', 'this idempotency key was used before with another request body', {
    details: { commandId },
  });

/**
 * Load, decide, append, for one kind of aggregate.
 *
 * - Commands for one stream that arrive while another is under way are decided in order and appended together.
 * - On a revision conflict the state is dropped, read and decided again, at most `MAX_CONFLICTS` times.
 * - What appends nothing (a rejection, nothing to do) is decided on the stream as it was read, never on the cache alone.
 * - A command whose id the stream already records is answered from the record: same fingerprint, same outcome; another, 422.
 *
 * Errors: `AppError` `IDEMPOTENCY_KEY_REUSED`, `CONFLICT` (retryable), `UNAVAILABLE` (retryable).
 */
export class AggregateHandler<State extends object, Command, Event extends DomainEvent, Rejection> {
  readonly #store: EventStore;
  readonly #decider: Decider<State, Command, Event, Rejection>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #isFinal: (state: State) => boolean;
  readonly #states: StreamStates<State, Event>;
  readonly #contention: Contention;
  readonly #queues = new Map<string, Pending<State, Command, Event, Rejection>[]>();

  constructor(
    store: EventStore,
    decider: Decider<State, Command, Event, Rejection>,
    ports: HandlerPorts,
    /** States that no further command is expected for are not kept. */
    isFinal: (state: State) => boolean = () => false,
    /** Bytes that a state takes in memory, roughly (an integer from 1), to bound the cache; by default each value in it is counted. */
    sizeOf?: (state: State) => number,
  ) {
    this.#isFinal = isFinal;
    this.#store = store;
    this.#decider = decider;
    this.#clock = ports.clock;
    this.#random = ports.random;
    this.#contention = new Contention(ports.turns, ports.clock);
    this.#states = new StreamStates({ store, decider, max: ports.cachedStreams, sizeOf });
  }

  execute(request: Execute<Command>): Promise<Result<Outcome<Event, State>, Rejection>> {
    return new Promise((resolve, reject) => {
      const pending = { ...request, resolve, reject };
      const queue = this.#queues.get(request.stream);
      if (queue) queue.push(pending);
      else {
        this.#queues.set(request.stream, [pending]);
        void this.#drain(request.stream);
      }
    });
  }

  /** The aggregate's state, from the cache when there. `fresh` reads the stream. */
  async load(stream: string, options: { readonly fresh?: boolean } = {}): Promise<State> {
    const cached = options.fresh ? undefined : this.#states.current(stream);
    return (cached ?? (await this.#states.read(stream))).state;
  }

  /** Where the stream records this command; undefined when it does not. Errors: `AppError` `IDEMPOTENCY_KEY_REUSED`. */
  async recorded(stream: string, { commandId, fingerprint }: CommandContext): Promise<Position | undefined> {
    const recorded = (await this.#states.read(stream)).commands.get(commandId);
    if (recorded && recorded.fingerprint !== fingerprint) throw keyReused(commandId);
    return recorded?.position;
  }

  /** An event was seen in the log: what is known of its stream takes in what others have added before it is used again. */
  observe(event: StoredEvent): void {
    this.#states.observe(event);
  }

  async #drain(stream: string): Promise<void> {
    const queue = this.#queues.get(stream) ?? [];
    while (queue.length > 0) {
      const coming = this.#contention.turn(stream);
      const turn = coming && (await coming);
      // What waited for the turn shares it.
      const waiting = queue.splice(0, turn ? queue.length : MAX_BATCH);
      for (let first = true; waiting.length > 0; first = false) {
        const batch = waiting.slice(0, MAX_BATCH);
        waiting.splice(0, await this.#process(stream, batch, turn !== undefined && first));
      }
      turn?.end();
    }
    this.#queues.delete(stream);
  }

  /** Settles the first commands of the batch; answers how many. `readFirst`: others have probably added to the stream. */
  async #process(
    stream: string,
    batch: readonly Pending<State, Command, Event, Rejection>[],
    readFirst: boolean,
  ): Promise<number> {
    try {
      let fresh = readFirst;
      for (let conflicts = 0; ; ) {
        const attempted = await this.#attempt(stream, batch, fresh);
        if (attempted.outcome === 'done') return attempted.count;
        fresh = true;
        if (attempted.outcome === 'stale') continue;
        conflicts += 1;
        if (conflicts >= MAX_CONFLICTS)
          throw new AppError(
            'CONFLICT',
            `stream ${stream} changed ${MAX_CONFLICTS} times while this command was decided`,
            { retryable: true, cause: attempted.cause },
          );
        const random = this.#random();
        // The first try again is at once: most conflicts are with one other writer, who is done by then.
        await sleep(this.#clock, conflicts === 1 ? 0 : backoffMs(CONFLICT_BACKOFF, conflicts - 1, random));
      }
    } catch (error) {
      // After a conflict it is known that nothing was appended: what is cached is only read on.
      if (!(error instanceof AppError && error.code === 'CONFLICT')) this.#states.drop(stream);
      for (const pending of batch) pending.reject(error);
      return batch.length;
    }
  }

  async #attempt(
    stream: string,
    batch: readonly Pending<State, Command, Event, Rejection>[],
    fresh: boolean,
  ): Promise<Attempted> {
    const guess = fresh ? undefined : this.#guess(stream, batch);
    const start = guess ?? (await this.#states.read(stream));
    const { loaded, recorded, events, decided } = this.#decideAll(stream, batch, start);
    if (events.length === 0) {
      if (guess && decided.some(({ unproved }) => unproved)) return { outcome: 'stale' };
      for (const { settle } of decided) settle(loaded.position);
      return { outcome: 'done', count: decided.length };
    }
    try {
      const { position } = await this.#store.append(stream, events, { expectedRevision: start.head.revision });
      for (const [commandId, record] of recorded) {
        record.position = position;
        loaded.commands.set(commandId, record);
      }
      if (this.#isFinal(loaded.state)) this.#states.drop(stream);
      else this.#states.keep(stream, { ...loaded, position });
      for (const { settle } of decided) settle(position);
      return { outcome: 'done', count: decided.length };
    } catch (error) {
      if (!(error instanceof RevisionConflict)) throw error;
      this.#states.isAt(stream, error.actual);
      this.#contention.conflict(stream);
      return { outcome: 'conflict', cause: error };
    }
  }

  /** What the stream probably is, without reading it; undefined when nothing is known. */
  #guess(
    stream: string,
    batch: readonly Pending<State, Command, Event, Rejection>[],
  ): Loaded<State, Event> | undefined {
    const known = this.#states.current(stream);
    if (known || this.#states.has(stream)) return known;
    return batch.every(({ assumeNew }) => assumeNew) ? this.#states.empty() : undefined;
  }

  #decideAll(
    stream: string,
    batch: readonly Pending<State, Command, Event, Rejection>[],
    start: Loaded<State, Event>,
  ): Decision<State, Event> {
    let { state, head } = start;
    const added = new Map<string, Recorded<Event>>();
    const events: NewEvent[] = [];
    const decided: Decided[] = [];
    let bytes = 0;
    for (const pending of batch) {
      if (bytes >= FULL_APPEND_BYTES) break;
      const { commandId, fingerprint } = pending.context;
      const recorded = added.get(commandId) ?? start.commands.get(commandId);
      if (recorded) {
        const known = state;
        decided.push({ unproved: false, settle: () => this.#settleRepeated(pending, recorded, known) });
        continue;
      }
      const step = this.#decideOne(stream, pending, state, head);
      ({ state, head } = step);
      decided.push(step.decided);
      events.push(...step.encoded);
      if (batch.length > 1) bytes += roughBytes(step.encoded.map(({ data }) => data));
      if (step.encoded.length > 0 && fingerprint !== undefined)
        added.set(commandId, { fingerprint, events: step.events, position: PENDING_POSITION });
    }
    return { loaded: { ...start, state, head }, recorded: added, events, decided };
  }

  #decideOne(
    stream: string,
    pending: Pending<State, Command, Event, Rejection>,
    before: State,
    head: StreamHead,
  ): Step<State, Event> {
    const nothing = { state: before, head, events: [], encoded: [] };
    try {
      const result = this.#decide(pending.command, before);
      if (!result.ok) return { ...nothing, decided: { unproved: true, settle: () => pending.resolve(result) } };
      const { events, state } = result.value;
      const context = { ...pending.context, at: pending.at };
      const encoded = encodeEvents(stream, context, events, head);
      const settle: Decided['settle'] = (position) => pending.resolve(ok({ events, state, position, repeated: false }));
      const unproved = encoded.length === 0;
      return { state, head: headAfter(encoded, head), events, encoded, decided: { unproved, settle } };
    } catch (error) {
      // A bug that one command hits must not fail those it happens to share an append with.
      return { ...nothing, decided: { unproved: false, settle: () => pending.reject(error) } };
    }
  }

  #decide(command: Command, before: State): Result<DecidedState<State, Event>, Rejection> {
    const { decide, evolve, decideAndEvolve } = this.#decider;
    if (decideAndEvolve) return decideAndEvolve(command, before);
    const result = decide(command, before);
    return result.ok ? ok({ events: result.value, state: result.value.reduce(evolve, before) }) : result;
  }

  #settleRepeated(pending: Pending<State, Command, Event, Rejection>, recorded: Recorded<Event>, state: State): void {
    if (recorded.fingerprint !== pending.context.fingerprint) pending.reject(keyReused(pending.context.commandId));
    else pending.resolve(ok({ events: recorded.events, state, position: recorded.position, repeated: true }));
  }
}

/** Stands in a record until its append is acknowledged. */
const PENDING_POSITION: Position = -1n;
