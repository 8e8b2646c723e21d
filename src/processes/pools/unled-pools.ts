import { type Clock, sleep } from '../../platform/clock.ts';
import type { Logger } from '../../platform/logger.ts';
import type { PoolsLed } from '../assigner/pool-leases.ts';
import type { PoolWatch } from './pool-watch.ts';

const LOOK_EVERY_MS = 1_000;
/** A pool that came into use just now, or whose leader has just stopped, is led within less. */
const UNLED_AFTER_MS = 2_000;

export type UnledPoolsOptions = {
  readonly watch: Pick<PoolWatch, 'pools'>;
  /** Errors: whatever keeps the leases from being read. */
  readonly look: () => Promise<Pick<PoolsLed, 'leaders'>>;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** Knows which pools in use no process leads: nothing in them is assigned. */
export class UnledPools {
  readonly #options: UnledPoolsOptions;
  /** Since when, on the monotonic clock. */
  readonly #unledSince = new Map<string, number>();

  constructor(options: UnledPoolsOptions) {
    this.#options = options;
  }

  get list(): readonly string[] {
    const now = this.#options.clock.monotonic();
    return [...this.#unledSince].filter(([, since]) => now - since >= UNLED_AFTER_MS).map(([pool]) => pool);
  }

  has(pool: string): boolean {
    return this.list.includes(pool);
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#look();
      } catch (error) {
        // Without Postgres nobody knows; the readiness of the process says so.
        this.#unledSince.clear();
        logger.debug({ err: error }, 'who leads the pools could not be read');
      }
      await sleep(clock, LOOK_EVERY_MS, signal);
    }
  }

  async #look(): Promise<void> {
    const { watch, look, clock } = this.#options;
    const { leaders } = await look();
    const now = clock.monotonic();
    for (const pool of this.#unledSince.keys())
      if (leaders.has(pool) || !watch.pools?.has(pool)) this.#unledSince.delete(pool);
    for (const pool of watch.pools ?? [])
      if (!leaders.has(pool) && !this.#unledSince.has(pool)) this.#unledSince.set(pool, now);
  }
}
