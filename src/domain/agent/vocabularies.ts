import { Health } from './events.ts';

/** The facts of which the states of an agent are views (docs/adr/0037). */
export const AGENT_FACTS = {
  status: ['warming', 'active', 'draining', 'deregistered'],
  health: Health.options,
  /** Unhealthy because nothing is heard of it. */
  silent: [false, true],
  /** What it holds: nothing, some, or as much as it may. */
  load: ['idle', 'some', 'full'],
  maintenance: [false, true],
  standby: [false, true],
} as const;

export type AgentFacts = { readonly [Fact in keyof typeof AGENT_FACTS]: (typeof AGENT_FACTS)[Fact][number] };

/** Each fact that is named has one of these values. */
type When = { readonly [Fact in keyof AgentFacts]?: readonly AgentFacts[Fact][] };

/** The state that an agent is in when any of these holds, and no earlier one of the vocabulary. */
type State = readonly [name: string, ...anyOf: readonly When[]];

const OUT: When = { status: ['deregistered'] };
const LEAVING: When = { status: ['draining'] };
const WARMING: When = { status: ['warming'] };
const KEPT: When = { maintenance: [true] };
const SILENT: When = { silent: [true] };
const UNHEALTHY: When = { health: ['unhealthy'] };
const WORKING: When = { load: ['some', 'full'] };
const OTHERWISE: When = {};

/**
 * The words of other systems for what an agent does, as views of our facts. A state without a condition is one that an agent of Baton is
 * never seen in: it is before the registration, or passes with it.
 */
const VOCABULARIES = {
  lifecycle: [
    ['registered'],
    ['terminated', OUT],
    ['draining', LEAVING],
    ['warming', WARMING],
    ['busy', WORKING],
    ['ready', OTHERWISE],
  ],
  orchestrator: [
    ['terminated', OUT],
    ['shutting_down', LEAVING],
    ['initializing', WARMING],
    ['sleeping', KEPT, { standby: [true], load: ['idle'] }],
    ['error', UNHEALTHY],
    ['busy', { load: ['full'] }],
    ['active', WORKING],
    ['idle', OTHERWISE],
  ],
  high_concurrency: [
    ['requested'],
    ['spawning'],
    ['terminated', OUT],
    ['terminating', { ...LEAVING, load: ['idle'] }],
    ['draining', LEAVING, KEPT],
    ['initializing', WARMING],
    ['failed', UNHEALTHY],
    ['active', WORKING],
    ['ready', { standby: [true] }],
    ['idle', OTHERWISE],
  ],
  task_manager: [
    ['draining', LEAVING],
    ['offline', OUT, KEPT, WARMING, SILENT],
    ['error', UNHEALTHY],
    ['busy', { load: ['full'] }],
    ['available', OTHERWISE],
  ],
  registry: [
    ['decommissioned', OUT],
    ['maintenance', KEPT, LEAVING],
    ['inactive', SILENT, WARMING],
    ['degraded', { health: ['degraded', 'unhealthy'] }],
    ['active', OTHERWISE],
  ],
  coordinator: [
    ['created'],
    ['terminated', OUT],
    ['stopping', LEAVING],
    ['paused', KEPT],
    ['initializing', WARMING],
    ['error', UNHEALTHY],
    ['running', WORKING],
    ['ready', OTHERWISE],
  ],
  supervisor: [
    ['offline', OUT, KEPT, WARMING, SILENT, { ...LEAVING, load: ['idle'] }],
    ['failed', UNHEALTHY],
    ['busy', WORKING],
    ['idle', OTHERWISE],
  ],
  monitor: [
    ['unknown', OUT, SILENT],
    ['unhealthy', UNHEALTHY],
    ['degraded', { health: ['degraded'] }],
    ['healthy', OTHERWISE],
  ],
} as const satisfies Readonly<Record<string, readonly State[]>>;

export type Vocabulary = keyof typeof VOCABULARIES;
export const VOCABULARY_NAMES = Object.keys(VOCABULARIES) as Vocabulary[];

const statesOf = (vocabulary: Vocabulary): readonly State[] => VOCABULARIES[vocabulary];

export const stateNames = (vocabulary: Vocabulary): string[] => statesOf(vocabulary).map(([name]) => name);

/** A state by its full name, such as `registry:maintenance`. */
export type StateName = `${Vocabulary}:${string}`;
export const STATE_NAMES = VOCABULARY_NAMES.flatMap((vocabulary) =>
  stateNames(vocabulary).map((name): StateName => `${vocabulary}:${name}`),
);

const holds = (when: When, facts: AgentFacts): boolean =>
  (Object.keys(when) as (keyof AgentFacts)[]).every((fact) =>
    (when[fact] as readonly unknown[] | undefined)?.includes(facts[fact]),
  );

/** What an agent with these facts is in the words of the vocabulary. */
export const stateOf = (vocabulary: Vocabulary, facts: AgentFacts): string => {
  for (const [name, ...anyOf] of statesOf(vocabulary)) if (anyOf.some((when) => holds(when, facts))) return name;
  throw new Error(`no state of ${vocabulary} is for ${factsKey(facts)}`);
};

/** The facts as a text; equal texts are equal facts. */
export const factsKey = ({ status, health, silent, load, maintenance, standby }: AgentFacts): string =>
  [status, health, silent, load, maintenance, standby].join('|');

/** All facts that an agent may have. */
export function* everyFacts(): Generator<AgentFacts> {
  for (const status of AGENT_FACTS.status)
    for (const health of AGENT_FACTS.health)
      for (const silent of AGENT_FACTS.silent)
        for (const load of AGENT_FACTS.load)
          for (const maintenance of AGENT_FACTS.maintenance)
            for (const standby of AGENT_FACTS.standby) yield { status, health, silent, load, maintenance, standby };
}

/** The keys of all facts with which an agent is in one of these states. */
export const keysOfStates = (names: readonly StateName[]): string[] => {
  const wanted = new Set<string>(names);
  const keys: string[] = [];
  for (const facts of everyFacts())
    if (VOCABULARY_NAMES.some((vocabulary) => wanted.has(`${vocabulary}:${stateOf(vocabulary, facts)}`)))
      keys.push(factsKey(facts));
  return keys;
};

/** The load of an agent that holds so many attempts. */
export const loadOf = (open: number, maxConcurrency: number): AgentFacts['load'] => {
  if (open === 0) return 'idle';
  return open < maxConcurrency ? 'some' : 'full';
};
