import { type Clock, sleep } from '../../platform/clock.ts';
import type { PoolWatch } from './pool-watch.ts';

/** A pool that is no longer in use is served for this long: what comes and goes all the time need not be taken up again each time. */
const LINGER_MS = 60_000;
const LOOK_EVERY_MS = 10_000;

export type ServedPoolsOptions = {
  readonly watch: Pick<PoolWatch, 'pools' | 'onChange'>;
  /** The pools that this process may serve; undefined: any. */
  readonly only: readonly string[] | undefined;
  readonly clock: Clock;
};

/** The pools that this process serves: those in use, and for a while those that were. */
export class ServedPools {
  readonly #options: ServedPoolsOptions;
  /** When each pool was seen in use last, on the monotonic clock. */
  readonly #seen = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  readonly #endWatch: () => void;

  constructor(options: ServedPoolsOptions) {
    this.#options = options;
    this.#endWatch = options.watch.onChange(() => this.#look());
    this.#look();
  }

  /** Of all processes together. */
  get all(): readonly string[] {
    return [...this.#seen.keys()];
  }

  get list(): readonly string[] {
    const { only } = this.#options;
    return only === undefined ? this.all : this.all.filter((pool) => only.includes(pool));
  }

  /** Calls the listener when `list` or `all` changed. Returns how to end that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Lets go what is no longer used, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#options.clock, LOOK_EVERY_MS, signal);
      this.#look();
    }
    this.#endWatch();
  }

  #look(): void {
    const now = this.#options.clock.monotonic();
    const before = this.#seen.size;
    let changed = false;
    for (const pool of this.#options.watch.pools ?? []) {
      changed ||= !this.#seen.has(pool);
      this.#seen.set(pool, now);
    }
    const { pools } = this.#options.watch;
    for (const [pool, seenAt] of this.#seen)
      if (!pools?.has(pool) && now - seenAt >= LINGER_MS) this.#seen.delete(pool);
    if (changed || this.#seen.size < before) for (const listener of this.#listeners) listener();
  }
}
