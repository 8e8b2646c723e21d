import { ExecutionId, executionStream } from '../../../domain/ids.ts';
import { countExecutions, type ExecutionFilter, listExecutions } from '../../../projections/executions/queries.ts';
import type { Builder } from '../kit/builder.ts';
import { type AddConnection, AT_LEAST } from '../kit/connection.ts';
import type { Enums } from '../kit/enums.ts';
import { addList } from '../kit/list.ts';
import { asExecutionId, loadExecution } from './load.ts';
import type { ExecutionTypes } from './types.ts';

export const addExecutionQueries = (
  builder: Builder,
  enums: Enums,
  { Execution }: ExecutionTypes,
  addConnection: AddConnection,
): void => {
  const ExecutionFilterInput = builder.inputType('ExecutionFilter', {
    fields: (t) => ({
      statuses: t.field({ type: [enums.ExecutionStatus] }),
      workflow: t.string(),
      version: t.string(),
      tags: t.stringList({ description: 'All of them.' }),
      parentExecutionId: t.id(),
      forkedFrom: t.id(),
      correlationId: t.string(),
      text: t.string({
        description: "Part of the workflow's name, a tag or the error's message; case does not matter.",
      }),
      startedFrom: t.field({ type: 'DateTime', description: 'Inclusive.' }),
      startedTo: t.field({ type: 'DateTime', description: 'Exclusive.' }),
    }),
  });
  builder.queryField('execution', (t) =>
    t.field({
      type: Execution,
      nullable: true,
      args: { id: t.arg.id({ required: true }), atLeast: t.arg(AT_LEAST) },
      resolve: (_, { id, atLeast }, context) =>
        context.reads.existing({ schema: ExecutionId, streamOf: executionStream, id: asExecutionId(id) }, () =>
          loadExecution(context, id, atLeast),
        ),
    }),
  );
  addList(builder, addConnection, {
    name: 'executions',
    description: 'Newest start first.',
    of: 'Execution',
    node: Execution,
    filter: ExecutionFilterInput,
    filterOf: (input) => input satisfies ExecutionFilter,
    list: listExecutions,
    count: countExecutions,
  });
};
