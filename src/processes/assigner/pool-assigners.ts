import { type PoolServer, planLeaders } from '../../domain/pool/leading-plan.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import type { Lease } from '../../platform/lease.ts';
import type { Logger } from '../../platform/logger.ts';
import type { LeaderDeps, LeaderStatus } from '../leader.ts';
import type { AssignerCounters } from './assigner.ts';
import type { PoolLeases, PoolsLed } from './pool-leases.ts';

/** How often each process looks who leads. */
const LOOK_EVERY_MS = 250;
/** A pool that the process which should lead it has not taken for this long goes to any other. */
const PATIENCE_MS = 400;
/** A leader that has more than its share gives a pool up once that was so for this long. */
const YIELD_AFTER_MS = 2_000;
/** By then another process has taken what this one gave up. */
const YIELDED_MS = 5_000;

/** An `Assigner`, as far as this knows it. */
export type PoolProcess = {
  readonly counters: AssignerCounters;
  status(): LeaderStatus;
  tasksWithoutReason(): number | undefined;
  run(signal: AbortSignal): Promise<void>;
};

export type PoolAssignersDeps = {
  readonly pools: {
    /** In use, of all processes together. */
    readonly all: readonly string[];
    /** Those that this process may lead. */
    readonly list: readonly string[];
    onChange(listener: () => void): () => void;
  };
  readonly processId: string;
  readonly leases: PoolLeases;
  readonly create: (pool: string, acquireLease: LeaderDeps['acquireLease']) => PoolProcess;
  readonly onCreated?: (pool: string, assigner: PoolProcess) => () => void;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** An assigner that runs all the time, and leads when it may. */
class Candidate {
  readonly assigner: PoolProcess;
  /** Since when nobody leads, and since when another should, on the monotonic clock. */
  freeSince: number | undefined;
  unwantedSince: number | undefined;
  notBefore = 0;
  forget: () => void = () => {};
  #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #mayLead = false;
  #wake: () => void = () => {};

  constructor(create: (acquireLease: LeaderDeps['acquireLease']) => PoolProcess, acquire: LeaderDeps['acquireLease']) {
    this.assigner = create(async () => {
      await this.#untilItMayLead();
      return this.#stopping.signal.aborted ? undefined : acquire();
    });
    this.#start();
  }

  set mayLead(may: boolean) {
    this.#mayLead = may;
    if (may) this.#wake();
  }

  /** Ends its term, if it leads; afterwards it stands by. */
  async standDown(): Promise<void> {
    await this.stop();
    this.#start();
  }

  async stop(): Promise<void> {
    this.#mayLead = false;
    this.#stopping.abort();
    this.#wake();
    await this.#running;
  }

  #start(): void {
    this.#stopping = new AbortController();
    this.#running = this.assigner.run(this.#stopping.signal);
  }

  async #untilItMayLead(): Promise<void> {
    while (!this.#mayLead && !this.#stopping.signal.aborted)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
  }
}

/**
 * Leads the pools in use together with the other processes that do: each takes its share of what it may lead (`planLeaders`), and what
 * nobody else takes. The leases decide; the plan only spreads the work.
 */
export class PoolAssigners {
  readonly #deps: PoolAssignersDeps;
  readonly #candidates = new Map<string, Candidate>();
  #presence: Lease | undefined;
  #wake = new AbortController();

  constructor(deps: PoolAssignersDeps) {
    this.#deps = deps;
  }

  list(): { readonly pool: string; readonly assigner: PoolProcess }[] {
    return [...this.#candidates].map(([pool, { assigner }]) => ({ pool, assigner }));
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, pools } = this.#deps;
    const endWatch = pools.onChange(() => this.#wake.abort());
    while (!signal.aborted) {
      this.#wake = new AbortController();
      await this.#look();
      await sleep(clock, LOOK_EVERY_MS, AbortSignal.any([signal, this.#wake.signal]));
    }
    endWatch();
    await Promise.all([...this.#candidates.values()].map((candidate) => candidate.stop()));
    await this.#presence?.release();
  }

  async #look(): Promise<void> {
    const { leases, logger } = this.#deps;
    await this.#letGo();
    try {
      if (!this.#presence?.isHeld()) this.#presence = await leases.join();
      await this.#apply(await leases.look());
    } catch (error) {
      // Whoever leads goes on until its lease ends.
      logger.debug({ err: error }, 'the leases of the pools could not be read');
    }
  }

  async #letGo(): Promise<void> {
    const { list } = this.#deps.pools;
    for (const [pool, candidate] of this.#candidates) {
      if (list.includes(pool)) continue;
      await candidate.stop();
      candidate.forget();
      this.#candidates.delete(pool);
    }
  }

  async #apply({ servers, leaders, lapsed }: PoolsLed): Promise<void> {
    const { pools, processId, clock } = this.#deps;
    const now = clock.monotonic();
    const plan = planLeaders(pools.all, withoutTheDead(servers, pools.all, lapsed), leaders);
    let yields: Candidate | undefined;
    for (const pool of pools.list) {
      const candidate = this.#candidateFor(pool);
      const leader = leaders.get(pool);
      const planned = plan.get(pool);
      if (leader !== undefined) candidate.freeSince = undefined;
      else candidate.freeSince ??= now;
      const isLeftTo = candidate.freeSince !== undefined && now - candidate.freeSince >= PATIENCE_MS;
      candidate.mayLead = leader === undefined && now >= candidate.notBefore && (planned === processId || isLeftTo);
      if (leader !== processId || planned === undefined || planned === processId) candidate.unwantedSince = undefined;
      else candidate.unwantedSince ??= now;
      if (candidate.unwantedSince !== undefined && now - candidate.unwantedSince >= YIELD_AFTER_MS)
        yields ??= candidate;
    }
    if (yields) await this.#yield(yields, now);
  }

  /** One at a time, so that most of the pools are led at any moment. */
  async #yield(candidate: Candidate, now: number): Promise<void> {
    candidate.notBefore = now + YIELDED_MS;
    candidate.unwantedSince = undefined;
    await candidate.standDown();
  }

  #candidateFor(pool: string): Candidate {
    const known = this.#candidates.get(pool);
    if (known) return known;
    const { create, leases, onCreated } = this.#deps;
    const candidate = new Candidate(
      (acquireLease) => create(pool, acquireLease),
      () => leases.acquire(pool),
    );
    candidate.forget = onCreated?.(pool, candidate.assigner) ?? candidate.forget;
    this.#candidates.set(pool, candidate);
    return candidate;
  }
}

/** Whoever let the lease of a pool in use run out is not expected to take any. */
const withoutTheDead = (
  servers: readonly PoolServer[],
  pools: readonly string[],
  lapsed: ReadonlyMap<string, string>,
): readonly PoolServer[] => {
  const dead = new Set(pools.map((pool) => lapsed.get(pool)));
  return servers.filter(({ id }) => !dead.has(id));
};
