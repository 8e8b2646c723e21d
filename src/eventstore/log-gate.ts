import { type Backoff, backoffMs } from '../domain/retry.ts';
import type { Clock, Random } from '../platform/clock.ts';

/** Calls that wait for the log at a time. Each holds what its caller sent; one that finds no place fails at once. */
export const MAX_WAITING = 4_000;
/** How often a log that does not answer is tried again, by one call for all. The largest delay is what an outage lasts longer for us. */
const PROBE: Backoff = { baseMs: 20, maxMs: 250 };

/** May a call be tried? `probe`: the others wait for what becomes of it. */
export type Passed = 'go' | 'probe' | 'late' | 'full' | 'closed';

/**
 * Keeps calls from a log that does not answer.
 *
 * - It answers: every call passes.
 * - It is away, from the first failed try on: calls wait, at most `MAX_WAITING` of them and each until it gives up. One at a time is tried,
 *   with growing delays. The first that succeeds lets all others pass.
 */
export class LogGate {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #waiting = new Set<(passed: Passed) => void>();
  /** Tries that failed since the log last answered. */
  #failures = 0;
  #answeredAt = Number.NEGATIVE_INFINITY;
  #nextProbeAt = Number.NEGATIVE_INFINITY;
  #probing = false;
  #cancelProbe: (() => void) | undefined;
  #closed = false;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** How many calls wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Resolves when the call may be tried, or need not be. `giveUpAt` is on the monotonic clock. */
  pass(giveUpAt: number): Promise<Passed> | Passed {
    if (this.#closed) return 'closed';
    if (this.#failures === 0) return 'go';
    if (this.#waiting.size >= MAX_WAITING) return 'full';
    return new Promise((resolve) => {
      const settle = (passed: Passed): void => {
        cancel();
        this.#waiting.delete(settle);
        resolve(passed);
      };
      const cancel = this.#clock.schedule(giveUpAt - this.#clock.monotonic(), () => settle('late'));
      this.#waiting.add(settle);
      this.#scheduleProbe();
    });
  }

  /** A try got an answer, good or bad. */
  answered(): void {
    this.#answeredAt = this.#clock.monotonic();
    this.#probing = false;
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.#release('go');
  }

  /** A try that began at `startedAt` got none. */
  failed(passed: Passed, startedAt: number): void {
    if (passed === 'probe') this.#probing = false;
    // Of those under way when the log went away only the first counts; what began before it was back says nothing.
    else if (this.#failures > 0 || startedAt < this.#answeredAt) return;
    this.#failures += 1;
    this.#nextProbeAt = this.#clock.monotonic() + backoffMs(PROBE, this.#failures, this.#random());
    this.#scheduleProbe();
  }

  close(): void {
    this.#closed = true;
    this.#release('closed');
  }

  #release(passed: Passed): void {
    this.#cancelProbe?.();
    this.#cancelProbe = undefined;
    for (const settle of [...this.#waiting]) settle(passed);
  }

  #scheduleProbe(): void {
    if (this.#probing || this.#cancelProbe !== undefined || this.#waiting.size === 0) return;
    this.#cancelProbe = this.#clock.schedule(Math.max(0, this.#nextProbeAt - this.#clock.monotonic()), () => {
      this.#cancelProbe = undefined;
      const [first] = this.#waiting;
      if (first === undefined) return;
      this.#probing = true;
      first('probe');
    });
  }
}
