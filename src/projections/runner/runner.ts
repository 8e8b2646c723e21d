import type pg from 'pg';
import { type Backoff, backoffMs } from '../../domain/retry.ts';
import { decodeEvent } from '../../eventstore/codec.ts';
import type { EventStore, Position } from '../../eventstore/event-store.ts';
import { type Clock, type Random, sleep, systemRandom } from '../../platform/clock.ts';
import { AppError } from '../../platform/errors.ts';
import { acquireLease, type Lease } from '../../platform/lease.ts';
import type { Logger } from '../../platform/logger.ts';
import { isTransientPostgresError } from '../../platform/postgres.ts';
import type { Projector } from '../projector.ts';
import { type Checkpoint, logMismatch, readCheckpoints } from './checkpoint.ts';
import type { Decode } from './fold.ts';
import { type Feed, Lane, type LaneOptions, MemberTrouble } from './lane.ts';
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
  /** This process, for people to read. */
  readonly holder: string;
  readonly leaseMs: number;
  readonly decode?: Decode;
  readonly maxBatch?: number;
  readonly lingerMs?: number;
  readonly maxParked?: number;
  /** A statement for several projections that takes longer is given up; then each goes on alone, however long it takes. */
  readonly patienceMs?: number;
};

export type RunnerStatus = {
  /** `standing_by` while another process runs the projections. */
  readonly state: 'stopped' | 'standing_by' | 'leading';
  readonly lanes: readonly { readonly projections: readonly string[]; readonly position: Position }[];
};

const MAX_BATCH = 1_000;
const LINGER_MS = 15;
const MAX_PARKED = 1_000;
const BACKOFF: Backoff = { baseMs: 100, maxMs: 5_000 };
/** How soon a rebuild or a retry that another process asked for is noticed when no event comes. */
const WATCH_MS = 500;
const PATIENCE_MS = 10_000;
const LOOK_AGAIN_MS = 30_000;
/** A projection that had to go on alone may join the others again after this. */
const ALONE_MS = 300_000;

/** The name of the lease of all projections: they share transactions, so one process runs them all. */
export const PROJECTIONS_LEASE = 'projections';

