import { v7 } from 'uuid';

/** Time as the rest of the system sees it; a port, so that a simulation can bring its own. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds of a clock that never steps back; only differences mean something. */
  monotonic(): number;
  /** Calls back once after `delayMs`; delays past Node's 2^31-1 ms limit are served in slices. Returns a cancel function. */
  schedule(delayMs: number, callback: () => void): () => void;
}

export interface Ids {
  /** A new time-ordered UUID (v7). */
  next(): string;
}

/** Uniform in [0, 1). */
export type Random = () => number;

const MAX_TIMER_MS = 2_147_483_647;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule(delayMs, callback) {
    let timer: NodeJS.Timeout;
    const arm = (leftMs: number): void => {
      const slice = Math.min(Math.max(leftMs, 0), MAX_TIMER_MS);
      timer = setTimeout(() => (leftMs > slice ? arm(leftMs - slice) : callback()), slice);
    };
    arm(delayMs);
    return () => clearTimeout(timer);
  },
};

export const systemIds: Ids = { next: () => v7() };
export const systemRandom: Random = Math.random;

/** Resolves after `delayMs`, or earlier when `signal` aborts. */
export const sleep = (clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.schedule(delayMs, done);
    signal?.addEventListener('abort', done, { once: true });
  });
