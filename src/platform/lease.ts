import type pg from 'pg';
import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';

/**
 * A time-limited claim on a job, for as long as `signal` is not aborted. It keeps others from doing the same work; it is no proof:
 * a process that slept past its lease finds out only afterwards, so what it writes must be refused by what it writes to.
 */
export interface Lease {
  readonly name: string;
  readonly holder: string;
  /** Grows by one with each claim of this name. */
  readonly epoch: bigint;
  /** Aborted when the lease was lost or released. */
  readonly signal: AbortSignal;
  /** Asks Postgres whether the lease still is ours, and renews it. Rejects when Postgres cannot be asked. */
  confirm(): Promise<boolean>;
  /** Lets the next one in at once. Never rejects: where Postgres cannot be reached the lease runs out by itself. */
  release(): Promise<void>;
}

export type LeaseOptions = {
  /** Of the job, for example `projections` or `pool/default/build`. */
  readonly name: string;
  /** Who claims it, for people to read. Two claims never share a lease, whatever their holders. */
  readonly holder: string;
  /** Unrenewed for this long it may be taken by another; measured by Postgres's clock there, by `clock.monotonic` here. */
  readonly ttlMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
};

const CLAIM = `
  INSERT INTO baton.leases AS l (name, holder, epoch, expires_at)
  VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 millisecond')
  ON CONFLICT (name) DO UPDATE
    SET holder = excluded.holder, epoch = l.epoch + 1, expires_at = clock_timestamp() + $3 * interval '1 millisecond'
    WHERE l.expires_at <= clock_timestamp()
  RETURNING epoch`;

/** A renewal still under way when its lease is released must not bring it back. */
const RENEW = `
  UPDATE baton.leases SET expires_at = clock_timestamp() + $3 * interval '1 millisecond'
  WHERE name = $1 AND epoch = $2 AND expires_at > '-infinity'`;

const RELEASE = `UPDATE baton.leases SET expires_at = '-infinity' WHERE name = $1 AND epoch = $2`;

class HeldLease implements Lease {
  readonly name: string;
  readonly holder: string;
  readonly epoch: bigint;
  readonly #pool: pg.Pool;
  readonly #options: LeaseOptions;
  readonly #lost = new AbortController();
  #cancelRenewal: () => void = () => {};
  #cancelDeadline: () => void = () => {};

  constructor(pool: pg.Pool, options: LeaseOptions, epoch: bigint, claimedAt: number) {
    this.#pool = pool;
    this.#options = options;
    this.name = options.name;
    this.holder = options.holder;
    this.epoch = epoch;
    this.#heldFrom(claimedAt);
    this.#scheduleRenewal();
  }

  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  async confirm(): Promise<boolean> {
    if (this.signal.aborted) return false;
    // Counted from before the question, so that here the lease always ends earlier than in Postgres.
    const askedAt = this.#options.clock.monotonic();
    const { rowCount } = await this.#pool.query(RENEW, [this.name, this.epoch, this.#options.ttlMs]);
    if (rowCount === 0) this.#lose('another holder took it');
    else if (!this.signal.aborted) this.#heldFrom(askedAt);
    return !this.signal.aborted;
  }

  async release(): Promise<void> {
    this.#end();
    try {
      await this.#pool.query(RELEASE, [this.name, this.epoch]);
    } catch (error) {
      this.#options.logger.warn({ err: error, lease: this.name }, 'lease not released; it runs out by itself');
    }
  }

  /** Every success moves the deadline; failures to reach Postgres do not, so only the time-to-live decides on loss. */
  #heldFrom(monotonicMs: number): void {
    const { clock, ttlMs } = this.#options;
    this.#cancelDeadline();
    this.#cancelDeadline = clock.schedule(monotonicMs + ttlMs - clock.monotonic(), () =>
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
      this.#options.logger.warn({ err: error, lease: this.name }, 'lease not renewed; trying again until it runs out');
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
 * Claims a job unless another claim of it is unexpired; renews it three times per time-to-live until it is released or lost.
 * Not reaching Postgres is no loss until the time-to-live has passed since the last renewal.
 *
 * Errors: rejects when Postgres cannot be asked.
 */
export const acquireLease = async (pool: pg.Pool, options: LeaseOptions): Promise<Lease | undefined> => {
  const claimedAt = options.clock.monotonic();
  const { rows } = await pool.query<{ epoch: bigint }>(CLAIM, [options.name, options.holder, options.ttlMs]);
  const epoch = rows[0]?.epoch;
  return epoch === undefined ? undefined : new HeldLease(pool, options, epoch, claimedAt);
};
