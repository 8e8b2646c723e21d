import type { Capability } from '../agent/events.ts';

/** An agent that could take the attempt, with the facts by which policies choose. */
export type Candidate = {
  readonly agentId: string;
  readonly capabilities: readonly Capability[];
  /** Attempts it holds now. */
  readonly open: number;
  readonly maxConcurrency: number;
  /** Share of failed attempts lately, 0 to 1 (moving average). */
  readonly errorRate: number;
  /** Run time of an attempt lately (moving average); absent before the first has completed. */
  readonly averageMs?: number | undefined;
  /** Attempts it has completed. */
  readonly completed: number;
  /** Share of work that it should get; 1 when absent. */
  readonly weight?: number | undefined;
  /** What an hour of it costs; 0 when absent. */
  readonly costFactor?: number | undefined;
  /** Load of its machine by its heartbeats, 0 to 1, in steps of 0.1. */
  readonly load?: number | undefined;
};

/** Load factor of requirements 1.3: min(1, open/100) + 0.5·error rate, at most 1. */
export const loadFactor = ({ open, errorRate }: Candidate): number =>
  Math.min(1, Math.min(1, open / 100) + 0.5 * errorRate);

/** How sure the agent is of a capability: the best of the versions that it offers. */
export const confidenceIn = ({ capabilities }: Candidate, capability: string): number => {
  let best: number | undefined;
  for (const { name, confidence = 1 } of capabilities)
    if (name === capability && (best === undefined || confidence > best)) best = confidence;
  return best ?? 0;
};

export const specialisationsIn = ({ capabilities }: Candidate, capability: string): readonly string[] => [
  ...new Set(capabilities.flatMap(({ name, specialisations }) => (name === capability ? (specialisations ?? []) : []))),
];

/** The numbers of which a score is made, by name. */
export type Terms = Readonly<Record<string, number>>;

/** An order of agents that follows from the agents alone, so that it can be kept up as they change. */
export type Ranking = {
  readonly name: string;
  readonly best: 'lowest' | 'highest';
  score(agent: Candidate, capability: string): number;
  terms(agent: Candidate, capability: string): Terms;
  /** Names of further lists in which an agent is ranked, beside that of all agents. They change only with its registration. */
  shelves?(agent: Candidate, capability: string): readonly string[];
};

/** How much of the draw, or whether a place in the turn, an agent gets. Never negative. */
export type Weighting = { readonly name: string; weight(agent: Candidate): number };

/** What a policy may ask about the agents that can take a task. Answers cost the logarithm of their number. */
export interface Fleet {
  /** How many can take it. */
  readonly size: number;
  readonly capability: string;
  /** Mean number of attempts that an able agent holds which takes work. */
  readonly meanOpen: number;
  /** The best, best first. */
  best(ranking: Ranking, count: number, shelf?: string): readonly Candidate[];
  /** Those with a weight in the order of their ids, from the one after this id on, and round again. */
  following(weighting: Weighting, agentId: string | undefined, count: number): readonly Candidate[];
  /** Different ones, each drawn by its weight among those that are left. */
  draw(weighting: Weighting, random: () => number, count: number): readonly Candidate[];
  /** One of those that can take it. */
  get(agentId: string): Candidate | undefined;
  /** Whether the agent can do such work, whether or not it can take more now. */
  isAble(agentId: string): boolean;
  /** The able agents nearest to a key on a ring, nearest first. */
  near(key: string): readonly string[];
}
