import type pg from 'pg';
import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';

/**
 * A time-limited claim on a job, valid until `signal` is aborted. It saves duplicate work but proves nothing: a process that was
 * suspended past its lease notices only afterwards, so the store it writes to must reject a stale holder's writes.
 */
export interface Lease {
  readonly name: string;
  readonly holder: string;
  /** The fencing token: grows by one with each claim of this name. */
  readonly epoch: bigint;
  /** Aborted when the lease was lost or released. */
  readonly signal: AbortSignal;
  /**
   * Whether the lease is still ours by this process's clock; aborts `signal` when it is not. To be asked before each decision: a process
   * that was suspended past its lease may run on for a moment before the timer that aborts the signal has its turn.
   */
  isHeld(): boolean;
  /**
   * The time, in milliseconds since the epoch: Postgres's at the last claim or renewal, and what has passed since then on the monotonic
   * clock. Holders that follow each other agree on it, whatever their own wall clocks show.
   */
  now(): number;
  /** Checks in Postgres that the lease is still ours, and renews it. Rejects when Postgres is unreachable. */
  confirm(): Promise<boolean>;
  /** Lets the next holder in at once. Never rejects: when Postgres is unreachable, the lease simply expires. */
  release(): Promise<void>;
}

export type LeaseOptions = {
  /** Name of the job, for example `projections` or `pool/default/build`. */
  readonly name: string;
  /** Who claims it, for people to read. Two claims never share a lease, even with the same holder. */
  readonly holder: string;
  /** Others may take the lease when it was not renewed for this long, by Postgres's clock. This process counts with `clock.monotonic`. */
  readonly ttlMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
};

const NOW_MS = `(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS "nowMs"`;

const CLAIM = `
  INSERT INTO baton.leases AS l (name, holder, epoch, expires_at)
  VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 millisecond')
  ON CONFLICT (name) DO UPDATE
    SET holder = excluded.holder, epoch = l.epoch + 1, expires_at = clock_timestamp() + $3 * interval '1 millisecond'
    WHERE l.expires_at <= clock_timestamp()
  RETURNING epoch, ${NOW_MS}`;

/** A renewal that is still in flight when the lease is released must not revive it. */
const RENEW = `
  UPDATE baton.leases SET expires_at = clock_timestamp() + $3 * interval '1 millisecond'
  WHERE name = $1 AND epoch = $2 AND expires_at > '-infinity'
  RETURNING ${NOW_MS}`;

const RELEASE = `UPDATE baton.leases SET expires_at = '-infinity' WHERE name = $1 AND epoch = $2`;

type Renewed = { readonly nowMs: number };
type Claimed = Renewed & { readonly epoch: bigint };

class HeldLease implements Lease {
  readonly name: string;
  readonly holder: string;
  readonly epoch: bigint;
  readonly #pool: pg.Pool;
  readonly #options: LeaseOptions;
  readonly #lost = new AbortController();
  #cancelRenewal: () => void = () => {};
  #cancelDeadline: () => void = () => {};
  /** On the monotonic clock. */
  #heldUntil = 0;
  /** Of Postgres's clock, from the monotonic one. */
  #offsetMs = Number.NEGATIVE_INFINITY;

  constructor(pool: pg.Pool, options: LeaseOptions, { epoch, nowMs }: Claimed, claimedAt: number) {
    this.#pool = pool;
    this.#options = options;
    this.name = options.name;
    this.holder = options.holder;
    this.epoch = epoch;
    this.#setTime(claimedAt, nowMs);
    this.#heldFrom(claimedAt);
    this.#scheduleRenewal();
  }

  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  isHeld(): boolean {
    if (this.#options.clock.monotonic() >= this.#heldUntil) this.#lose('it was not renewed in time');
    return !this.signal.aborted;
  }

  now(): number {
    return Math.floor(this.#options.clock.monotonic() + this.#offsetMs);
  }

  async confirm(): Promise<boolean> {
    if (this.signal.aborted) return false;
    // Counted from before the query, so that the lease always ends earlier here than in Postgres.
    const askedAt = this.#options.clock.monotonic();
    const { rows } = await this.#pool.query<Renewed>(RENEW, [this.name, this.epoch, this.#options.ttlMs]);
    const [renewed] = rows;
    if (renewed === undefined) this.#lose('another holder took it');
    else if (!this.signal.aborted) {
      this.#setTime(askedAt, renewed.nowMs);
      this.#heldFrom(askedAt);
    }
    return !this.signal.aborted;
  }

  async release(): Promise<void> {
    this.#end();
    try {
      await this.#pool.query(RELEASE, [this.name, this.epoch]);
    } catch (error) {
      this.#options.logger.warn(
        { err: error, lease: this.name },
        'could not release the lease; it will expire by itself',
      );
    }
  }

  /** Postgres said so at some time after it was asked and before now: what was known goes on where both agree. At first it counts as just said. */
  #setTime(askedAt: number, nowMs: number): void {
    const least = nowMs - this.#options.clock.monotonic();
    const most = nowMs - askedAt;
    this.#offsetMs = Math.min(Math.max(this.#offsetMs, least), most);
  }

  /** Only a successful renewal moves the deadline. A failure to reach Postgres does not lose the lease; running past `ttlMs` does. */
  #heldFrom(monotonicMs: number): void {
    const { clock, ttlMs } = this.#options;
    this.#heldUntil = monotonicMs + ttlMs;
    this.#cancelDeadline();
    this.#cancelDeadline = clock.schedule(this.#heldUntil - clock.monotonic(), () =>
      this.#lose('it was not renewed in time'),
    );
  }

  #scheduleRenewal(): void {
    this.#cancelRenewal = this.#options.clock.schedule(this.#options.ttlMs / 3, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    try {
      await this.confirm();
    } catch (error) {
      this.#options.logger.warn(
        { err: error, lease: this.name },
        'could not renew the lease; trying again until it expires',
      );
    }
    if (!this.signal.aborted) this.#scheduleRenewal();
  }

  #lose(why: string): void {
    if (this.signal.aborted) return;
    this.#options.logger.warn({ lease: this.name, holder: this.holder, epoch: this.epoch, why }, 'lease lost');
    this.#end();
  }

  #end(): void {
    this.#cancelRenewal();
    this.#cancelDeadline();
    this.#lost.abort();
  }
}

/**
 * Claims a job; undefined when another unexpired claim exists. Renews the claim three times per `ttlMs` until it is released or lost.
 * While Postgres is unreachable, the lease stays valid until `ttlMs` after the last renewal.
 *
 * Errors: rejects when Postgres is unreachable.
 */
export const acquireLease = async (pool: pg.Pool, options: LeaseOptions): Promise<Lease | undefined> => {
  const claimedAt = options.clock.monotonic();
  const { rows } = await pool.query<Claimed>(CLAIM, [options.name, options.holder, options.ttlMs]);
  const [claimed] = rows;
  return claimed && new HeldLease(pool, options, claimed, claimedAt);
};
