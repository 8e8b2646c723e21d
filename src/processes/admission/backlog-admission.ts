import type { AdmittedTask, TaskAdmission } from '../../commands/context.ts';
import { excessOf, NONE_REFUSED, refusedFrom } from '../../domain/admission/classes.ts';
import type { Clock } from '../../platform/clock.ts';
import { AppError } from '../../platform/errors.ts';
import type { BacklogWatch } from './backlog-watch.ts';

/** A task that was admitted counts for this long even if it is not in the log. */
const ADMITTED_MS = 10_000;
/** What callers are told to wait, at least and at most. */
const MIN_RETRY_AFTER_S = 1;
const MAX_RETRY_AFTER_S = 60;

export type BacklogAdmissionOptions = {
  readonly watch: Pick<BacklogWatch, 'backlog' | 'onSubmitted'>;
  readonly clock: Clock;
  /** How many tasks of a pool may wait. */
  readonly limit: number;
};

type Admitted = { readonly pool: string; readonly until: number };

/**
 * Whether another task may wait in its pool. Each process decides for itself, by the log as far as it has read it and by what it has
 * admitted beyond that: together they may exceed the bound by what the others admit within that lag.
 */
export class BacklogAdmission implements TaskAdmission {
  /** Tasks and executions that this process refused. */
  readonly counters = { refused: 0 };
  readonly #options: BacklogAdmissionOptions;
  /** Not in the log yet, the oldest first. */
  readonly #admitted = new Map<string, Admitted>();
  readonly #admittedIn = new Map<string, number>();
  /** Of each pool that refuses some: from which class on. */
  readonly #refusedFrom = new Map<string, number>();

  constructor(options: BacklogAdmissionOptions) {
    this.#options = options;
    options.watch.onSubmitted((taskId) => this.#settle(taskId));
  }

  check(pool: string, priority: number): void {
    const waiting = this.#waitingIn(pool);
    const { limit } = this.#options;
    const refused = refusedFrom(this.#refusedFrom.get(pool) ?? NONE_REFUSED, waiting, limit);
    if (refused === NONE_REFUSED) this.#refusedFrom.delete(pool);
    else this.#refusedFrom.set(pool, refused);
    if (priority < refused) return;
    this.counters.refused += 1;
    const more = refused === 1 ? 'no task' : `only tasks more urgent than priority ${refused}`;
    throw new AppError(
      'POOL_FULL',
      `${waiting} tasks wait in pool ${pool}, of at most ${limit}: ${more} can be submitted to it until fewer do`,
      {
        retryable: true,
        retryAfterSeconds: this.#retryAfterSeconds(pool, priority, waiting),
        details: { pool, waiting, limit, refusedFrom: refused },
      },
    );
  }

  admit({ taskId, pool, priority }: AdmittedTask): () => void {
    // It was submitted before: the answer comes from its stream.
    if (this.#admitted.has(taskId) || this.#options.watch.backlog?.has(taskId) === true) return () => {};
    this.check(pool, priority);
    this.#admitted.set(taskId, { pool, until: this.#options.clock.monotonic() + ADMITTED_MS });
    this.#admittedIn.set(pool, (this.#admittedIn.get(pool) ?? 0) + 1);
    return () => this.#settle(taskId);
  }

  /** Those of the log, and those on their way there. */
  #waitingIn(pool: string): number {
    const now = this.#options.clock.monotonic();
    for (const [taskId, { until }] of this.#admitted) {
      if (until > now) break;
      this.#settle(taskId);
    }
    return (this.#options.watch.backlog?.waitingIn(pool) ?? 0) + (this.#admittedIn.get(pool) ?? 0);
  }

  #settle(taskId: string): void {
    const admitted = this.#admitted.get(taskId);
    if (!admitted) return;
    this.#admitted.delete(taskId);
    const left = (this.#admittedIn.get(admitted.pool) ?? 0) - 1;
    if (left === 0) this.#admittedIn.delete(admitted.pool);
    else this.#admittedIn.set(admitted.pool, left);
  }

  /** The time that the pool needs, as fast as it was lately. */
  #retryAfterSeconds(pool: string, priority: number, waiting: number): number {
    const { watch, clock, limit } = this.#options;
    const perSecond = watch.backlog?.startedPerSecond(pool, clock.now()) ?? 0;
    if (perSecond === 0) return MAX_RETRY_AFTER_S;
    const seconds = Math.ceil(excessOf(priority, waiting, limit) / perSecond);
    return Math.min(MAX_RETRY_AFTER_S, Math.max(MIN_RETRY_AFTER_S, seconds));
  }
}
