import type { Running } from '../../../domain/execution/state.ts';
import { executionStream } from '../../../domain/ids.ts';
import type { Position } from '../../../eventstore/event-store.ts';
import { notFound } from '../../../platform/errors.ts';
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

/** The execution, folded from its stream: as fresh as the log, whatever the read models hold. */
export const stateOf = ({ reads, commands, caller }: ApiContext, { executionId }: ExecutionRow): Promise<Running> =>
  reads.once(`state of ${executionId}`, async () => {
    const state = await commands.executions.load(executionStream(caller.tenant, executionId), { fresh: true });
    if (state.status === 'none') throw notFound('execution', executionId);
    return state;
  });
