import type { AgentEvent, Transport } from '../agent/events.ts';
import { type Circuit, newCircuit } from '../resilience/circuit.ts';
import type { Candidate } from '../routing/candidate.ts';
import { type AgentState, AVAILABILITY, firstRule } from '../routing/eligibility.ts';
import type { Exclusion } from './events.ts';

type Changeable<Facts> = { -readonly [Fact in keyof Facts]: Facts[Fact] };

/** What is known of an agent of the pool. */
export type AgentEntry = Changeable<Candidate> &
  Changeable<Omit<AgentState, 'circuits'>> & {
    readonly agentId: string;
    transport: Transport['kind'];
    deregistered: boolean;
    circuits: Record<string, Circuit>;
    /** How long the pause is that it asked for. */
    pausedForMs?: number | undefined;
    /** Nothing is heard of it: nobody waits for the calls that it holds. */
    silent?: boolean | undefined;
    /** It drains until then; what it still holds is then given up. */
    drainsUntilMs?: number | undefined;
    /** When its load was recorded last. */
    loadSinceMs?: number | undefined;
  };

export type Profile = Extract<AgentEvent, { type: 'AgentRegistered' | 'AgentReconfigured' }>['data'];

export const profileFacts = ({ capabilities, maxConcurrency, transport, weight, costFactor, standby }: Profile) => ({
  capabilities,
  maxConcurrency,
  transport: transport.kind,
  weight,
  costFactor,
  standby,
});

/** What only its registration or its warm-up, its drain and its maintenance change. */
export const lifecycleAfter = (
  event: AgentEvent,
): Partial<Pick<AgentEntry, 'draining' | 'drainsUntilMs' | 'maintenance' | 'warming'>> => {
  switch (event.type) {
    case 'AgentRegistered': {
      const { maintenance, warmUpMs } = event.data;
      return { draining: false, maintenance, warming: warmUpMs === undefined ? undefined : true };
    }
    case 'AgentWarmUpEnded':
      return { warming: undefined };
    case 'AgentMaintenanceStarted':
      return { maintenance: true };
    case 'AgentMaintenanceEnded':
      return { maintenance: undefined };
    case 'AgentDrainStarted': {
      const { limitMs, startedAt } = event.data;
      const drainsUntilMs = limitMs === undefined ? undefined : Date.parse(startedAt) + limitMs;
      return { draining: true, warming: undefined, drainsUntilMs };
    }
    case 'AgentDrainEnded':
      return { draining: false, drainsUntilMs: undefined };
    default:
      return {};
  }
};

/** Healthy, healthy in reserve, degraded, degraded in reserve: the preferences that do not depend on the task, in their order. */
export const TIERS = 4;
/** The first tier of degraded agents. */
export const DEGRADED_TIER = 2;
export const isReserve = (tier: number): boolean => tier % 2 === 1;

/** Those of an agent that has just registered: it has a fresh start, and may hold attempts from before. */
export const freshCircuits = (heldFor: Iterable<string>): Record<string, Circuit> => {
  const circuits: Record<string, Circuit> = {};
  for (const capability of heldFor) {
    circuits[capability] ??= newCircuit();
    circuits[capability].held += 1;
  }
  return circuits;
};

/** One offer per name, with all versions in an order of their own. */
export const offersOf = ({
  capabilities,
}: AgentEntry): { readonly name: string; readonly versions: readonly string[] }[] => {
  const versions = new Map<string, Set<string>>();
  for (const { name, version } of capabilities) versions.set(name, (versions.get(name) ?? new Set()).add(version));
  return [...versions].map(([name, offered]) => ({ name, versions: [...offered].sort() }));
};

/** Of each attempt that it holds. */
export const heldCapabilities = ({ circuits }: AgentEntry): string[] =>
  Object.entries(circuits).flatMap(([capability, { held }]) => new Array<string>(held).fill(capability));

/** A copy that does not change with the agent. */
export const copiedAgent = (agent: AgentEntry): AgentEntry => ({
  ...agent,
  circuits: Object.fromEntries(
    Object.entries(agent.circuits).map(([name, circuit]) => [name, { ...circuit, failed: [...circuit.failed] }]),
  ),
});

/** Where an agent stands in the indexes of a capability: what decides whether it gets work, and first or only when no better one is free. */
export type Standing = {
  readonly unavailable: Exclusion | undefined;
  /** Its place among the tiers of free agents: those of a later one get work only when all earlier ones are empty. */
  readonly tier: number;
  readonly open: number;
};

export const standingOf = (agent: AgentEntry, capability: string): Standing => ({
  unavailable: firstRule(AVAILABILITY, agent, { capability })?.name,
  tier: (agent.health === 'degraded' ? DEGRADED_TIER : 0) + (agent.standby ? 1 : 0),
  open: agent.open,
});
