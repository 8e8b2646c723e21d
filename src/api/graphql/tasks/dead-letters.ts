import { countDeadLetters, type DeadLetterFilter, listDeadLetters } from '../../../projections/dead-letters/queries.ts';
import { DEAD_LETTER_STATUSES, type DeadLetterRow } from '../../../projections/dead-letters/table.ts';
import type { Builder } from '../kit/builder.ts';
import type { AddConnection } from '../kit/connection.ts';
import { enumValues } from '../kit/enums.ts';
import { addList } from '../kit/list.ts';
import type { SharedTypes } from '../kit/shared-types.ts';
import type { TaskTypes } from './types.ts';

const addDeadLetterTypes = (builder: Builder, { AttemptError }: SharedTypes, { Task, loadTask }: TaskTypes) => {
  const DeadLetterStatus = builder.enumType('DeadLetterStatus', {
    description: 'OPEN waits for a person; the others have been handled.',
    values: enumValues(DEAD_LETTER_STATUSES),
  });
  const DeadLetter = builder.objectRef<DeadLetterRow>('DeadLetter').implement({
    description: 'The last dead letter of a task.',
    fields: (t) => ({
      taskId: t.exposeID('taskId'),
      task: t.field({
        type: Task,
        nullable: true,
        resolve: ({ taskId }, _, context) => loadTask(context, taskId),
      }),
      status: t.expose('status', { type: DeadLetterStatus }),
      pool: t.exposeString('pool'),
      capability: t.exposeString('capability'),
      agentId: t.exposeID('agentId', { nullable: true }),
      reason: t.exposeString('reason'),
      attempts: t.exposeInt('attempts', { description: 'Attempts that had ended by then.' }),
      error: t.expose('error', { type: AttemptError }),
      deadLetteredAt: t.expose('deadLetteredAt', { type: 'DateTime' }),
      closedAt: t.expose('closedAt', { type: 'DateTime', nullable: true }),
      position: t.expose('position', { type: 'Position' }),
    }),
  });
  return { DeadLetter, DeadLetterStatus };
};

export const addDeadLetters = (
  builder: Builder,
  shared: SharedTypes,
  tasks: TaskTypes,
  addConnection: AddConnection,
): void => {
  const { DeadLetter, DeadLetterStatus } = addDeadLetterTypes(builder, shared, tasks);
  const DeadLetterFilterInput = builder.inputType('DeadLetterFilter', {
    fields: (t) => ({
      statuses: t.field({ type: [DeadLetterStatus], description: 'OPEN when absent.' }),
      pool: t.string(),
      capability: t.string(),
      agentId: t.id(),
      reason: t.string(),
      errorCode: t.string(),
      text: t.string({ description: "Part of the error's message; case does not matter." }),
    }),
  });
  addList(builder, addConnection, {
    name: 'deadLetters',
    description: 'Newest first.',
    of: 'DeadLetter',
    node: DeadLetter,
    filter: DeadLetterFilterInput,
    filterOf: (input) => ({ statuses: ['open'], ...input }) satisfies DeadLetterFilter,
    list: listDeadLetters,
    count: countDeadLetters,
  });
};
