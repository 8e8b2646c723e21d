import type pg from 'pg';
import { type Backoff, backoffMs } from '../../domain/retry.ts';
import { decodeEvent } from '../../eventstore/codec.ts';
import type { EventStore, Position } from '../../eventstore/event-store.ts';
import { type Clock, type Random, sleep, systemRandom } from '../../platform/clock.ts';
import { AppError } from '../../platform/errors.ts';
import { acquireLease, type Lease } from '../../platform/lease.ts';
import type { Logger } from '../../platform/logger.ts';
import { isTransientPostgresError } from '../../platform/postgres-errors.ts';
import { qualified } from '../names.ts';
import type { Projector } from '../projector.ts';
import { type Checkpoint, logMismatch, readCheckpoints } from './checkpoint.ts';
import type { Decode } from './fold.ts';
import { type Feed, Lane, type LaneOptions, MemberFailure } from './lane.ts';
import { halt, type Member, prepareMember } from './member.ts';
import { TooManyParked } from './poison.ts';
import { isFenced, Writer } from './writer.ts';

export type RunnerOptions = {
  readonly pool: pg.Pool;
  readonly store: Pick<EventStore, 'head' | 'readStream'>;
  readonly feed: Feed;
  readonly projectors: readonly Projector[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: Random;
  /** Names this process, for people. */
  readonly holder: string;
  readonly leaseMs: number;
  readonly decode?: Decode;
  readonly maxBatch?: number;
  readonly lingerMs?: number;
  readonly maxParked?: number;
  /** A statement for several projections is cancelled after this time; then each runs on its own, without a limit. */
  readonly patienceMs?: number;
};

/** Reasons by the name of the projection. */
export type Interruptions = Readonly<Record<string, string>>;

export type RunnerStatus = {
  /** `standing_by` while another process runs the projections. */
  readonly state: 'stopped' | 'standing_by' | 'leading';
  readonly lanes: readonly { readonly projections: readonly string[]; readonly position: Position }[];
  /** Why projections that are not halted go no further at present: Postgres is away or cannot write. */
  readonly interrupted: Interruptions;
};

const MAX_BATCH = 1_000;
const LINGER_MS = 15;
const MAX_PARKED = 1_000;
const BACKOFF: Backoff = { baseMs: 100, maxMs: 5_000 };
/** How soon a rebuild or retry that another process requested is noticed when no event arrives. */
const WATCH_MS = 500;
const PATIENCE_MS = 10_000;
const PREPARE_AGAIN_MS = 30_000;
/** After as many new rows the statistics of new tables mislead Postgres until its own ANALYZE, which may take minutes to come. */
const LOAD_EVENTS = 5_000;
/** On a busy log a lane has to catch up repeatedly. */
const ANALYZE_EVERY_MS = 60_000;
/** A projection that was isolated may join the others again after this time. */
const ISOLATION_MS = 300_000;

/** The lease of all projections: they share transactions, so one process runs them all. */
export const PROJECTIONS_LEASE = 'projections';

/**
 * Keeps read models up to date. One of several processes leads, the others stand by. Projections at the same position share a lane; one
 * that is behind, or fails on its own, gets another lane until it has caught up.
 *
 * A second leader does no harm: its first write finds that the checkpoint has moved, and it stands by.
 */
export class ProjectionRunner {
  readonly #options: RunnerOptions;
  readonly #laneOptions: LaneOptions;
  readonly #stopping = new AbortController();
  #serving: Promise<void> = Promise.resolve();
  #state: RunnerStatus['state'] = 'stopped';
  #lanes: readonly Lane[] = [];
  readonly #interrupted = new Map<string, string>();
  /** Projections that must not hold up others, and until when. */
  readonly #isolated = new Map<string, number>();
  /** When a projection that could not be prepared is tried again, on the monotonic clock. */
  #prepareAgainAt = Number.POSITIVE_INFINITY;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#laneOptions = {
      feed: options.feed,
      clock: options.clock,
      logger: options.logger,
      decode: options.decode ?? decodeEvent,
      maxBatch: options.maxBatch ?? MAX_BATCH,
      lingerMs: options.lingerMs ?? LINGER_MS,
      maxParked: options.maxParked ?? MAX_PARKED,
    };
  }

  start(): void {
    this.#state = 'standing_by';
    this.#serving = this.#serve();
  }

  /** Finishes the current write, then releases the lease. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#serving;
    this.#state = 'stopped';
  }

  status(): RunnerStatus {
    return {
      state: this.#state,
      lanes: this.#lanes.map(({ members }) => ({
        projections: members.map(({ name }) => name),
        position: members[0]?.position ?? 0n,
      })),
      interrupted: Object.fromEntries(this.#interrupted),
    };
  }

  async #serve(): Promise<void> {
    const { clock, leaseMs, logger, holder, pool } = this.#options;
    const { signal } = this.#stopping;
    let failures = 0;
    while (!signal.aborted) {
      try {
        const lease = await acquireLease(pool, { name: PROJECTIONS_LEASE, holder, ttlMs: leaseMs, clock, logger });
        if (lease) await this.#lead(lease);
        else await sleep(clock, leaseMs / 3, signal);
        failures = 0;
      } catch (error) {
        await this.#backOff(error, ++failures, signal);
      }
    }
  }

  async #lead(lease: Lease): Promise<void> {
    const signal = AbortSignal.any([lease.signal, this.#stopping.signal]);
    const { logger } = this.#options;
    logger.info({ epoch: lease.epoch.toString() }, 'running the projections');
    this.#state = 'leading';
    let failures = 0;
    try {
      while (!signal.aborted) {
        const startedAt = this.#options.clock.monotonic();
        try {
          await this.#round(signal);
          failures = 0;
        } catch (error) {
          if (this.#options.clock.monotonic() - startedAt > BACKOFF.maxMs) failures = 0;
          if (!isFenced(error)) await this.#backOff(error, ++failures, signal);
          else if (!(await lease.confirm())) return;
          else await sleep(this.#options.clock, BACKOFF.baseMs, signal);
        }
      }
    } finally {
      this.#lanes = [];
      if (!this.#stopping.signal.aborted) this.#state = 'standing_by';
      await lease.release();
    }
  }

  /** Reads the checkpoints and runs lanes, until something requires the checkpoints to be read again. */
  async #round(signal: AbortSignal): Promise<void> {
    this.#prepareAgainAt = Number.POSITIVE_INFINITY;
    const members = await this.#prepareAll(this.#options.projectors);
    const round = new AbortController();
    const ended = AbortSignal.any([signal, round.signal]);
    const groups = this.#groups(members);
    const caughtUp = new Set<readonly Member[]>();
    const canMerge = (): boolean => {
      const together = groups.filter((group) => !this.#isIsolated(group));
      return together.length > 1 && together.every((group) => caughtUp.has(group));
    };
    const runs = groups.map((group) =>
      this.#runGroup(group, ended, () => {
        caughtUp.add(group);
        if (canMerge()) round.abort();
      }),
    );
    // When one ends, the others end after their current write.
    const ends = [...runs, this.#watch(members, ended)].map((run) => run.finally(() => round.abort()));
    const failure = (await Promise.allSettled(ends)).find((end) => end.status === 'rejected');
    this.#lanes = [];
    if (failure) throw failure.reason;
    if (canMerge() && !signal.aborted) await this.#level(groups, signal);
  }

  /** An isolated projection retries on its own. */
  async #runGroup(group: readonly Member[], signal: AbortSignal, onCaughtUp: () => void): Promise<void> {
    if (!this.#isIsolated(group)) return this.#runLane(group, signal, onCaughtUp);
    let members: readonly Member[] = group;
    for (let failures = 1; !signal.aborted && members.length > 0; failures += 1) {
      try {
        return await this.#runLane(members, signal, onCaughtUp);
      } catch (error) {
        if (isFenced(error)) throw error;
        await this.#backOff(error, failures, signal, members);
        members = await this.#prepareAll(members.map(({ projector }) => projector));
      }
    }
  }

  /** Prepares projections and returns those that can be run. */
  async #prepareAll(projectors: readonly Projector[]): Promise<Member[]> {
    const members: Member[] = [];
    for (const projector of projectors) {
      try {
        const member = await prepareMember(this.#options, projector);
        if (member) members.push(member);
      } catch (error) {
        if (isOutage(error)) throw error;
        const where = { err: error, projection: projector.name };
        this.#options.logger.error(where, 'a projection cannot be prepared; the others go on without it');
        this.#prepareAgainAt = Math.min(this.#prepareAgainAt, this.#options.clock.monotonic() + PREPARE_AGAIN_MS);
      }
    }
    return members;
  }

  async #runLane(group: readonly Member[], signal: AbortSignal, onCaughtUp: () => void): Promise<void> {
    await this.#withWriter(this.#patienceMs(group), async (writer) => {
      const lane = new Lane(writer, group, this.#laneOptions);
      const analyze = this.#analyzer(lane);
      this.#lanes = [...this.#lanes, lane];
      try {
        await lane.run(signal, {
          onCaughtUp: () => {
            for (const { name } of group) this.#interrupted.delete(name);
            analyze();
            onCaughtUp();
          },
        });
      } catch (error) {
        if (error instanceof TooManyParked) await halt(this.#options, error.member, 'parked', error.message);
        else if (error instanceof MemberFailure) this.#isolate(error.member);
        else if (!isOutage(error) && !isFenced(error) && group.length === 1)
          for (const member of group) this.#isolate(member);
        throw error;
      } finally {
        this.#lanes = this.#lanes.filter((other) => other !== lane);
      }
    });
  }

  /** To be called when the lane has caught up: after a load, Postgres is told what its tables now look like. */
  #analyzer(lane: Lane): () => void {
    const { pool, clock, logger } = this.#options;
    const tables = lane.members.flatMap(({ schema, projector }) =>
      projector.tables.map((table) => qualified(schema, table)),
    );
    let analyzed = 0;
    let nextAt = Number.NEGATIVE_INFINITY;
    return () => {
      if (lane.handled - analyzed < LOAD_EVENTS || clock.monotonic() < nextAt) return;
      analyzed = lane.handled;
      nextAt = clock.monotonic() + ANALYZE_EVERY_MS;
      pool.query(`ANALYZE ${tables.join(', ')}`).catch((error: unknown) => {
        logger.warn({ err: error, tables }, 'tables not analyzed after a load; queries may be slow for some minutes');
      });
    };
  }

  /** Brings lanes that have caught up to the same position, so that the next round runs them as one. */
  async #level(groups: readonly (readonly Member[])[], signal: AbortSignal): Promise<void> {
    const together = groups.filter((group) => !this.#isIsolated(group));
    const positions = together.map(([member]) => member?.position ?? 0n);
    const front = positions.sort((a, b) => (a < b ? -1 : 1)).at(-1) ?? 0n;
    for (const group of together) {
      if (group.some(({ position }) => position < front))
        await this.#withWriter(this.#patienceMs(group), (writer) =>
          new Lane(writer, group, this.#laneOptions).run(signal, { until: front }),
        );
    }
  }

  #groups(members: readonly Member[]): (readonly Member[])[] {
    const groups = new Map<string, Member[]>();
    for (const member of members) {
      const key = this.#isIsolated([member]) ? member.name : member.position.toString();
      groups.set(key, [...(groups.get(key) ?? []), member]);
    }
    return [...groups.values()];
  }

  #isIsolated([member]: readonly Member[]): boolean {
    return member !== undefined && (this.#isolated.get(member.name) ?? 0) > this.#options.clock.now();
  }

  #isolate(member: Member): void {
    this.#isolated.set(member.name, this.#options.clock.now() + ISOLATION_MS);
  }

  /** Ends when a checkpoint must be read again: somebody rebuilt, retried or resumed it, or the log is the right one again. */
  async #watch(members: readonly Member[], signal: AbortSignal): Promise<void> {
    const { pool, projectors, clock } = this.#options;
    const names = projectors.map(({ name }) => name);
    const run = new Map(members.map(({ name, generation }) => [name, generation]));
    const idleBefore = new Map<string, string>();
    while (!signal.aborted && clock.monotonic() < this.#prepareAgainAt) {
      const checkpoints = await readCheckpoints(pool, names);
      if (checkpoints.filter(({ name }) => run.has(name)).length < run.size) return;
      for (const checkpoint of checkpoints) {
        const { name, generation, status } = checkpoint;
        if (run.has(name) && (run.get(name) !== generation || status === 'halted')) return;
        if (!run.has(name) && (await this.#hasChanged(checkpoint, idleBefore))) return;
      }
      await sleep(clock, WATCH_MS, signal);
    }
  }

  /** For a projection that is not run: whether its state has changed since it was first seen, or it may run now. */
  async #hasChanged(checkpoint: Checkpoint, before: Map<string, string>): Promise<boolean> {
    const { name, version, generation, status, haltedBy } = checkpoint;
    const state = [version, generation, status].join();
    if (!before.has(name)) before.set(name, state);
    if (before.get(name) !== state) return true;
    const { store } = this.#options;
    return haltedBy === 'log' && (await logMismatch(store, checkpoint, await store.head())) === undefined;
  }

  /** 0 means no limit: a single projection delays no other. */
  #patienceMs(group: readonly Member[]): number {
    return group.length > 1 ? (this.#options.patienceMs ?? PATIENCE_MS) : 0;
  }

  async #withWriter(statementTimeoutMs: number, work: (writer: Writer) => Promise<void>): Promise<void> {
    const client = await this.#options.pool.connect();
    let failed = true;
    try {
      await client.query(`SET statement_timeout = ${statementTimeoutMs}`);
      await work(new Writer(client));
      await client.query('RESET statement_timeout');
      failed = false;
    } finally {
      client.release(failed); // after a failure the connection may be in any state
    }
  }

  async #backOff(
    error: unknown,
    failures: number,
    signal: AbortSignal,
    interrupted: readonly { readonly name: string }[] = this.#options.projectors,
  ): Promise<void> {
    const { clock, logger, random = systemRandom } = this.#options;
    const delayMs = backoffMs(BACKOFF, failures, random());
    const reason = error instanceof Error ? error.message : String(error);
    for (const { name } of interrupted) this.#interrupted.set(name, reason);
    logger.warn({ err: error, delayMs }, 'projections interrupted; trying again');
    await sleep(clock, delayMs, signal);
  }
}

/** The log or the database is unreachable: no projection can continue, and none is to blame. */
const isOutage = (error: unknown): boolean =>
  isTransientPostgresError(error) || (error instanceof AppError && error.retryable);
