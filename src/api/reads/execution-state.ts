import type { Running } from '../../domain/execution/state.ts';
import { executionStream } from '../../domain/ids.ts';
import { notFound } from '../../platform/errors.ts';
import type { ExecutionRow } from '../../projections/executions/table.ts';
import type { ReadContext } from './context.ts';

/** The execution, folded from its stream: as fresh as the log, whatever the read models hold. */
export const stateOf = (
  { reads, commands, caller }: ReadContext,
  { executionId }: Pick<ExecutionRow, 'executionId'>,
): Promise<Running> =>
  reads.once(`state of ${executionId}`, async () => {
    const state = await commands.executions.load(executionStream(caller.tenant, executionId), { fresh: true });
    if (state.status === 'none') throw notFound('execution', executionId);
    return state;
  });
