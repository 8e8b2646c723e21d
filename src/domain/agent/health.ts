import { z } from 'zod';
import type { Health } from './events.ts';

/** Silence in heartbeat intervals after which an agent counts as degraded, unhealthy, or is deregistered (requirements 1.3: 30 s, 90 s, 300 s). */
export const UNHEALTHY_AFTER = 3;
export const DEREGISTERED_AFTER = 10;

const Share = z.number().min(0).max(1);

/** What an agent reports of itself in a heartbeat. */
export const Signs = z.strictObject({
  /** Share of its capacity that the agent uses. Not a matter of health, but of routing. */
  load: Share.optional(),
  /** Share of its calls that failed lately. */
  errorRate: Share.optional(),
  cpu: Share.optional(),
  memory: Share.optional(),
  /** How long its calls took lately. */
  responseMs: z.number().min(0).max(86_400_000).optional(),
});
export type Signs = z.output<typeof Signs>;

/** A factor that halves beyond the second limit, and is 0.8 beyond the first. */
const beyond = (value: number, [some, much]: readonly [number, number]): number => {
  if (value > much) return 0.5;
  return value > some ? 0.8 : 1;
};

/** The part of the health score that an agent reports, from 0 to 1 (requirements 1.3). Memory counts as the processor does. */
export const conditionOf = ({ errorRate = 0, cpu = 0, memory = 0, responseMs = 0 }: Signs): number =>
  (1 - Math.min(errorRate, 0.5)) * beyond(responseMs, [2_000, 5_000]) * beyond(Math.max(cpu, memory), [0.7, 0.9]);

/** How busy the agent says it is, from 0 to 1: the fullest of what it reports. Undefined when it reports nothing of the kind. */
export const loadOf = ({ load, cpu, memory }: Signs): number | undefined => {
  const reported = [load, cpu, memory].filter((share) => share !== undefined);
  return reported.length === 0 ? undefined : Math.max(...reported);
};

export type Verdict = Health | 'gone';

/** Recovery takes this much more than staying well, so that a score at the limit makes no event after event. */
const RECOVERY = 0.1;
const DEGRADED_BELOW = 0.7;
const UNHEALTHY_BELOW = 0.3;

type Observed = {
  readonly silentMs: number;
  /** The agent promised a heartbeat this often. */
  readonly intervalMs: number;
  /** See `conditionOf`. */
  readonly condition: number;
  /** As recorded. */
  readonly health: Health;
};

/** From 0 to 1, by what was observed (requirements 1.3); `classScore` goes by the recorded class alone. */
export const observedScore = ({ silentMs, intervalMs, condition }: Omit<Observed, 'health'>): number =>
  condition * beyond(silentMs / intervalMs, [1, 2]);

/** What the silence of an agent and its last report mean for it. */
export const judgeHealth = (observed: Observed): Verdict => {
  const missed = observed.silentMs / observed.intervalMs;
  if (missed > DEREGISTERED_AFTER) return 'gone';
  if (missed > UNHEALTHY_AFTER) return 'unhealthy';
  const score = observedScore(observed);
  if (score < UNHEALTHY_BELOW + (observed.health === 'unhealthy' ? RECOVERY : 0)) return 'unhealthy';
  return score < DEGRADED_BELOW + (observed.health === 'healthy' ? 0 : RECOVERY) ? 'degraded' : 'healthy';
};
