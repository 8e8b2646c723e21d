import type { Position, StoredEvent } from '../eventstore/event-store.ts';
import type { FeedBatch, LogFeed } from '../eventstore/log-feed.ts';
import { type Clock, orAborted, sleep, yieldToOthers } from '../platform/clock.ts';
import type { Lease } from '../platform/lease.ts';
import type { Logger } from '../platform/logger.ts';
import { isTransientPostgresError } from '../platform/postgres-errors.ts';
import {
  type FoldSnapshots,
  type LoadedSnapshot,
  SnapshotReplaced,
  type SnapshotToken,
  type Snapshotted,
} from './fold-snapshots.ts';
import { type ParkedSnapshot, type ParkedStream, ParkedStreams } from './parked-streams.ts';
import { SnapshotWriter } from './snapshot-writer.ts';

/** How often a process that does not lead asks for the lease, and the pause before it starts over after a failure. */
const STAND_BY_MS = 500;
/** The pause before the next try to lead where an event that this build cannot read forbids any decision. Another build may lead meanwhile. */
const BLOCKED_MS = 30_000;
const FEED_BATCH = 1_000;
const SNAPSHOT_EVERY_MS = 30_000;
/** Also while it catches up: the next leader reads about this many events at most, a few seconds' worth. */
const SNAPSHOT_EVERY_EVENTS = 100_000;

/** What a process knows of the log: changed in place (docs/adr/0002), without clock, randomness or I/O. */
export interface Fold extends Snapshotted {
  /** @param recordedAt by the clock of the store, which is the same for everybody who reads the log, ISO 8601 UTC */
  evolve(event: never, recordedAt: string): void;
  /** When there is something to decide even if no event comes, in milliseconds since the epoch. */
  nextDueMs(): number | undefined;
  /** What comes after in this stream is not known: nothing more is decided about what it describes. Not part of the snapshot. */
  halt(stream: string): void;
}

export type FoldDefinition<F extends Fold> = {
  /** The snapshots' name; unique within the tenant. */
  readonly name: string;
  /** Raised with any change of what a snapshot holds or means. Older ones are then ignored, and the log is read instead. */
  readonly version: number;
  start(snapshot?: ReturnType<F['snapshot']>): F;
  /** Other events are not even decoded. Those of types that this build does not know are wanted where they may matter. */
  wants(event: StoredEvent): boolean;
  /** Without knowing all of this stream, nothing can be decided. */
  isVital?(stream: string): boolean;
};

type Saved<F extends Fold> = ReturnType<F['snapshot']> & { readonly parkedStreams?: ParkedSnapshot };

/** What came of `act`. After `nothing` the next one need not keep its distance; after `more` it does not wait for an event. */
export type Acted = 'nothing' | 'something' | 'more';

/** Work that a leader repeats beside its decisions. One that throws ends the term. */
export type Chore = {
  readonly everyMs: number;
  /** @param leads false once the lease is lost; to be asked before each decision of a chore that makes several */
  run(leads: () => boolean): Promise<void>;
};

/** What a process does during one time of leadership. Made for each, so what it holds ends with it. */
export interface Term {
  /** Acts that did something are at least this far apart. */
  readonly actGapMs?: number;
  readonly chores?: readonly Chore[];
  /** Sees each event before the fold does, and keeps it from the fold by `false`. Errors: throws `Fenced` to step down. */
  admits?(event: StoredEvent): boolean;
  /**
   * Runs once the fold has caught up with the log: a process with a fence of its own raises it here, so that whoever led before goes on as
   * long as this one could not act anyway. The first act comes when the fold holds the position that it returns.
   */
  raiseFence?(): Promise<Position>;
  /** Runs once, before the first act. */
  takeOver?(): Promise<void> | void;
  /** Decides, when an event came in or a timer of the fold is due. Errors: throws when the fold is no longer usable; the leader starts over. */
  act?(nowMs: number): Acted | Promise<Acted>;
}

