import { MAX_POOLS } from '../../domain/pool/pools-in-use.ts';
import type { Clock } from '../../platform/clock.ts';
import type { PoolWatch } from './pool-watch.ts';

/** A pool that was admitted counts for this long even if nothing of it is in the log yet. */
const ADMITTED_MS = 10_000;

export type PoolRoomOptions = {
  readonly watch: Pick<PoolWatch, 'pools'>;
  readonly clock: Clock;
  /** Default: `MAX_POOLS`. */
  readonly limit?: number;
};

/** Whether another pool may come into use. Several processes decide this, each for itself: together they may exceed the limit by a few. */
export class PoolRoom {
  readonly #options: PoolRoomOptions;
  /** Until when each pool that is not in use yet counts, on the monotonic clock. */
  readonly #admitted = new Map<string, number>();

  constructor(options: PoolRoomOptions) {
    this.#options = options;
  }

  get limit(): number {
    return this.#options.limit ?? MAX_POOLS;
  }

  admits(pool: string): boolean {
    const { watch, clock } = this.#options;
    if (watch.pools === undefined || watch.pools.has(pool)) return true;
    const now = clock.monotonic();
    for (const [admitted, until] of this.#admitted)
      if (until <= now || watch.pools.has(admitted)) this.#admitted.delete(admitted);
    if (!this.#admitted.has(pool) && watch.pools.size + this.#admitted.size >= this.limit) return false;
    this.#admitted.set(pool, now + ADMITTED_MS);
    return true;
  }
}
