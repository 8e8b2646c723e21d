import {
  countDeadLetters,
  type DeadLetterFilter,
  type DeadLetterGroup,
  groupDeadLetters,
  listDeadLetters,
} from '../../../projections/dead-letters/queries.ts';
import { DEAD_LETTER_STATUSES, type DeadLetterRow } from '../../../projections/dead-letters/table.ts';
import type { Builder } from '../kit/builder.ts';
import { withoutNulls } from '../kit/command-field.ts';
import { type AddConnection, AT_LEAST, FIRST } from '../kit/connection.ts';
import { enumValues } from '../kit/enums.ts';
import { addList } from '../kit/list.ts';
import type { SharedTypes } from '../kit/shared-types.ts';
import type { TaskTypes } from './types.ts';

const FINGERPRINT = 'Names the failure: the same for errors that differ only in ids, numbers and quoted text.';

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
      fingerprint: t.exposeString('fingerprint', { description: FINGERPRINT }),
    }),
  });
  const DeadLetterGroupType = builder.objectRef<DeadLetterGroup>('DeadLetterGroup').implement({
    description: 'Dead letters of one failure.',
    fields: (t) => ({
      fingerprint: t.exposeString('fingerprint', { description: FINGERPRINT }),
      errorCode: t.exposeString('errorCode'),
      count: t.expose('count', { type: 'SafeInt' }),
      message: t.exposeString('message', { description: 'Of the newest of them.' }),
      taskId: t.exposeID('taskId', { description: 'The newest of them.' }),
      oldestAt: t.expose('oldestAt', { type: 'DateTime' }),
      newestAt: t.expose('newestAt', { type: 'DateTime' }),
      capabilities: t.exposeStringList('capabilities', { description: 'At most 20, by name.' }),
    }),
  });
  return { DeadLetter, DeadLetterStatus, DeadLetterGroupType };
};

export const addDeadLetters = (
  builder: Builder,
  shared: SharedTypes,
  tasks: TaskTypes,
  addConnection: AddConnection,
): void => {
  const { DeadLetter, DeadLetterStatus, DeadLetterGroupType } = addDeadLetterTypes(builder, shared, tasks);
  const DeadLetterFilterInput = builder.inputType('DeadLetterFilter', {
    fields: (t) => ({
      statuses: t.field({ type: [DeadLetterStatus], description: 'OPEN when absent.' }),
      pool: t.string(),
      capability: t.string(),
      agentId: t.id(),
      reason: t.string(),
      errorCode: t.string(),
      fingerprint: t.string({ description: FINGERPRINT }),
      text: t.string({ description: "Part of the error's message; case does not matter." }),
    }),
  });
  const filterOf = (input: typeof DeadLetterFilterInput.$inferInput): DeadLetterFilter => ({
    statuses: ['open'],
    ...withoutNulls(input),
  });
  builder.queryField('deadLetterGroups', (t) =>
    t.field({
      type: [DeadLetterGroupType],
      description: 'Dead letters by failure, the most frequent first.',
      args: {
        filter: t.arg({ type: DeadLetterFilterInput }),
        first: t.arg.int(FIRST),
        atLeast: t.arg(AT_LEAST),
      },
      resolve: (_, { filter, first, atLeast }, { reads }) => {
        reads.atLeast(atLeast);
        return reads.of(groupDeadLetters(reads.pool, reads.tenant, filterOf(filter ?? {}), first));
      },
    }),
  );
  addList(builder, addConnection, {
    name: 'deadLetters',
    description: 'Newest first.',
    of: 'DeadLetter',
    node: DeadLetter,
    filter: DeadLetterFilterInput,
    filterOf,
    list: listDeadLetters,
    count: countDeadLetters,
  });
};
