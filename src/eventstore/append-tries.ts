import { type AppendResult, type ExpectedRevision, RevisionConflict } from './event-store.ts';

export type TryOutcome =
  | ({ readonly kind: 'appended' } & AppendResult)
  /** Acknowledged as a repeat of events that the store no longer shows in its log. */
  | { readonly kind: 'appended_somewhere' }
  | { readonly kind: 'conflict'; readonly actual: ExpectedRevision };

/**
 * One append that may take several tries, all with the same ids at the same expected revision. Each call of the returned function is a
 * try.
 *
 * A conflict counts only if no earlier try can have been written. After a try with an unknown outcome, the stream is searched for the
 * events; only if they are absent it is a conflict.
 *
 * Errors: `RevisionConflict`; what `attempt` throws, after which the outcome counts as unknown.
 */
export const appendInTries = (
  target: { readonly stream: string; readonly expectedRevision: ExpectedRevision },
  attempt: () => Promise<TryOutcome>,
  findWritten: () => Promise<AppendResult | undefined>,
): (() => Promise<AppendResult>) => {
  let outcomeUnknown = false;
  return async () => {
    let outcome: TryOutcome;
    try {
      outcome = await attempt();
    } catch (error) {
      outcomeUnknown = true;
      throw error;
    }
    if (outcome.kind === 'appended') return { revision: outcome.revision, position: outcome.position };
    const mayBeWritten = outcome.kind === 'appended_somewhere' || outcomeUnknown;
    const written = mayBeWritten ? await findWritten() : undefined;
    if (written !== undefined) return written;
    if (outcome.kind === 'appended_somewhere')
      throw new Error(
        `the store acknowledged the events of this append to ${target.stream} as a repeat, but does not return them`,
      );
    throw new RevisionConflict(target.stream, target.expectedRevision, outcome.actual);
  };
};
