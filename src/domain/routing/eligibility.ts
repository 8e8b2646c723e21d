import semver from 'semver';
import type { Capability, Health } from '../agent/events.ts';
import type { Exclusion } from '../pool/events.ts';
import type { Rest } from '../pool/rest.ts';
import { type Circuit, keepsOut } from '../resilience/circuit.ts';

/** What a task asks of an agent. */
export type Requirement = { readonly capability: string; readonly versionRange: string | undefined };

/** The facts about a registered agent that the rules use. */
export type AgentState = {
  readonly agentId: string;
  readonly capabilities: readonly Capability[];
  readonly draining: boolean;
  /** A person keeps it from work. */
  readonly maintenance?: boolean | undefined;
  /** It has not said yet that it is ready. */
  readonly warming?: boolean | undefined;
  readonly health: Health;
  /** It is kept in reserve. */
  readonly standby?: boolean | undefined;
  /** Attempts it holds now. */
  readonly open: number;
  readonly maxConcurrency: number;
  /** It could not be reached since it last answered: it is tried with one attempt at a time. */
  readonly rest?: Rest | undefined;
  /** It could not be reached, and gets no work until then. */
  readonly restsUntilMs?: number | undefined;
  /** It asked for a pause until then. */
  readonly pausedUntilMs?: number | undefined;
  /** What its calls have shown, by capability; absent for those for which it was never called. */
  readonly circuits?: Readonly<Record<string, Pick<Circuit, 'state' | 'held' | 'untilMs'>>> | undefined;
};

/** The facts about a task that the rules use. */
export type TaskState = Requirement & { readonly failedOn: readonly string[] };

/** One reason for which an agent does not get a task. */
export type Rule<Asked> = {
  readonly name: Exclusion;
  readonly excludes: (agent: AgentState, task: Asked) => boolean;
};

/** Whether the capability, in its version, is what the requirement asks for. */
export const hasVersion = ({ name, version }: Capability, { capability, versionRange }: Requirement): boolean =>
  name === capability && (versionRange === undefined || semver.satisfies(version, versionRange));

/** Can the agent do such work at all? These change only with its registration. */
export const ABILITY: readonly Rule<Requirement>[] = [
  {
    name: 'capability',
    excludes: ({ capabilities }, { capability }) => !capabilities.some(({ name }) => name === capability),
  },
  {
    name: 'version',
    excludes: ({ capabilities }, required) => !capabilities.some((offered) => hasVersion(offered, required)),
  },
];

const isKeptOut = ({ circuits }: AgentState, { capability }: Pick<Requirement, 'capability'>): boolean => {
  const circuit = circuits?.[capability];
  return circuit !== undefined && keepsOut(circuit);
};

/** Can it take more work of this kind now? */
export const AVAILABILITY: readonly Rule<Pick<Requirement, 'capability'>>[] = [
  { name: 'draining', excludes: ({ draining }) => draining },
  { name: 'maintenance', excludes: ({ maintenance }) => maintenance === true },
  { name: 'warming', excludes: ({ warming }) => warming === true },
  { name: 'unhealthy', excludes: ({ health, restsUntilMs }) => health === 'unhealthy' || restsUntilMs !== undefined },
  { name: 'paused', excludes: ({ pausedUntilMs }) => pausedUntilMs !== undefined },
  { name: 'breaker', excludes: isKeptOut },
  { name: 'no_slot', excludes: ({ open, maxConcurrency, rest }) => open >= (rest ? 1 : maxConcurrency) },
];

/** Would another be better? These do not hold when they would leave nobody. */
export const PREFERENCE: readonly Rule<TaskState>[] = [
  { name: 'failed_before', excludes: ({ agentId }, { failedOn }) => failedOn.includes(agentId) },
  { name: 'degraded', excludes: ({ health }) => health === 'degraded' },
  { name: 'standby', excludes: ({ standby }) => standby === true },
];

/** Every rule by which an agent is left out, in the order in which they are asked: the first that excludes an agent is the reason. */
export const ELIGIBILITY = [...ABILITY, ...AVAILABILITY, ...PREFERENCE] as const;

export type ExclusionCounts = Readonly<Partial<Record<Exclusion, number>>>;

/** Agents that no rule excludes, and how many each rule excluded. */
export type Sorted<Agent> = { readonly eligible: readonly Agent[]; readonly excluded: ExclusionCounts };

/** The rule by which the agent is left out; undefined when none excludes it. */
export const firstRule = <Asked>(
  rules: readonly Rule<Asked>[],
  agent: AgentState,
  task: Asked,
): Rule<Asked> | undefined => {
  for (const rule of rules) if (rule.excludes(agent, task)) return rule;
  return undefined;
};

export const sortOut = <Agent extends AgentState, Asked>(
  agents: readonly Agent[],
  rules: readonly Rule<Asked>[],
  task: Asked,
): Sorted<Agent> => {
  const eligible: Agent[] = [];
  const excluded: Partial<Record<Exclusion, number>> = {};
  for (const agent of agents) {
    const rule = firstRule(rules, agent, task);
    if (rule) excluded[rule.name] = (excluded[rule.name] ?? 0) + 1;
    else eligible.push(agent);
  }
  return { eligible, excluded };
};