export type Duty<F extends Fold> = {
  readonly fold: FoldDefinition<F>;
  /**
   * Begins a term over a fold that has not caught up yet.
   *
   * @param clock tells the leader's time: that of its lease
   */
  begin(fold: F, clock: Clock): Term | Promise<Term>;
  onFenced?(): void;
};

export type LeaderDeps = {
  readonly tenant: string;
  readonly feed: Pick<LogFeed, 'read'>;
  readonly snapshots: FoldSnapshots;
  /**
   * Undefined while another process holds the lease. It only saves work: for a moment two may lead, so what a leader records is either
   * fenced by the store or the same when recorded twice.
   */
  readonly acquireLease: () => Promise<Lease | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** Another leader took over, and the store says so: what this one holds in memory no longer counts. */
export class Fenced extends Error {
  override readonly name = 'Fenced';
}

/** A stream without which nothing can be decided holds an event that this build cannot read. */
class Blocked extends Error {
  override readonly name = 'Blocked';
}

export type LeaderStatus = {
  /** The name of what it folds. */
  readonly fold: string;
  readonly leading: boolean;
  readonly position: Position | undefined;
  /** Streams that wait for a build that can read them; nothing about what they describe is decided. */
  readonly parked: readonly ParkedStream[];
  /** It does not lead, because a stream that it cannot do without holds an event that this build cannot read. */
  readonly blocked: boolean;
};

/**
 * Runs a process of which one leads per tenant (and pool): it stands by until it gets the lease, loads the last snapshot of its fold,
 * catches up with the log, and only then acts. It starts over after any failure, because what it holds is only a fold of the log.
 */
export class Leader<F extends Fold> {
  readonly #duty: Duty<F>;
  readonly #deps: LeaderDeps;
  #leadership: Leadership<F> | undefined;
  #blocked = false;

  constructor(duty: Duty<F>, deps: LeaderDeps) {
    this.#duty = duty;
    this.#deps = deps;
  }

  status(): LeaderStatus {
    const leadership = this.#leadership;
    return {
      fold: this.#duty.fold.name,
      leading: leadership?.caughtUp ?? false,
      position: leadership?.position,
      parked: leadership?.parked ?? [],
      blocked: this.#blocked,
    };
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const lease = await this.#deps.acquireLease();
        if (lease) await this.#lead(lease, signal).finally(() => lease.release());
        this.#blocked = false;
      } catch (error) {
        this.#failed(error);
      }
      await sleep(this.#deps.clock, this.#blocked ? BLOCKED_MS : STAND_BY_MS, signal);
    }
  }

  async #lead(lease: Lease, stopping: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([stopping, lease.signal]);
    const { fold: definition } = this.#duty;
    const started = await this.#startFold(signal);
    const clock: Clock = { ...this.#deps.clock, now: () => lease.now() };
    const term = await this.#duty.begin(started.fold, clock);
    this.#leadership = new Leadership({ ...this.#deps, ...started, clock, lease, definition, term });
    try {
      await this.#leadership.run(signal);
    } finally {
      this.#leadership = undefined;
    }
  }

  /** From the last snapshot, or else as an empty one. */
  async #startFold(signal: AbortSignal): Promise<Started<F>> {
    const { snapshots, tenant, logger } = this.#deps;
    const { fold } = this.#duty;
    try {
      const snapshot = await snapshots.load<Saved<F>>(tenant, fold);
      if (snapshot && !new ParkedStreams(snapshot.state.parkedStreams).needsTheLog)
        return await this.#restore(snapshot, signal);
    } catch (error) {
      if (error instanceof SnapshotReplaced) return this.#startFold(signal);
      logger.warn({ fold: fold.name, err: error }, 'no snapshot could be read; the log is read from its start');
    }
    return { fold: fold.start(), parked: new ParkedStreams(), position: undefined, token: undefined };
  }

  async #restore(snapshot: LoadedSnapshot<Saved<F>>, signal: AbortSignal): Promise<Started<F>> {
    const { state, parts, position, token } = snapshot;
    const fold = this.#duty.fold.start(state);
    for await (const part of parts) {
      fold.restorePart?.(part);
      if (signal.aborted) break; // nothing is done with it any more
    }
    const parked = new ParkedStreams(state.parkedStreams);
    const released = parked.release();
    for (const { stream } of parked.list) fold.halt(stream);
    for (const event of released) {
      const known = parked.admit(event);
      if (known) fold.evolve(known as never, event.recordedAt);
      else fold.halt(event.stream);
    }
    return { fold, parked, position, token };
  }

  #failed(error: unknown): void {
    const { logger } = this.#deps;
    const fold = this.#duty.fold.name;
    this.#blocked = error instanceof Blocked;
    if (error instanceof Fenced) {
      this.#duty.onFenced?.();
      logger.warn({ fold, reason: error.message }, 'another leader took over; standing by');
    } else if (isTransientPostgresError(error))
      logger.warn({ fold, err: error }, 'the leader lost Postgres and starts over');
    else logger.error({ fold, err: error }, 'the leader failed and starts over');
  }
}

