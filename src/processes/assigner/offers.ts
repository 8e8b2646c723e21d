import type { AttemptJob, AttemptOffers } from '../../dispatch/queues/attempt-queue.ts';
import type { PoolLedger } from '../../domain/pool/ledger.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Logger } from '../../platform/logger.ts';

const SENTINEL_EVERY_MS = 1_000;
/** Every open assignment is offered again this often: what Redis lost without our noticing costs at most this much time. */
const REOFFER_EVERY_MS = 15_000;
const OFFER_CHUNK = 1_000;
/** Decisions wait when the queue is this many offers behind. */
const MAX_OFFERS_IN_FLIGHT = 8;

export type OffersDeps = {
  readonly tenant: string;
  readonly ledger: PoolLedger;
  readonly queue: AttemptOffers;
  readonly counters: { reoffered: number };
  readonly clock: Clock;
  readonly logger: Logger;
};

/** Offers a pool's assignments to the dispatchers, and again whenever the queue lost them or might have. */
export class Offers {
  /** The check of the queue, for as long as this process leads. */
  readonly chore = { everyMs: SENTINEL_EVERY_MS, run: () => this.#watchQueue() };
  readonly #deps: OffersDeps;
  readonly #inFlight = new Set<Promise<void>>();
  #failed = false;
  #offeredAt: number;

  constructor(deps: OffersDeps) {
    this.#deps = deps;
    this.#offeredAt = deps.clock.monotonic();
  }

  /** Offers all open assignments, before the first decision. */
  async takeOver(): Promise<void> {
    try {
      // From here on a changed sentinel means that jobs were lost.
      await this.#deps.queue.ensureSentinel(this.#deps.ledger.pool);
      await this.#offerOpen();
    } catch (error) {
      this.#failed = true;
      this.#deps.logger.warn(
        { err: error },
        'the queue cannot be reached; open assignments will be offered when it is back',
      );
    }
  }

  /**
   * Offers new assignments. Resolves when the next may be decided, which is not when these are taken: an assignment is a fact already,
   * and what is lost here is offered again.
   */
  async offer(assignments: readonly { taskId: string; attempt: number; agentId: string }[]): Promise<void> {
    const jobs = assignments.map((assignment) => this.#jobOf(assignment));
    const { queue, logger } = this.#deps;
    const offering = queue
      .offer(jobs, 'first')
      .catch((error: unknown) => {
        this.#failed = true;
        logger.warn({ err: error, jobs: jobs.length }, 'jobs could not be offered; they will be offered again');
      })
      .finally(() => this.#inFlight.delete(offering));
    this.#inFlight.add(offering);
    if (this.#inFlight.size > MAX_OFFERS_IN_FLIGHT) await Promise.race(this.#inFlight);
  }

  async #watchQueue(): Promise<void> {
    const { clock, queue, logger, ledger } = this.#deps;
    try {
      const lost = (await queue.ensureSentinel(ledger.pool)) === 'recreated';
      if (lost) logger.warn({ pool: ledger.pool }, 'the queue was emptied; offering every open assignment again');
      if (!lost && !this.#failed && clock.monotonic() - this.#offeredAt < REOFFER_EVERY_MS) return;
      this.#failed = false;
      this.#offeredAt = clock.monotonic();
      await this.#offerOpen();
    } catch (error) {
      this.#failed = true;
      logger.warn({ err: error }, 'the queue cannot be reached');
    }
  }

  async #offerOpen(): Promise<void> {
    const { ledger, queue, counters } = this.#deps;
    const jobs = ledger.openAssignments().map((assignment) => this.#jobOf(assignment));
    for (let from = 0; from < jobs.length; from += OFFER_CHUNK)
      await queue.offer(jobs.slice(from, from + OFFER_CHUNK), 'again');
    counters.reoffered += jobs.length;
  }

  #jobOf({ taskId, attempt, agentId }: { taskId: string; attempt: number; agentId: string }): AttemptJob {
    const { tenant, ledger } = this.#deps;
    const transport = ledger.transportOf(agentId) ?? 'a2a';
    const executionId = ledger.executionOf(taskId);
    return {
      tenant,
      pool: ledger.pool,
      taskId,
      ...(executionId === undefined ? {} : { executionId }),
      attempt,
      agentId,
      transport,
    };
  }
}
