import type { Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/logger.ts';

/** An outage is over when nothing has failed for this long: while a leader is elected, some calls succeed between others that fail. */
const QUIET_MS = 5_000;

type Outage = {
  /** On the monotonic clock. */
  readonly since: number;
  delayed: number;
  failed: number;
  /** First success after the last failure. */
  backAt: number | undefined;
};

/** An error's message and those of what caused it: the server's own words come last. */
export const withCauses = (error: unknown): string => {
  const messages: string[] = [];
  for (let cause = error; cause !== undefined && messages.length < 5; ) {
    const message = cause instanceof Error ? cause.message : String(cause);
    if (messages.at(-1) !== message) messages.push(message);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return messages.join(': ');
};

/** Logs one line when calls begin to fail, and one when they have succeeded again for a while, with what it cost. */
export class OutageLog {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #outage: Outage | undefined;
  #cancelEnd = (): void => {};

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** A try of a call failed; `failures` counts those of the same call. */
  tryFailed(error: unknown, failures: number): void {
    if (this.#outage === undefined) {
      this.#outage = { since: this.#clock.monotonic(), delayed: 0, failed: 0, backAt: undefined };
      this.#logger.warn({ reason: withCauses(error) }, 'the event store cannot be reached; trying again');
    }
    if (failures === 1) this.#outage.delayed += 1;
    this.#outage.backAt = undefined;
    this.#cancelEnd();
  }

  /** A call was given up. */
  callFailed(): void {
    if (this.#outage !== undefined) this.#outage.failed += 1;
  }

  callSucceeded(): void {
    if (this.#outage === undefined || this.#outage.backAt !== undefined) return;
    this.#outage.backAt = this.#clock.monotonic();
    this.#cancelEnd = this.#clock.schedule(QUIET_MS, () => this.#end());
  }

  close(): void {
    this.#cancelEnd();
  }

  #end(): void {
    const outage = this.#outage;
    if (outage?.backAt === undefined) return;
    this.#outage = undefined;
    const { since, backAt, delayed, failed } = outage;
    this.#logger.info(
      { ms: Math.round(backAt - since), delayed: delayed - failed, failed },
      'the event store answers again',
    );
  }
}
