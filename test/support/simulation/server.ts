import { unavailable } from '../../../src/platform/errors.ts';
import type { Dice } from '../executions-definitions.ts';
import type { SimProcess } from './process.ts';
import type { Timeline } from './timeline.ts';

/** How likely a request meets which fault. */
export type Faults = {
  /** It does not arrive. */
  lostRequest: number;
  /** It is carried out, and its answer does not arrive. */
  lostAnswer: number;
  /** It arrives after its client has given up. */
  late: number;
};

export const NO_FAULTS: Faults = { lostRequest: 0, lostAnswer: 0, late: 0 };

const LATE_MS = 2_000;

export type ServerOptions = {
  readonly name: string;
  readonly timeline: Timeline;
  readonly dice: Dice;
  /** How long its clients wait for an answer. */
  readonly timeoutMs: number;
  /** Time that one request takes; they are served one after the other. */
  readonly serviceMs?: number;
};

/** A store of the simulated world, as far as reaching it goes: latency, a queue, pauses, lost and late messages. */
export class SimServer {
  readonly #options: ServerOptions;
  faults: Faults = { ...NO_FAULTS };
  #paused: (() => void)[] | undefined;
  #busyUntilMs = 0;
  pauses = 0;

  constructor(options: ServerOptions) {
    this.#options = options;
  }

  get paused(): boolean {
    return this.#paused !== undefined;
  }

  /** Keeps its connections and says nothing, as a frozen process does. */
  pause(forMs: number): void {
    if (this.#paused) return;
    this.#paused = [];
    this.pauses += 1;
    this.#options.timeline.after(forMs, undefined, () => this.resume());
  }

  resume(): void {
    const waiting = this.#paused ?? [];
    this.#paused = undefined;
    for (const run of waiting) run();
  }

  /** At once, or when the pause is over. */
  whenRunning(run: () => void): void {
    if (this.#paused) this.#paused.push(run);
    else run();
  }

  latencyMs(): number {
    return 0.2 + this.#options.dice.below(20) / 10;
  }

  /** Asks the server to do `work`, for a client in a process. Errors: `AppError` `UNAVAILABLE` when no answer comes. */
  call<T>(process: SimProcess, work: () => T | Promise<T>, canFail = true): Promise<T> {
    const { dice, name, timeline, timeoutMs } = this.#options;
    const { lostRequest, lostAnswer, late } = canFail ? this.faults : NO_FAULTS;
    const isLost = dice.chance(lostRequest);
    const isMute = !isLost && dice.chance(lostAnswer);
    const delayMs = this.latencyMs() + (dice.chance(late) ? timeoutMs + dice.below(LATE_MS) : 0);
    return new Promise<T>((resolve, reject) => {
      const giveUp = timeline.after(timeoutMs, process, () => reject(unavailable(`${name} does not answer`)));
      const answer = (settle: () => void): void => {
        if (isMute) return;
        timeline.after(this.latencyMs(), process, () => {
          giveUp();
          settle();
        });
      };
      if (isLost) return;
      timeline.after(delayMs, undefined, () =>
        this.#serve(() => {
          attempt(work).then(
            (value) => answer(() => resolve(value)),
            (error: unknown) => answer(() => reject(error)),
          );
        }),
      );
    });
  }

  #serve(run: () => void): void {
    if (this.#paused) {
      this.#paused.push(() => this.#serve(run));
      return;
    }
    const { serviceMs = 0, timeline } = this.#options;
    if (serviceMs === 0) {
      run();
      return;
    }
    this.#busyUntilMs = Math.max(this.#busyUntilMs, timeline.nowMs) + serviceMs;
    timeline.after(this.#busyUntilMs - timeline.nowMs, undefined, run);
  }
}

/** Begins at once, so that what it changes is changed when this returns. */
const attempt = async <T>(work: () => T | Promise<T>): Promise<T> => work();
