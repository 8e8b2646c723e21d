import pg from 'pg';
import type { Position } from '../eventstore/event-store.ts';
import { type Clock, sleep } from '../platform/clock.ts';
import { AppError } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import { projectors } from './registry.ts';

const CHANNEL = 'baton_projection';
/** Also without a notification (it may be lost with its connection) waiting queries look this often. */
const POLL_MS = 250;
const RECONNECT_MS = 500;

export type FreshnessOptions = {
  readonly pool: Pick<pg.Pool, 'query'>;
  /** For the connection that listens; a pooled one would be handed to others. */
  readonly databaseUrl: string;
  readonly clock: Clock;
  readonly logger: Logger;
};

type Waiter = { readonly position: Position; readonly resolve: () => void };

/** Tells when the read models hold the log up to a position: the runner's transaction notifies, all waiters of a process share one listener. */
export class Freshness {
  readonly #options: FreshnessOptions;
  readonly #stopping = new AbortController();
  readonly #waiters = new Set<Waiter>();
  #listening: Promise<void> = Promise.resolve();
  /** The lowest checkpoint seen. It may go back in a rebuild, so it only ever answers the question it was read for. */
  #position: Position = -1n;
  #looking: Promise<void> | undefined;
  #again = false;

  private constructor(options: FreshnessOptions) {
    this.#options = options;
  }

  static start(options: FreshnessOptions): Freshness {
    const freshness = new Freshness(options);
    freshness.#listening = freshness.#listen();
    return freshness;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#listening;
  }

  /**
   * Resolves once every read model reflects the log up to `position`.
   *
   * Errors: `AppError` `STALE_READ` (retryable) after `timeoutMs`.
   */
  async waitFor(position: Position, { timeoutMs }: { readonly timeoutMs: number }): Promise<void> {
    if (this.#position >= position) return;
    const { clock } = this.#options;
    const giveUp = new AbortController();
    let waiter: Waiter | undefined;
    const fresh = new Promise<'fresh'>((resolve) => {
      waiter = { position, resolve: () => resolve('fresh') };
      this.#waiters.add(waiter);
    });
    void this.#look();
    const outcome = await Promise.race([fresh, sleep(clock, timeoutMs, giveUp.signal)]);
    giveUp.abort();
    this.#waiters.delete(waiter as Waiter);
    if (outcome === 'fresh') return;
    throw new AppError('STALE_READ', `the read models are at position ${this.#position}, not yet at ${position}`, {
      retryable: true,
      details: { position: this.#position.toString(), wanted: position.toString() },
    });
  }

  /** One question to Postgres at a time, however many wait; one asked meanwhile is asked once more, since its answer may be newer. */
  #look(): Promise<void> {
    if (this.#looking) this.#again = true;
    else
      this.#looking = this.#read().finally(() => {
        this.#looking = undefined;
        if (this.#again) void this.#look();
        this.#again = false;
      });
    return this.#looking;
  }

  async #read(): Promise<void> {
    const names = projectors.map(({ name }) => name);
    try {
      const { rows } = await this.#options.pool.query<{ position: bigint | null; count: bigint }>(
        'SELECT min(position) AS position, count(*) AS count FROM baton.checkpoints WHERE name = ANY($1::text[])',
        [names],
      );
      const row = rows[0];
      this.#position = row?.position != null && row.count === BigInt(names.length) ? row.position : -1n;
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'the checkpoints could not be read');
      return;
    }
    for (const waiter of this.#waiters) if (waiter.position <= this.#position) waiter.resolve();
  }

  async #listen(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#listenOnce(signal);
      } catch (error) {
        this.#options.logger.debug({ err: error }, 'the listener of the read models was cut off');
      }
      await sleep(this.#options.clock, RECONNECT_MS, signal);
    }
  }

  async #listenOnce(signal: AbortSignal): Promise<void> {
    const client = new pg.Client({ connectionString: this.#options.databaseUrl, application_name: 'baton freshness' });
    const lost = new Promise<never>((_, reject) => {
      client.on('error', reject);
      client.on('end', () => reject(new Error('the connection ended')));
    });
    lost.catch(() => {}); // also when nobody waits for it any more
    try {
      await client.connect();
      client.on('notification', () => this.#waiters.size > 0 && void this.#look());
      await client.query(`LISTEN ${CHANNEL}`);
      while (!signal.aborted) {
        await Promise.race([sleep(this.#options.clock, POLL_MS, signal), lost]);
        if (this.#waiters.size > 0) await this.#look();
      }
    } finally {
      await client.end().catch(() => {}); // it may be the broken one
    }
  }
}
