import type { AgentCardSource, Commands } from '../../src/commands/context.ts';
import { createHandlers } from '../../src/commands/handlers.ts';
import type { EventStore } from '../../src/eventstore/event-store.ts';
import type { Clock, Ids, Random } from '../../src/platform/clock.ts';
import { AppError } from '../../src/platform/errors.ts';

export type FakeClock = Clock & {
  /** Moves time on and calls back what falls due on the way, in order. */
  advance(ms: number): void;
  /** Sets the wall clock forwards or back; no time passes. */
  step(ms: number): void;
  /** Callbacks that wait for their time. */
  readonly scheduled: number;
};

type Timer = { readonly dueMs: number; readonly seq: number; readonly callback: () => void };

/**
 * A clock that stands still until a test moves it.
 *
 * @param timers `immediate`: whatever waits is called back in the next macrotask, and time jumps there
 */
export const fakeClock = (
  startMs = Date.parse('2026-03-01T12:00:00.000Z'),
  timers: 'manual' | 'immediate' = 'manual',
): FakeClock => {
  const waiting = new Set<Timer>();
  let nowMs = startMs;
  let steppedMs = 0;
  let seq = 0;

  const next = (untilMs: number): Timer | undefined =>
    [...waiting].filter(({ dueMs }) => dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs || a.seq - b.seq)[0];

  const advanceTo = (untilMs: number): void => {
    for (let timer = next(untilMs); timer; timer = next(untilMs)) {
      waiting.delete(timer);
      nowMs = Math.max(nowMs, timer.dueMs);
      timer.callback();
    }
    nowMs = Math.max(nowMs, untilMs);
  };

  return {
    now: () => nowMs + steppedMs,
    monotonic: () => nowMs - startMs,
    schedule(delayMs, callback) {
      const timer = { dueMs: nowMs + Math.max(0, delayMs), seq: seq++, callback };
      waiting.add(timer);
      if (timers === 'immediate') setImmediate(() => waiting.has(timer) && advanceTo(timer.dueMs));
      return () => waiting.delete(timer);
    },
    advance: (ms) => advanceTo(nowMs + ms),
    step: (ms) => {
      steppedMs += ms;
    },
    get scheduled() {
      return waiting.size;
    },
  };
};

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

/** UUIDs that count up; `space` keeps those of two processes apart. */
export const fakeIds = (space = 0): Ids => {
  let count = 0;
  return { next: () => `${hex(space, 8)}-0000-7000-8000-${hex(++count, 12)}` };
};

/** Mulberry32: the same seed gives the same numbers. */
export const fakeRandom = (seed = 1): Random => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

const noCards: AgentCardSource = {
  fetch: async (cardUrl) => {
    throw new AppError('BAD_USER_INPUT', `no agent card at ${cardUrl}`);
  },
};

/** Everything a command needs, over one store, as one process has it: a second call is a second process. */
export const commandsOver = (
  store: EventStore,
  ports: { clock?: Clock; ids?: Ids; random?: Random; cards?: AgentCardSource } = {},
): Commands => {
  const { clock = fakeClock(undefined, 'immediate'), ids = fakeIds(), random = fakeRandom(), cards = noCards } = ports;
  return {
    clock,
    ids,
    random,
    cards,
    ...createHandlers(store, { clock, random }),
  };
};
