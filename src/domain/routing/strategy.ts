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
  /** How many are wanted. */
  readonly top: number;
};

export type Scored = { readonly candidate: Candidate /** Lower is better. */; readonly score: number };

/**
 * A routing policy, pure: the same request gives the same order. Version rises with any change of the formula, so that a stored decision
 * names exactly what made it.
 */
export interface RoutingStrategy {
  readonly name: string;
  readonly version: number;
  /** The best `top` candidates, best first; ties are broken by agent id. */
  rank(request: RankRequest): readonly Scored[];
}

const isBetter = (a: Scored, b: Scored): boolean =>
  a.score < b.score || (a.score === b.score && a.candidate.agentId < b.candidate.agentId);

/** Puts an entry where it belongs among the best so far, of which there are at most `top`. */
const insert = (best: Scored[], scored: Scored, top: number): void => {
  let at = best.length;
  while (at > 0 && isBetter(scored, best[at - 1] as Scored)) at -= 1;
  if (at >= top) return;
  best.splice(at, 0, scored);
  if (best.length > top) best.pop();
};

/** Ranks by a score alone. One pass without sorting when few are wanted: a decision looks at every free agent. */
export const scoredBy = (name: string, version: number, score: (candidate: Candidate) => number): RoutingStrategy => ({
  name,
  version,
  rank: ({ candidates, top }) => {
    const best: Scored[] = [];
    for (const candidate of candidates) {
      const scored = score(candidate);
      const last = best.length < top ? undefined : best.at(-1);
      // Most candidates are not among the best: nothing is made for those.
      if (last && (scored > last.score || (scored === last.score && candidate.agentId > last.candidate.agentId)))
        continue;
      insert(best, { candidate, score: scored }, top);
    }
    return best;
  },
});
