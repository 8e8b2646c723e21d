import type { Candidate, Fleet, Ranking, Terms } from './candidate.ts';
import type { Requirement } from './eligibility.ts';

/** The attempt that needs an agent. */
export type RoutedTask = Requirement & {
  readonly taskId: string;
  readonly attempt: number;
  readonly priority: number;
  readonly executionId: string | undefined;
  readonly deadlineMs: number | undefined;
  /** How much work it is; 1 when absent. */
  readonly complexity?: number | undefined;
  /** What its work is the same as: tasks with one key go to one agent where the policy says so. */
  readonly affinityKey?: string | undefined;
  /** The kind of the work, for agents that are specialised in it. */
  readonly specialisation?: string | undefined;
  /** Agents in the order in which they are tried. */
  readonly targets?: readonly string[] | undefined;
};

export type RoutingRequest = {
  readonly task: RoutedTask;
  /** The agents that can take it; never empty. */
  readonly fleet: Fleet;
  /** How many candidates are wanted, the chosen one among them. */
  readonly top: number;
  /** For the draws of this decision. */
  readonly seed: number;
  /** The agent that got the last task of this kind. */
  readonly last: string | undefined;
  /** The agent that the task's key belongs to, where it was given one. */
  readonly bound: string | undefined;
  readonly nowMs: number;
};

export type Scored = { readonly candidate: Candidate; readonly score: number; readonly terms: Terms };

export type Choice = {
  /** The chosen agent, then those that would have come next. */
  readonly best: readonly Scored[];
  /** Where the choice was drawn. */
  readonly seed?: number;
  /** The agent that the task's key belongs to, which could not take it now. */
  readonly overflow?: string;
};

/**
 * A routing policy, pure: the same request gives the same choice. Its version rises with any change of what it does, so that a stored
 * decision names exactly what made it.
 */
export interface RoutingStrategy {
  readonly name: string;
  readonly version: number;
  choose(request: RoutingRequest): Choice;
}

export const scoredBy = (ranking: Ranking, agents: readonly Candidate[], { capability }: Fleet): Scored[] =>
  agents.map((candidate) => ({
    candidate,
    score: ranking.score(candidate, capability),
    terms: ranking.terms(candidate, capability),
  }));

export const ranked = (ranking: Ranking, { fleet, top }: RoutingRequest, shelf?: string): Scored[] =>
  scoredBy(ranking, fleet.best(ranking, top, shelf), fleet);

/** Puts one first that was chosen for another reason than its rank. */
export const withFirst = (chosen: Scored, others: readonly Scored[], top: number): Scored[] =>
  [chosen, ...others.filter(({ candidate }) => candidate.agentId !== chosen.candidate.agentId)].slice(0, top);

/** Takes the best by a ranking. */
export const bestBy = (name: string, version: number, ranking: Ranking): RoutingStrategy => ({
  name,
  version,
  choose: (request) => ({ best: ranked(ranking, request) }),
});
