import type { BacklogCounts } from '../../domain/admission/backlog.ts';
import type { PoolControl } from '../../domain/admission/pool-control.ts';
import type { Position } from '../../eventstore/event-store.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import { AppError, notFound, unavailable } from '../../platform/errors.ts';
import type { BacklogWatch } from './backlog-watch.ts';

/** How long a query waits until this process has read the log up to a position, as for read models. */
const REACH_TIMEOUT_MS = 5_000;
const LOOK_EVERY_MS = 10;

/** What waits and runs of one capability. */
export type CapabilityBacklog = BacklogCounts & { readonly capability: string };

/** A pool as it works now. */
export type PoolView = {
  readonly name: string;
  readonly paused: PoolControl['paused'];
  /** Whether some process assigns its tasks. */
  readonly led: boolean;
  readonly waiting: number;
  readonly running: number;
  readonly backlog: readonly CapabilityBacklog[];
};

export type PoolsSeen = { readonly pools: readonly PoolView[]; readonly position: Position };

type Sources = {
  readonly watch: Pick<BacklogWatch, 'backlog' | 'status'>;
  readonly inUse: { readonly pools: ReadonlySet<string> | undefined };
  readonly unled: { has(pool: string): boolean };
  /** Of the log. */
  readonly head: () => Promise<Position | undefined>;
  readonly clock: Clock;
};

/** The pools of a tenant, from the memory of this process. */
export class PoolOverview {
  readonly #sources: Sources;

  constructor(sources: Sources) {
    this.#sources = sources;
  }

  /**
   * All pools by name, as of `atLeast` or later.
   *
   * Errors: `AppError` `UNAVAILABLE` before this process has read the log, `STALE_READ` when it does not get to `atLeast` in time.
   */
  async pools(atLeast?: Position | null): Promise<PoolsSeen> {
    const { watch, inUse, clock } = this.#sources;
    const position = await this.#reach(atLeast ?? 0n);
    const backlog = watch.backlog;
    if (!backlog) throw unavailable('this process is still reading the log; try again');
    const byPool = new Map<string, CapabilityBacklog[]>();
    for (const { pool, ...counts } of backlog.counts(clock.now()))
      byPool.set(pool, [...(byPool.get(pool) ?? []), counts]);
    const names = [...new Set([...(inUse.pools ?? []), ...backlog.pools])].sort();
    const pools = names.map((name) => this.#viewOf(name, backlog.controlOf(name), byPool.get(name) ?? []));
    return { pools, position };
  }

  /**
   * For commands, which would otherwise make a pool of a name that is mistyped.
   *
   * Errors: `AppError` `NOT_FOUND` for a pool without agents and open tasks about which nothing was decided; those of `pools`.
   */
  async expect(pool: string): Promise<void> {
    if (this.#knows(pool)) return;
    await this.#reach((await this.#sources.head()) ?? 0n);
    if (!this.#knows(pool)) throw notFound('pool', JSON.stringify(pool));
  }

  #knows(pool: string): boolean {
    const { watch, inUse } = this.#sources;
    return inUse.pools?.has(pool) === true || watch.backlog?.pools.includes(pool) === true;
  }

  /** Undefined before this process has read the log. */
  controlOf(pool: string): PoolControl | undefined {
    return this.#sources.watch.backlog?.controlOf(pool);
  }

  #viewOf(name: string, { paused }: PoolControl, backlog: readonly CapabilityBacklog[]): PoolView {
    const sum = (of: (each: CapabilityBacklog) => number): number =>
      backlog.reduce((total, each) => total + of(each), 0);
    const counts = { waiting: sum(({ waiting }) => waiting), running: sum(({ running }) => running) };
    return { name, paused, led: !this.#sources.unled.has(name), ...counts, backlog };
  }

  async #reach(atLeast: Position): Promise<Position> {
    const { watch, clock } = this.#sources;
    const until = clock.monotonic() + REACH_TIMEOUT_MS;
    for (;;) {
      const { leading, position } = watch.status();
      if (leading && position !== undefined && position >= atLeast) return position;
      if (!leading && atLeast === 0n) throw unavailable('this process is still reading the log; try again');
      if (clock.monotonic() >= until)
        throw new AppError('STALE_READ', `this process has read the log up to ${position ?? 0n}, not to ${atLeast}`, {
          retryable: true,
        });
      await sleep(clock, LOOK_EVERY_MS);
    }
  }
}
