import { randomUUID } from 'node:crypto';

/** Time as the rest of the system sees it. A port, so that tests and simulations can bring their own. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds on a clock that never steps back; only differences are meaningful. */
  monotonic(): number;
  /** Calls back once after `delayMs`, which may exceed Node's limit of 2^31-1 ms. Returns a function that cancels it. */
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

const MAX_COUNT = 0xfff;

/**
 * Makes UUIDs of version 7 (RFC 9562, §5.7) that sort in the order in which they were made: milliseconds, a 12-bit counter that starts
 * at a random value every millisecond, and 62 random bits. `randomUUID` has a cache of random bytes and takes 0.5 µs; the package `uuid`
 * asks the system for every id and takes 2.8 µs.
 */
export const createIds = (now: () => number): Ids => {
  let lastMs = -1;
  let prefix = '';
  let count = 0;
  const begin = (ms: number, random: string): void => {
    const hex = ms.toString(16).padStart(12, '0');
    lastMs = ms;
    prefix = `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
    count = Number.parseInt(random.slice(0, 3), 16) >>> 1; // the lower half, so that there is room to count
  };
  return {
    next() {
      const random = randomUUID();
      const ms = now();
      if (ms > lastMs) begin(ms, random);
      else if (count < MAX_COUNT) count += 1;
      else begin(lastMs + 1, random);
      return `${prefix}${count.toString(16).padStart(3, '0')}${random.slice(18)}`;
    },
  };
};

export const systemIds: Ids = createIds(systemClock.now);
export const systemRandom: Random = Math.random;

/**
 * Who waits for each signal. A signal has one listener however many wait: its own list takes time in proportion to its length for each one
 * that is added.
 */
const waiting = new WeakMap<AbortSignal, { readonly wakes: Set<() => void>; readonly listener: () => void }>();

/** Calls back when the signal aborts, until the returned function is called. */
const onAbort = (signal: AbortSignal, wake: () => void): (() => void) => {
  let known = waiting.get(signal);
  if (!known) {
    const wakes = new Set<() => void>();
    known = {
      wakes,
      listener: () => {
        for (const each of [...wakes]) each();
      },
    };
    waiting.set(signal, known);
  }
  const { wakes, listener } = known;
  // With a listener a signal made by `AbortSignal.any` is never collected, so the last one that leaves takes it away.
  if (wakes.size === 0) signal.addEventListener('abort', listener);
  wakes.add(wake);
  return () => {
    if (wakes.delete(wake) && wakes.size === 0) signal.removeEventListener('abort', listener);
  };
};

/** Settles with `work`, or resolves when the signal aborts: `work` then goes on without anybody who waits for it. */
export const orAborted = async (work: Promise<void>, signal: AbortSignal): Promise<void> => {
  if (signal.aborted) return;
  let leave = (): void => {};
  const gone = new Promise<void>((resolve) => {
    leave = onAbort(signal, resolve);
  });
  await Promise.race([work, gone]).finally(leave);
};

/** Resolves after `delayMs`, or earlier when `signal` aborts. */
export const sleep = (clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      cancel();
      leave?.();
      resolve();
    };
    const cancel = clock.schedule(delayMs, done);
    const leave = signal && onAbort(signal, done);
  });

/** Lets timers and I/O of the process have their turn, between two parts of long work. */
export const yieldToOthers = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