/**
 * Keeps read models up to date: one of several processes leads, the others stand by. Projections at the same position share a lane;
 * one that has to catch up, or has trouble of its own, gets another until it has caught up.
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
  /** Projections that must not hold up others, and until when. */
  readonly #alone = new Map<string, number>();
  /** On the monotonic clock: when a projection that could not be prepared is tried again. */
  #lookAgainAt = Number.POSITIVE_INFINITY;

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

  /** What was being written is finished first; the lease is free afterwards. */
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

  /** From a fresh look at the checkpoints until something happens that asks for another one. */
  async #round(signal: AbortSignal): Promise<void> {
    this.#lookAgainAt = Number.POSITIVE_INFINITY;
    const members = await this.#prepareAll(this.#options.projectors);
    const round = new AbortController();
    const ended = AbortSignal.any([signal, round.signal]);
    const groups = this.#groups(members);
    const caughtUp = new Set<readonly Member[]>();
    const canMerge = (): boolean => {
      const together = groups.filter((group) => !this.#isAlone(group));
      return together.length > 1 && together.every((group) => caughtUp.has(group));
    };
    const runs = groups.map((group) =>
      this.#runGroup(group, ended, () => {
        caughtUp.add(group);
        if (canMerge()) round.abort();
      }),
    );
    // What ends one ends the others, after what they are writing.
    const ends = [...runs, this.#watch(members, ended)].map((run) => run.finally(() => round.abort()));
    const failure = (await Promise.allSettled(ends)).find((end) => end.status === 'rejected');
    this.#lanes = [];
    if (failure) throw failure.reason;
    if (canMerge() && !signal.aborted) await this.#level(groups, signal);
  }

  /** One that is alone because of its troubles keeps them to itself. */
  async #runGroup(group: readonly Member[], signal: AbortSignal, onCaughtUp: () => void): Promise<void> {
    if (!this.#isAlone(group)) return this.#runLane(group, signal, onCaughtUp);
    let members: readonly Member[] = group;
    for (let failures = 1; !signal.aborted && members.length > 0; failures += 1) {
      try {
        return await this.#runLane(members, signal, onCaughtUp);
      } catch (error) {
        if (isFenced(error)) throw error;
        await this.#backOff(error, failures, signal);
        members = await this.#prepareAll(members.map(({ projector }) => projector));
      }
    }
  }

  /** Those that can be run. */
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
        this.#lookAgainAt = Math.min(this.#lookAgainAt, this.#options.clock.monotonic() + LOOK_AGAIN_MS);
      }
    }
    return members;
  }

  async #runLane(group: readonly Member[], signal: AbortSignal, onCaughtUp: () => void): Promise<void> {
    await this.#withWriter(this.#patienceMs(group), async (writer) => {
      const lane = new Lane(writer, group, this.#laneOptions);
      this.#lanes = [...this.#lanes, lane];
      try {
        await lane.run(signal, { onCaughtUp });
      } catch (error) {
        if (error instanceof TooManyParked) await halt(this.#options, error.member, 'parked', error.message);
        else if (error instanceof MemberTrouble) this.#leaveAlone(error.member);
        else if (!isOutage(error) && !isFenced(error) && group.length === 1)
          for (const member of group) this.#leaveAlone(member);
        throw error;
      } finally {
        this.#lanes = this.#lanes.filter((other) => other !== lane);
      }
    });
  }

  /** Brings lanes that have caught up to one position, so that the next round runs them as one. */
  async #level(groups: readonly (readonly Member[])[], signal: AbortSignal): Promise<void> {
    const together = groups.filter((group) => !this.#isAlone(group));
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
      const key = this.#isAlone([member]) ? member.name : member.position.toString();
      groups.set(key, [...(groups.get(key) ?? []), member]);
    }
    return [...groups.values()];
  }

  #isAlone([member]: readonly Member[]): boolean {
    return member !== undefined && (this.#alone.get(member.name) ?? 0) > this.#options.clock.now();
  }

  #leaveAlone(member: Member): void {
    this.#alone.set(member.name, this.#options.clock.now() + ALONE_MS);
  }

  /** Ends when a checkpoint asks for a fresh look: rebuilt, retried or let go on by someone, or the log is the right one again. */
  async #watch(members: readonly Member[], signal: AbortSignal): Promise<void> {
    const { pool, projectors, clock } = this.#options;
    const names = projectors.map(({ name }) => name);
    const run = new Map(members.map(({ name, generation }) => [name, generation]));
    const idleBefore = new Map<string, string>();
    while (!signal.aborted && clock.monotonic() < this.#lookAgainAt) {
      const checkpoints = await readCheckpoints(pool, names);
      if (checkpoints.filter(({ name }) => run.has(name)).length < run.size) return;
      for (const checkpoint of checkpoints) {
        const { name, generation, status } = checkpoint;
        if (run.has(name) && (run.get(name) !== generation || status === 'halted')) return;
        if (!run.has(name) && (await this.#isWorthALook(checkpoint, idleBefore))) return;
      }
      await sleep(clock, WATCH_MS, signal);
    }
  }

  /** About a projection that is not run: is it in another state than when first seen, or may it run now? */
  async #isWorthALook(checkpoint: Checkpoint, before: Map<string, string>): Promise<boolean> {
    const { name, version, generation, status, haltedBy } = checkpoint;
    const state = [version, generation, status].join();
    if (!before.has(name)) before.set(name, state);
    if (before.get(name) !== state) return true;
    const { store } = this.#options;
    return haltedBy === 'log' && (await logMismatch(store, checkpoint, await store.head())) === undefined;
  }

  /** 0 is for ever: one on its own holds up nobody. */
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
      client.release(failed); // a connection that failed may be in any state
    }
  }

  async #backOff(error: unknown, failures: number, signal: AbortSignal): Promise<void> {
    const { clock, logger, random = systemRandom } = this.#options;
    const delayMs = backoffMs(BACKOFF, failures, random());
    logger.warn({ err: error, delayMs }, 'projections interrupted; trying again');
    await sleep(clock, delayMs, signal);
  }
}

/** Log or database cannot be reached: no projection can go on, and none of them is to blame. */
const isOutage = (error: unknown): boolean =>
  isTransientPostgresError(error) || (error instanceof AppError && error.retryable);
