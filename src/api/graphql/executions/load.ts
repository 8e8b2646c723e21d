import type { Position } from '../../../eventstore/event-store.ts';
import type { ExecutionRow } from '../../../projections/executions/table.ts';
import type { ApiContext } from '../kit/context.ts';

/** A UUID means the same in either case; we write it in lower case. */
export const asExecutionId = (id: string): string => id.toLowerCase();

/** The row of the read model; waits until it holds the log up to `atLeast`. */
export const loadExecution = async (
  { reads }: ApiContext,
  id: string,
  atLeast?: Position | null,
): Promise<ExecutionRow | null> => {
  reads.atLeast(atLeast);
  return reads.executions.load(asExecutionId(id));
};
