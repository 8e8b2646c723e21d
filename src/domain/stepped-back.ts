/** Smaller steps are not worth looking at everything again. */
const TOLERATED_MS = 1_000;

/** Whether a wall clock that showed `lookedMs` before has been set back. */
export const hasSteppedBack = (lookedMs: number, nowMs: number): boolean => nowMs < lookedMs - TOLERATED_MS;
