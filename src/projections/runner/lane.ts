import { domainEvents } from '../../domain/events.ts';
import type { Position, StoredEvent } from '../../eventstore/event-store.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import type { Logger } from '../../platform/logger.ts';
import { isTransientPostgresError } from '../../platform/postgres-errors.ts';
import type { Rows } from './fold.ts';
import type { Member } from './member.ts';
import { type ParkedEvent, parkedEventsTable } from './parked.ts';
import { type Collected, collect, type PoisonOptions, sortOut, TooManyParked } from './poison.ts';
import { foldOperations, isFenced, isPoison, type TableWrite, type Writer, writesOf } from './writer.ts';

export type Batch = {
  readonly events: readonly StoredEvent[];
  readonly position: Position;
  readonly caughtUp: boolean;
};

/** The part of `LogFeed` that a lane needs. */
export type Feed = {
  read(options: { after?: Position; maxBatch: number; signal: AbortSignal }): AsyncIterable<Batch>;
};

export type LaneOptions = Pick<PoisonOptions, 'decode' | 'maxParked'> & {
  readonly feed: Feed;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly maxBatch: number;
  /** Shortest time between commits at the end of the log, where batches are small: a transaction costs more than an event in it. */
  readonly lingerMs: number;
};

/** One projection of several cannot continue, and no event is to blame; the others have continued. */
export class MemberFailure extends Error {
  override readonly name = 'MemberFailure';
  readonly #member: Member; // private, so that it is not logged
  constructor(member: Member, cause: unknown) {
    super(`projection ${member.name}: ${(cause as Error).message}`, { cause });
    this.#member = member;
  }

  get member(): Member {
    return this.#member;
  }
}

/** At the end of the log a lane writes for at most a third of the time. */
const REST_PER_WORK = 2;
/** Readers who wait for their own write wait this much longer. */
const MAX_LINGER_MS = 60;

type Folded = { readonly rows: Rows; readonly parked: readonly ParkedEvent[] };

const isKnownType = (type: string): boolean => Object.hasOwn(domainEvents, type);

/** Projections at the same position that advance together: one read of the log, and one statement per batch for all of them. */
export class Lane {
  readonly members: readonly Member[];
  readonly #writer: Writer;
  readonly #options: LaneOptions;
  readonly #poison: PoisonOptions;
  /** Events handled since the lane began. */
  handled = 0;

  constructor(writer: Writer, members: readonly Member[], options: LaneOptions) {
    this.#writer = writer;
    this.members = members;
    this.#options = options;
    this.#poison = { ...options, now: () => new Date(options.clock.now()).toISOString() };
  }

  /**
   * Follows the log until `signal` aborts, or `until` is reached exactly.
   *
   * Errors: one that `isFenced` recognises when another writer was faster; `MemberFailure`, `TooManyParked`; errors of database or log.
   */
  async run(
    signal: AbortSignal,
    { until, onCaughtUp }: { readonly until?: Position; readonly onCaughtUp?: () => void } = {},
  ): Promise<void> {
    const { feed, clock, maxBatch, lingerMs } = this.#options;
    const start = this.#position;
    if (until !== undefined && start >= until) return;
    for await (const batch of feed.read({ ...(start < 0n ? {} : { after: start }), maxBatch, signal })) {
      const startedAt = clock.monotonic();
      const { events, position } = until === undefined ? batch : upTo(batch, until);
      if (position > this.#position && (events.length > 0 || position === until))
        await this.#apply(this.members, events, position);
      this.handled += events.length;
      if (position === until) return;
      if (batch.caughtUp) onCaughtUp?.();
      if (signal.aborted) return;
      if (batch.caughtUp && events.length < maxBatch && lingerMs > 0)
        await this.#linger(clock.monotonic() - startedAt, signal);
    }
  }

  /** Under load the pause makes batches larger, so that several changes of a row are more often written as one. */
  async #linger(workedMs: number, signal: AbortSignal): Promise<void> {
    const { clock, lingerMs } = this.#options;
    const restMs = Math.min(Math.max(lingerMs - workedMs, REST_PER_WORK * workedMs), MAX_LINGER_MS);
    await sleep(clock, restMs, signal);
  }