type Started<F extends Fold> = {
  readonly fold: F;
  readonly parked: ParkedStreams;
  /** Of the snapshot that the fold started from. */
  readonly position: Position | undefined;
  readonly token: SnapshotToken | undefined;
};

type LeadershipOptions<F extends Fold> = LeaderDeps &
  Started<F> & { readonly lease: Lease; readonly definition: FoldDefinition<F>; readonly term: Term };

/** The loops of one time of leadership. */
class Leadership<F extends Fold> {
  readonly #options: LeadershipOptions<F>;
  position: Position | undefined;
  caughtUp = false;
  readonly #snapshots: SnapshotWriter;
  #snapshotDue = false;
  /** Events since the last snapshot. */
  #unsaved = 0;
  #actsFrom: Position | undefined;
  #lastActedAt = Number.NEGATIVE_INFINITY;
  #dirty = false;
  #wake: () => void = () => {};

  constructor(options: LeadershipOptions<F>) {
    this.#options = options;
    this.position = options.position;
    this.#snapshots = new SnapshotWriter(options);
  }

  /** Until `signal` aborts. Errors: throws what made the fold unusable. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const ended = AbortSignal.any([signal, stop.signal]);
    ended.addEventListener('abort', () => this.#wakeUp(), { once: true });
    const chores = (this.#options.term.chores ?? []).map((chore) => this.#repeat(chore, ended));
    const loops = [this.#follow(ended), this.#decide(ended), this.#askForSnapshots(ended), ...chores];
    await Promise.race(loops).catch(() => {}); // the reason is thrown below
    stop.abort();
    const failure = (await Promise.allSettled(loops)).find((outcome) => outcome.status === 'rejected');
    this.caughtUp = false;
    if (failure) throw failure.reason;
    await this.#snapshots.idle();
    await this.#saveSnapshot();
  }

  async #follow(ended: AbortSignal): Promise<void> {
    const { feed } = this.#options;
    const after = this.position === undefined ? {} : { after: this.position };
    for await (const batch of feed.read({ ...after, maxBatch: FEED_BATCH, signal: ended })) {
      for (const event of batch.events) this.#apply(event);
      this.position = batch.position;
      this.#unsaved += batch.events.length;
      if (this.#unsaved >= SNAPSHOT_EVERY_EVENTS) this.#snapshotDue = true;
      if (!this.caughtUp) await this.#prepare(batch);
      this.#wakeUp();
    }
  }

  /** Raises the fence once it has caught up, and takes over once it knows what came before the fence. */
  async #prepare(batch: FeedBatch): Promise<void> {
    const { term } = this.#options;
    if (this.#actsFrom === undefined) {
      if (!batch.caughtUp) return;
      this.#actsFrom = (await term.raiseFence?.()) ?? batch.position;
    }
    if (batch.position < this.#actsFrom) return;
    await term.takeOver?.();
    this.caughtUp = true;
  }

