import { ExecutionId, executionStream } from '../../../domain/ids.ts';
import type { Position } from '../../../eventstore/event-store.ts';
import { notFound } from '../../../platform/errors.ts';
import type { ExecutionChange } from '../../live/execution-changes.ts';
import { entryOfChange } from '../../reads/execution-timeline.ts';
import type { Builder } from '../kit/builder.ts';
import type { ApiContext } from '../kit/context.ts';
import { FRAME_CHANGES, FROM_POSITION, framesOf, SUBJECT_BACKLOG, startOf } from '../kit/subscriptions.ts';
import { asExecutionId, loadExecution } from './load.ts';
import type { ExecutionTimelineType } from './timeline.ts';
import type { ExecutionTypes } from './types.ts';

/** The events of one execution's stream, one after the other, however far back they go. */
const eventsOf = (context: ApiContext, stream: string, after: Position) =>
  framesOf(context, async function* (signal): AsyncGenerator<ExecutionChange, void> {
    const { hub, reads, onCutOff } = context;
    const wanted = { after, limit: SUBJECT_BACKLOG, most: FRAME_CHANGES, onCutOff, signal };
    for await (const changes of hub.followStream(hub.executions, stream, wanted)) {
      reads.clear();
      yield* changes;
    }
  });

/** The execution's stream. Errors: `AppError` `NOT_FOUND`. */
const streamOf = async ({ commands, caller }: ApiContext, id: string): Promise<string> => {
  const executionId = asExecutionId(id);
  const stream = executionStream(caller.tenant, executionId);
  const execution = ExecutionId.safeParse(executionId).success ? await commands.executions.load(stream) : undefined;
  if (execution === undefined || execution.status === 'none') throw notFound('execution', JSON.stringify(id));
  return stream;
};

const addChangeType = (builder: Builder, { Execution }: ExecutionTypes, ExecutionEntry: ExecutionTimelineType) =>
  builder.objectRef<ExecutionChange>('ExecutionChange').implement({
    fields: (t) => ({
      position: t.expose('position', {
        type: 'Position',
        description: 'Pass it as `fromPosition` to resume after this change.',
      }),
      executionId: t.exposeID('executionId'),
      entry: t.field({
        type: ExecutionEntry,
        description: 'Its `unit` is set only if the event itself names one.',
        resolve: (change) => entryOfChange(change),
      }),
      execution: t.field({
        type: Execution,
        nullable: true,
        description:
          'The execution with this change; waits for the read model. Do not select it when you follow many changes.',
        resolve: ({ executionId, position }, _, context) => loadExecution(context, executionId, position),
      }),
    }),
  });

export const addExecutionSubscriptions = (
  builder: Builder,
  types: ExecutionTypes,
  ExecutionEntry: ExecutionTimelineType,
): void => {
  const ExecutionChange = addChangeType(builder, types, ExecutionEntry);
  builder.subscriptionField('executionChanged', (t) =>
    t.field({
      type: ExecutionChange,
      description: 'Each event of one execution, including those of its tasks.',
      args: { executionId: t.arg.id({ required: true }), fromPosition: t.arg(FROM_POSITION) },
      subscribe: async (_, { executionId, fromPosition }, context) =>
        eventsOf(context, await streamOf(context, executionId), await startOf(context, fromPosition)),
      resolve: (change) => change,
    }),
  );
};
