import type { ExecutionEntry } from '../../reads/execution-timeline.ts';
import type { Builder } from '../kit/builder.ts';

export const addExecutionTimelineType = (builder: Builder) =>
  builder.objectRef<ExecutionEntry>('ExecutionEntry').implement({
    description: 'One thing that happened to an execution.',
    fields: (t) => ({
      position: t.expose('position', { type: 'Position' }),
      type: t.exposeString('type', { description: 'Event type, or `TaskAssigned` for a decision of the pool.' }),
      at: t.expose('at', { type: 'DateTime' }),
      unit: t.exposeString('unit', {
        nullable: true,
        description: 'Step, item or compensation that it is about: `collect`, `resize[3]`, `~collect`.',
      }),
      taskId: t.exposeID('taskId', { nullable: true }),
      attempt: t.exposeInt('attempt', { nullable: true }),
      agentId: t.exposeID('agentId', { nullable: true }),
      summary: t.exposeString('summary'),
      actor: t.exposeString('actor', { nullable: true }),
      data: t.expose('data', { type: 'JSON', description: 'The event as recorded.' }),
    }),
  });

export type ExecutionTimelineType = ReturnType<typeof addExecutionTimelineType>;
