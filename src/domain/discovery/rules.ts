import semver from 'semver';
import { type Candidate, classScore, freeSlotsOf } from './candidate.ts';
import { type DiscoverAgentsInput, READINESS, type Readiness } from './query.ts';

/** Why an agent is left out of an answer. */
export const LEFT_OUT = [
  'capability',
  'version',
  'service_type',
  'tag',
  'agent_version',
  'health',
  'unhealthy',
  'unreachable',
  'draining',
  'maintenance',
  'warming',
  'paused',
  'breaker',
  'no_slot',
] as const;
export type LeftOutReason = (typeof LEFT_OUT)[number];

/** Ranges are parsed once per question, and versions that differ are compared once. */
const within = (range: string): ((version: string) => boolean) => {
  const parsed = new semver.Range(range);
  const known = new Map<string, boolean>();
  return (version) => {
    const remembered = known.get(version);
    if (remembered !== undefined) return remembered;
    const satisfies = parsed.test(version);
    known.set(version, satisfies);
    return satisfies;
  };
};

type Excludes = (agent: Candidate, nowMs: number) => boolean;
export type Rule = { readonly reason: LeftOutReason; readonly excludes: Excludes };

const anyOf = <Item>(wanted: readonly Item[], of: (agent: Candidate) => readonly Item[]): Excludes => {
  const set = new Set(wanted);
  return (agent) => !of(agent).some((item) => set.has(item));
};

const offers = ({ capabilities }: Candidate, wanted: string): boolean =>
  capabilities.some(({ name }) => name === wanted);

const ABILITY = {
  capability: ({ capabilities }) =>
    capabilities.length === 0 ? undefined : (agent) => !capabilities.every(({ name }) => offers(agent, name)),
  version: ({ capabilities }) => {
    const ranges = capabilities.flatMap(({ name, versionRange }) =>
      versionRange === undefined ? [] : [{ name, satisfies: within(versionRange) }],
    );
    if (ranges.length === 0) return undefined;
    return (agent) =>
      !ranges.every(({ name, satisfies }) =>
        agent.capabilities.some((offered) => offered.name === name && satisfies(offered.version)),
      );
  },
  service_type: ({ serviceTypes }) =>
    serviceTypes.length === 0 ? undefined : anyOf(serviceTypes, (a) => a.serviceTypes),
  tag: ({ tags }) => (tags.length === 0 ? undefined : anyOf(tags, (agent) => agent.tags)),
  agent_version: ({ agentVersion }) => {
    if (agentVersion === undefined) return undefined;
    const satisfies = within(agentVersion);
    return ({ version }) => version === undefined || !satisfies(version);
  },
  health: ({ minHealth }) => (minHealth === 0 ? undefined : (agent) => classScore(agent) < minHealth),
} satisfies Partial<Record<LeftOutReason, (query: DiscoverAgentsInput) => Excludes | undefined>>;

/** What each step of readiness adds to the one before. */
const readyRules = ({ capabilities }: DiscoverAgentsInput): Readonly<Record<Readiness, readonly Rule[]>> => ({
  discovered: [],
  reachable: [
    { reason: 'unhealthy', excludes: ({ health }) => health === 'unhealthy' },
    { reason: 'unreachable', excludes: ({ unreachable }) => unreachable },
  ],
  able_now: [
    { reason: 'draining', excludes: ({ draining }) => draining },
    { reason: 'maintenance', excludes: ({ maintenance }) => maintenance },
    { reason: 'warming', excludes: ({ warming }) => warming },
    { reason: 'paused', excludes: ({ pausedUntilMs = 0 }, nowMs) => nowMs < pausedUntilMs },
    {
      reason: 'breaker',
      excludes: ({ openBreakers }) => capabilities.some(({ name }) => openBreakers.includes(name)),
    },
    { reason: 'no_slot', excludes: (agent) => freeSlotsOf(agent) === 0 },
  ],
});

/** The rules of a question, in the order in which they are asked: the first that excludes an agent is the reason. */
export const rulesOf = (query: DiscoverAgentsInput): readonly Rule[] => {
  const ability = Object.entries(ABILITY).flatMap(([reason, ruleOf]) => {
    const excludes = ruleOf(query);
    return excludes === undefined ? [] : [{ reason: reason as keyof typeof ABILITY, excludes }];
  });
  const ready = readyRules(query);
  const steps = READINESS.slice(0, READINESS.indexOf(query.readiness) + 1);
  return [...ability, ...steps.flatMap((step) => ready[step])];
};
