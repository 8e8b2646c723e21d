/** An agent that asks for more is called again after this: it may have meant minutes, and nobody may notice that it gets no work. */
const MAX_PAUSE_MS = 3_600_000;

/** How long an agent gets no work that asks for a pause. */
export const pauseMs = (askedMs: number): number => Math.min(askedMs, MAX_PAUSE_MS);
