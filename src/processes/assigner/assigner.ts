import type { Position } from '../../eventstore/event-store.ts';
import { sleep } from '../../platform/clock.ts';
import type { Lease } from '../../platform/lease.ts';
import { Fenced, Reign, type ReignDeps } from './reign.ts';

/** How often a process that does not lead asks for the lease. */
const STAND_BY_MS = 500;

export type AssignerDeps = ReignDeps & {
  /** The lease only saves work: the fence is the ledger's expected revision. Undefined when another process holds it. */
  readonly acquireLease: () => Promise<Lease | undefined>;
};

export type AssignerCounters = {
  /** Assignments appended, and appends that carried them. */
  assigned: number;
  appends: number;
  /** Times another writer took the ledger over. */
  fenced: number;
  /** Jobs offered again because Redis had lost them, or might have. */
  reoffered: number;
  /** Attempts given up because they did not close in time. */
  expired: number;
};

/**
 * The one writer of a pool's ledger. Stands by until it gets the lease, then leads (see `Reign`); starts over after any failure, because
 * what it holds in memory is only a fold of the log.
 */
export class Assigner {
  readonly counters: AssignerCounters = { assigned: 0, appends: 0, fenced: 0, reoffered: 0, expired: 0 };
  readonly #deps: AssignerDeps;
  #reign: Reign | undefined;

  constructor(deps: AssignerDeps) {
    this.#deps = deps;
  }

  status(): { leading: boolean; openTasks: number; waitingTasks: number; position: Position | undefined } {
    const reign = this.#reign;
    return {
      leading: reign?.leading ?? false,
      openTasks: reign?.ledger.openTasks ?? 0,
      waitingTasks: reign?.ledger.waitingTasks ?? 0,
      position: reign?.position,
    };
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, pool } = this.#deps;
    while (!signal.aborted) {
      try {
        await this.#lead(signal);
      } catch (error) {
        if (error instanceof Fenced) {
          this.counters.fenced += 1;
          logger.warn({ pool, reason: error.message }, 'another assigner took the pool over; standing by');
        } else logger.error({ pool, err: error }, 'the assigner starts over');
      }
      await sleep(clock, STAND_BY_MS, signal);
    }
  }

  async #lead(signal: AbortSignal): Promise<void> {
    const lease = await this.#deps.acquireLease();
    if (!lease) return;
    try {
      this.#reign = await Reign.begin(this.#deps, this.counters);
      await this.#reign.run(AbortSignal.any([signal, lease.signal]));
    } finally {
      this.#reign = undefined;
      await lease.release();
    }
  }
}
