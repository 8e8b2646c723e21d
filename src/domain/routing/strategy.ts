import type { Requirement } from './eligibility.ts';

/** An agent that could take the attempt: able, healthy, with a free slot. */
export type Candidate = {
  readonly agentId: string;
  /** Attempts it holds now. */
  readonly open: number;
  readonly maxConcurrency: number;
  /** Share of failed attempts lately, 0 to 1 (moving average). */
  readonly errorRate: number;
};

/** The attempt that needs an agent. */
export type RoutedTask = Requirement & {
  readonly taskId: string;
  readonly attempt: number;
  readonly priority: number;
  readonly executionId: string | undefined;
};

export type RankRequest = {
  readonly task: RoutedTask;
  readonly candidates: readonly Candidate[];
  /** Decisions made so far in this pool for this kind of work. */
  readonly turn: number;
};

export type Scored = { readonly candidate: Candidate /** Lower is better. */; readonly score: number };

/**
 * A routing policy, pure: the same request gives the same order. Version rises with any change of the formula, so that a stored decision
 * names exactly what made it.
 */
export interface RoutingStrategy {
  readonly name: string;
  readonly version: number;
  /** Best first; ties are broken by agent id. */
  rank(request: RankRequest): readonly Scored[];
}

const byScore = (a: Scored, b: Scored): number =>
  a.score - b.score ||
  (a.candidate.agentId < b.candidate.agentId ? -1 : a.candidate.agentId > b.candidate.agentId ? 1 : 0);

/** Ranks by a score alone. */
export const scoredBy = (name: string, version: number, score: (candidate: Candidate) => number): RoutingStrategy => ({
  name,
  version,
  rank: ({ candidates }) => candidates.map((candidate) => ({ candidate, score: score(candidate) })).sort(byScore),
});
