import type { TaskChange } from '../../live/task-changes.ts';
import type { Builder } from '../kit/builder.ts';

export const addTimelineType = (builder: Builder) =>
  builder.objectRef<TaskChange>('TimelineEntry').implement({
    description: 'One thing that happened to a task.',
    fields: (t) => ({
      position: t.expose('position', { type: 'Position' }),
      type: t.exposeString('type', { description: 'Event type, or `TaskAssigned` for a decision of the pool.' }),
      at: t.expose('at', { type: 'DateTime' }),
      taskId: t.exposeID('taskId'),
      attempt: t.exposeInt('attempt', { nullable: true }),
      agentId: t.exposeID('agentId', { nullable: true }),
      summary: t.exposeString('summary'),
      actor: t.exposeString('actor', { nullable: true }),
      data: t.expose('data', { type: 'JSON', description: 'The event as recorded.' }),
    }),
  });

export type TimelineType = ReturnType<typeof addTimelineType>;
