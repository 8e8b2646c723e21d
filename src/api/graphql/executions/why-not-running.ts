import { NOT_RUNNING_REASONS } from '../../../domain/execution/why-not-running.ts';
import type { NotRunningEntry } from '../../reads/not-running.ts';
import type { Builder } from '../kit/builder.ts';
import { type Enums, enumValues } from '../kit/enums.ts';

export const addNotRunningType = (builder: Builder, { Obstacle }: Enums) => {
  const NotRunningReason = builder.enumType('NotRunningReason', {
    description:
      'DEPENDENCY: others must end first. WINDOW: as many tasks are open as the workflow allows. DELAY, EVENT, DECISION, WORKFLOW: what the step waits for. RETRY: the next attempt is due later. AGENT: no agent has taken it yet. UNDO_ORDER: other compensations come first. PARKED: a person must take care of the compensation.',
    values: enumValues(NOT_RUNNING_REASONS),
  });
  return builder.objectRef<NotRunningEntry>('NotRunning').implement({
    description: 'Why a step, or the compensation of one, has not ended and is not held by an agent.',
    fields: (t) => ({
      unit: t.exposeString('unit', { description: 'A step, or `~` and the compensated unit.' }),
      reason: t.expose('reason', { type: NotRunningReason }),
      obstacle: t.expose('obstacle', { type: Obstacle }),
      message: t.exposeString('message'),
      unblock: t.exposeString('unblock', { description: 'The least that would have to change.' }),
      dependencies: t.stringList({ resolve: ({ dependencies }) => [...dependencies] }),
      until: t.expose('until', { type: 'DateTime', nullable: true }),
      name: t.exposeString('name', { nullable: true, description: 'Of the event or the decision.' }),
      options: t.stringList({ description: 'Of the decision.', resolve: ({ options }) => [...options] }),
      childExecutionId: t.exposeID('childExecutionId', { nullable: true }),
      taskId: t.exposeID('taskId', { nullable: true, description: 'Its `why` has details about each agent.' }),
    }),
  });
};

export type NotRunningType = ReturnType<typeof addNotRunningType>;