  get #position(): Position {
    return this.members[0]?.position ?? 0n;
  }

  /** All projections at once; if that fails, each on its own to find the one that fails; if an event is at fault, by halves to find it. */
  async #apply(members: readonly Member[], events: readonly StoredEvent[], to: Position): Promise<void> {
    const [first] = members;
    if (first === undefined) return;
    try {
      await this.#commit(members, events, to);
    } catch (error) {
      if (isFenced(error) || isTransientPostgresError(error)) throw error;
      if (members.length > 1) await this.#applyEach(members, events, to);
      else if (!isPoison(error)) throw error;
      else if (events.length > 1) await this.#applyHalves(first, events, to);
      else await this.#park(first, events, to);
    }
  }

  async #applyEach(members: readonly Member[], events: readonly StoredEvent[], to: Position): Promise<void> {
    let failure: MemberFailure | undefined;
    for (const member of members) {
      try {
        await this.#apply([member], events, to);
      } catch (error) {
        if (isFenced(error) || isTransientPostgresError(error) || error instanceof TooManyParked) throw error;
        failure ??= new MemberFailure(member, error);
      }
    }
    if (failure) throw failure;
  }

  async #applyHalves(member: Member, events: readonly StoredEvent[], to: Position): Promise<void> {
    const half = events.length >> 1;
    const middle = events[half - 1];
    if (middle === undefined) throw new Error('bug: half of a batch of two or more has no events');
    await this.#apply([member], events.slice(0, half), middle.position);
    await this.#apply([member], events.slice(half), to);
  }

  async #commit(members: readonly Member[], events: readonly StoredEvent[], to: Position): Promise<void> {
    const folded: (Folded & { member: Member })[] = [];
    for (const member of members)
      folded.push({ member, ...(await this.#fold(member, collect(member, events, this.#poison))) });
    await this.#move(folded, events, to);
  }

  async #move(
    folded: readonly (Folded & { readonly member: Member })[],
    events: readonly StoredEvent[],
    to: Position,
  ): Promise<void> {
    const members = folded.map(({ member }) => member);
    const parked = folded.flatMap((fold) => fold.parked);
    const writes: TableWrite[] = folded.flatMap(({ member, rows }) => writesOf(member.schema, rows));
    if (parked.length > 0) writes.push({ schema: 'baton', table: parkedEventsTable, rows: parked });
    await this.#writer.move(
      {
        checkpoints: members,
        from: members[0]?.position ?? 0n,
        to,
        events: events.length,
        unknownEvents: events.reduce((count, { type }) => count + (isKnownType(type) ? 0 : 1), 0),
        last: events.at(-1),
      },
      writes,
    );
    for (const { member, rows, parked: ofMember } of folded) {
      member.position = to;
      member.parked += ofMember.length;
      for (const table of member.readTables) {
        const written = rows.get(table);
        if (written) member.cache.keep(table, written);
      }
    }
  }

  async #fold(member: Member, { operations, parked }: Collected): Promise<Folded> {
    for (const { kind, table } of operations) if (kind === 'change') member.readTables.add(table);
    return { rows: await foldOperations(this.#writer, member, operations), parked };
  }

  /** Parks one event for the rows that refuse it, and writes the others. */
  async #park(member: Member, events: readonly StoredEvent[], to: Position): Promise<void> {
    const [event] = events;
    if (event === undefined) throw new Error('bug: no event to park');
    const sorted = await sortOut(this.#writer, member, event, this.#poison);
    await this.#move([{ member, ...(await this.#fold(member, sorted)) }], events, to);
    for (const { tableName, cause } of sorted.parked) {
      const { logger } = this.#options;
      const where = { projection: member.name, position: event.position, type: event.type, table: tableName, cause };
      logger.error(where, 'a projection could not fold an event; it is parked');
    }
  }
}

/** The part of a batch up to a position. */
const upTo = (batch: Batch, until: Position): Pick<Batch, 'events' | 'position'> =>
  batch.position < until
    ? batch
    : { events: batch.events.filter(({ position }) => position <= until), position: until };
