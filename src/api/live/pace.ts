import { type Clock, sleep } from '../../platform/clock.ts';

/** Each frame costs its reader's operation once, so a busy stream has about twenty a second. */
export const WINDOW_MS = 50;
/** So many changes in a window go out as they come: what two people's tasks make. Beyond, the rest of the window goes out as one frame. */
export const AT_ONCE = 20;

/** When the next frame of a stream may be built: at once while little happens, and once per window while much does. */
export class Pace {
  readonly #clock: Clock;
  #windowEndsAt = Number.NEGATIVE_INFINITY;
  #changes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Told of each frame that was sent. Resolves when the next one may be built, or when `signal` aborts. */
  async next(changes: number, signal: AbortSignal): Promise<void> {
    const now = this.#clock.monotonic();
    if (now >= this.#windowEndsAt) {
      this.#windowEndsAt = now + WINDOW_MS;
      this.#changes = 0;
    }
    this.#changes += changes;
    if (this.#changes > AT_ONCE) await sleep(this.#clock, this.#windowEndsAt - now, signal);
  }
}