  get parked(): readonly ParkedStream[] {
    return this.#options.parked.list;
  }

  #apply(event: StoredEvent): void {
    const { definition, fold, parked, term } = this.#options;
    if (!definition.wants(event) || term.admits?.(event) === false) return;
    const isParked = parked.has(event.stream);
    const known = parked.admit(event);
    // `wants` lets only events of the fold's own union through, and unknown ones.
    if (known) fold.evolve(known as never, event.recordedAt);
    else if (!isParked) this.#park(event);
  }

  #park({ stream, type, revision, metadata }: StoredEvent): void {
    const { definition, fold, logger } = this.#options;
    const what = `${type} of schema version ${metadata.schemaVersion} at revision ${revision} of stream ${stream}`;
    if (definition.isVital?.(stream))
      throw new Blocked(`this build cannot read ${what}, and without it nothing can be decided; run the newer build`);
    fold.halt(stream);
    logger.warn({ fold: definition.name, stream, type }, `this build cannot read ${what}; it waits for one that can`);
  }

  async #decide(ended: AbortSignal): Promise<void> {
    const { clock, term } = this.#options;
    while (!ended.aborted) {
      await this.#work();
      const earlyMs = this.#lastActedAt + (term.actGapMs ?? 0) - clock.monotonic();
      if (earlyMs > 0) await sleep(clock, earlyMs, ended);
      this.#dirty = false;
      if (this.#leads(ended)) await this.#act();
      // Only here, between two acts, does the fold hold nothing that the log does not.
      if (this.#snapshotDue && !this.#snapshots.isWriting) void this.#saveSnapshot();
    }
  }

  /** To be asked after every wait: a suspended process wakes up in one. */
  #leads(ended: AbortSignal): boolean {
    return this.caughtUp && this.#options.lease.isHeld() && !ended.aborted;
  }

  async #act(): Promise<void> {
    const { clock, term } = this.#options;
    const startedAt = clock.monotonic();
    // As events record it: what is decided now can be decided again from the log.
    const acted = (await term.act?.(Math.floor(clock.now()))) ?? 'nothing';
    if (acted !== 'nothing') this.#lastActedAt = startedAt;
    if (acted !== 'more') return;
    this.#dirty = true;
    // What it did may have involved no I/O: then the lease would not be renewed before all is done.
    await yieldToOthers();
  }

  /** Resolves when there may be something to decide: an event came in, or a timer is due. */
  #work(): Promise<void> {
    if (this.#dirty) return Promise.resolve();
    const { clock, fold } = this.#options;
    const dueMs = this.caughtUp ? fold.nextDueMs() : undefined;
    return new Promise((resolve) => {
      const cancel = dueMs === undefined ? undefined : clock.schedule(Math.max(0, dueMs - clock.now()), resolve);
      this.#wake = () => {
        cancel?.();
        resolve();
      };
    });
  }

  #wakeUp(): void {
    this.#dirty = true;
    this.#wake();
  }

  async #repeat({ everyMs, run }: Chore, ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      await sleep(this.#options.clock, everyMs, ended);
      // A chore that hangs must not keep the term from ending: it holds nothing that the term needs.
      if (this.#leads(ended))
        await orAborted(
          run(() => this.#leads(ended)),
          ended,
        );
      // It may have found out something that there is to decide on.
      this.#wakeUp();
    }
  }

  async #askForSnapshots(ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      await sleep(this.#options.clock, SNAPSHOT_EVERY_MS, ended);
      this.#snapshotDue = true;
      this.#wakeUp();
    }
  }

  async #saveSnapshot(): Promise<void> {
    this.#snapshotDue = false;
    this.#unsaved = 0;
    if (this.position !== undefined) await this.#snapshots.write(this.position);
  }
}
