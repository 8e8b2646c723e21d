import { countDeadLetters, type DeadLetterFilter, listDeadLetters } from '../../../projections/dead-letters/queries.ts';
import { DEAD_LETTER_STATUSES, type DeadLetterRow } from '../../../projections/dead-letters/table.ts';
import type { Builder } from '../kit/builder.ts';
import { withoutNulls } from '../kit/command-field.ts';
import { type AddConnection, AFTER, AT_LEAST, FIRST, readConnection } from '../kit/connection.ts';
import { enumValues } from '../kit/enums.ts';
import type { SharedTypes } from '../kit/shared-types.ts';
import type { TaskTypes } from './tasks.ts';

export const addDeadLetters = (
  builder: Builder,
  { AttemptError }: SharedTypes,
  { Task, loadTask }: TaskTypes,
  addConnection: AddConnection,
): void => {
  const DeadLetterStatus = builder.enumType('DeadLetterStatus', {
    description: 'OPEN waits for someone; the others were dealt with since.',
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
      attempts: t.exposeInt('attempts', { description: 'Attempts closed by then.' }),
      error: t.expose('error', { type: AttemptError }),
      deadLetteredAt: t.expose('deadLetteredAt', { type: 'DateTime' }),
      closedAt: t.expose('closedAt', { type: 'DateTime', nullable: true }),
      position: t.expose('position', { type: 'Position' }),
    }),
  });
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
  const DeadLetterConnection = addConnection('DeadLetter', DeadLetter);
  builder.queryFields((t) => ({
    deadLetters: t.field({
      type: DeadLetterConnection,
      description: 'Newest first.',
      args: {
        filter: t.arg({ type: DeadLetterFilterInput }),
        first: t.arg.int(FIRST),
        after: t.arg.string(AFTER),
        atLeast: t.arg(AT_LEAST),
      },
      resolve: (_, args, context) => {
        const { pool, tenant } = context.reads;
        const filter = { statuses: ['open'], ...withoutNulls(args.filter ?? {}) } satisfies DeadLetterFilter;
        return readConnection(
          context,
          args,
          (page) => listDeadLetters(pool, tenant, filter, page),
          () => countDeadLetters(pool, tenant, filter),
        );
      },
    }),
  }));
};
