import type { Health } from './events.ts';

/** Silence in heartbeat intervals after which an agent counts as degraded, unhealthy, or is deregistered (requirements 1.3: 30 s, 90 s, 300 s). */
export const DEGRADED_AFTER = 2;
export const UNHEALTHY_AFTER = 3;
export const DEREGISTERED_AFTER = 10;

export type Verdict = Health | 'gone';

/** What a silence of `silentMs` means for an agent that promised a heartbeat every `intervalMs`. */
export const judgeSilence = (silentMs: number, intervalMs: number): Verdict => {
  const missed = silentMs / intervalMs;
  if (missed > DEREGISTERED_AFTER) return 'gone';
  if (missed > UNHEALTHY_AFTER) return 'unhealthy';
  return missed > DEGRADED_AFTER ? 'degraded' : 'healthy';
};
