import { type Backoff, backoffMs } from '../retry.ts';

/** How long an agent rests that could not be reached: twice as long each time. */
const REST: Backoff = { baseMs: 500, maxMs: 10_000 };

/** What is known of an agent that could not be reached since it last answered. */
export type Rest = {
  /** Times in a row; calls that were under way before it rested count once. */
  readonly misses: number;
  readonly sinceMs: number;
  /** Until then it gets no work, then one attempt. */
  readonly untilMs: number;
  /** What the last call met. */
  readonly error: string;
};

/** How long the agent rests since its last try. */
export const restMs = ({ misses }: Rest): number => backoffMs(REST, misses);

/** After a call that did not reach the agent. Calls that were under way before it rested say nothing new. */
export const restAfter = (known: Rest | undefined, atMs: number, error: string): Rest => {
  if (known && atMs < known.untilMs) return known;
  const rest = { misses: (known?.misses ?? 0) + 1, sinceMs: known?.sinceMs ?? atMs, untilMs: atMs, error };
  return { ...rest, untilMs: atMs + restMs(rest) };
};
