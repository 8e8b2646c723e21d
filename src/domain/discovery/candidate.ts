import type { Location, ServiceType } from '../agent/descriptor.ts';
import { agentVersionOf } from '../agent/descriptor.ts';
import type { AgentProfile, Capability, Health } from '../agent/events.ts';

/** What happens to an agent, other than that it describes itself anew. */
export type Condition = {
  readonly health: Health;
  readonly draining: boolean;
  readonly maintenance: boolean;
  readonly warming: boolean;
  /** Attempts it holds. */
  readonly open: number;
  /** It could not be reached since it last answered. */
  readonly unreachable: boolean;
  /** It asked not to be called until then. */
  readonly pausedUntilMs?: number | undefined;
  /** Capabilities for which it is not called, because such calls have failed. */
  readonly openBreakers: readonly string[];
};

/** What a discovery knows of a registered agent. */
export type Candidate = Condition & {
  readonly agentId: string;
  readonly pool: string;
  readonly capabilities: readonly Capability[];
  readonly version: string | undefined;
  readonly serviceTypes: readonly ServiceType[];
  readonly tags: readonly string[];
  readonly location: Location | undefined;
  readonly maxConcurrency: number;
};

/** What a candidate has from its profile. */
export const factsOf = (profile: AgentProfile) => ({
  pool: profile.pool,
  capabilities: profile.capabilities,
  version: agentVersionOf(profile),
  serviceTypes: profile.serviceTypes ?? [],
  tags: profile.tags ?? [],
  location: profile.location,
  maxConcurrency: profile.maxConcurrency,
});

const SCORES: Readonly<Record<Health, number>> = { healthy: 1, degraded: 0.5, unhealthy: 0 };

/** The recorded class of health as a number from 0 to 1: heartbeats are not in the log. */
export const classScore = ({ health }: Pick<Candidate, 'health'>): number => SCORES[health];

/** Places of the agent that no attempt takes. One that could not be reached is tried with one attempt at a time. */
export const freeSlotsOf = ({ unreachable, maxConcurrency, open }: Candidate): number =>
  Math.max(0, (unreachable ? 1 : maxConcurrency) - open);
