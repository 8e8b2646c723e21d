import { findJsonIssue } from '../../domain/json.ts';
import { ProgressInput } from '../../domain/task/commands.ts';
import type { Clock } from '../../platform/clock.ts';

/** Each report is an event that stays forever; agents that report every percent would fill the log. */
export const PROGRESS_INTERVAL_MS = 5_000;

/**
 * Passes an agent's progress reports on, at most once per `PROGRESS_INTERVAL_MS`: the first at once, then the latest value of each field.
 * Invalid reports are dropped.
 */
export class ProgressReporter {
  readonly #clock: Clock;
  readonly #send: (progress: ProgressInput) => Promise<void>;
  #pending: ProgressInput | undefined;
  #lastSentMs = Number.NEGATIVE_INFINITY;
  #cancelTimer: (() => void) | undefined;
  #sending: Promise<void> = Promise.resolve();

  constructor(clock: Clock, send: (progress: ProgressInput) => Promise<void>) {
    this.#clock = clock;
    this.#send = send;
  }

  report(progress: ProgressInput): void {
    const parsed = ProgressInput.safeParse(progress);
    if (!parsed.success || findJsonIssue(parsed.data)) return;
    this.#pending = { ...this.#pending, ...parsed.data };
    if (this.#cancelTimer) return;
    const waitMs = this.#lastSentMs + PROGRESS_INTERVAL_MS - this.#clock.monotonic();
    if (waitMs <= 0) this.#flush();
    else this.#cancelTimer = this.#clock.schedule(waitMs, () => this.#flush());
  }

  /** The call has ended. After a failure, a checkpoint that was held back is sent, so that the next attempt can continue from it. */
  async end(outcome: string): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (outcome === 'failed' && this.#pending?.checkpoint !== undefined) this.#flush();
    this.#pending = undefined;
    await this.#sending;
  }

  #flush(): void {
    this.#cancelTimer = undefined;
    const progress = this.#pending;
    if (!progress) return;
    this.#pending = undefined;
    this.#lastSentMs = this.#clock.monotonic();
    this.#sending = this.#sending.then(() => this.#send(progress));
  }
}
