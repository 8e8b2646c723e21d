import type { AttemptJob, AttemptOffers, Withdrawn } from '../../dispatch/queues/attempt-queue.ts';
import type { PoolLedger } from '../../domain/pool/ledger.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Logger } from '../../platform/logger.ts';

const SENTINEL_EVERY_MS = 1_000;
/** Every open assignment is offered again this often: what Redis lost without our noticing costs at most this much time. */
const REOFFER_EVERY_MS = 15_000;
const OFFER_CHUNK = 1_000;

export type OffersDeps = {
  readonly tenant: string;
  readonly ledger: PoolLedger;
  readonly queue: AttemptOffers;
  readonly counters: { reoffered: number };
  readonly clock: Clock;
  readonly logger: Logger;
};

/**
 * Offers a pool's assignments to the dispatchers, and again whenever the queue lost them or might have. Nothing waits for the queue:
 * decisions and timers go on while it is slow, frozen or unreachable.
 */
export class Offers {
  /** The check of the queue, for as long as this process leads. */
  readonly chore = { everyMs: SENTINEL_EVERY_MS, run: () => this.#watchQueue() };
  readonly #deps: OffersDeps;
  #failed = false;
  #offeredAt: number;

  constructor(deps: OffersDeps) {
    this.#deps = deps;
    this.#offeredAt = deps.clock.monotonic();
  }

  /** Begins to offer all open assignments. */
  takeOver(): void {
    this.#offeredAt = Number.NEGATIVE_INFINITY;
    void this.#watchQueue();
  }

  /** Offers new assignments. They are in the log already, so what is lost here is offered again. */
  offer(assignments: readonly { taskId: string; attempt: number; agentId: string }[]): void {
    const jobs = assignments.map((assignment) => this.#jobOf(assignment));
    const { queue, logger } = this.#deps;
    queue.offer(jobs, 'first').catch((error: unknown) => {
      // One line per outage.
      if (!this.#failed)
        logger.warn({ err: error, jobs: jobs.length }, 'jobs could not be offered; they will be offered again');
      this.#failed = true;
    });
  }

  /** Takes the job of an open assignment back, if no dispatcher has taken it. */
  async withdraw(taskId: string): Promise<Withdrawn> {
    const { ledger, queue } = this.#deps;
    const assignment = ledger.assignmentOf(taskId);
    if (!assignment) return { kind: 'missing' };
    if (this.#failed) return { kind: 'unreachable' };
    try {
      return await queue.withdraw(this.#jobOf(assignment));
    } catch {
      // The check of the queue says so in the log.
      return { kind: 'unreachable' };
    }
  }

  async #watchQueue(): Promise<void> {
    const { clock, queue, logger, ledger } = this.#deps;
    const hadFailed = this.#failed;
    try {
      // Asked first: from here on a changed sentinel means that jobs were lost.
      const lost = (await queue.ensureSentinel(ledger.pool)) === 'recreated';
      if (lost) logger.warn({ pool: ledger.pool }, 'the queue was emptied; offering every open assignment again');
      if (!lost && !hadFailed && clock.monotonic() - this.#offeredAt < REOFFER_EVERY_MS) return;
      this.#failed = false;
      this.#offeredAt = clock.monotonic();
      await this.#offerOpen();
    } catch (error) {
      if (!hadFailed)
        logger.warn({ err: error }, 'the queue cannot be reached; open assignments will be offered when it is back');
      this.#failed = true;
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
