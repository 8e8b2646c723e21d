import {
  checkTaskCount,
  lastPosition,
  MAX_TASKS_PER_CALL,
  type SubmittedItem,
  submitTasks,
} from '../../../commands/task/submit-task.ts';
import type { Builder } from '../kit/builder.ts';
import { callerFor } from '../kit/command-field.ts';
import type { ErrorTypes } from '../kit/error-types.ts';
import { submitBody, type TaskInputs } from './inputs.ts';
import type { TaskOutcome } from './outcome.ts';

const addBulkPayload = (builder: Builder, { Accepted }: TaskOutcome, { InputIssue }: ErrorTypes) => {
  type Failed = Extract<SubmittedItem, { ok: false }>;
  const SubmitTasksItemError = builder.objectRef<Failed>('SubmitTasksItemError').implement({
    fields: (t) => ({
      code: t.exposeString('code', {
        description: 'An error code as in `extensions.code`, or the reason of a rejection.',
      }),
      message: t.exposeString('message'),
      issues: t.field({ type: [InputIssue], resolve: (failed) => failed.issues }),
    }),
  });
  const SubmitTasksItem = builder.objectRef<SubmittedItem>('SubmitTasksItem').implement({
    description: 'Outcome of one task of the list: exactly one of `accepted` and `error` is set.',
    fields: (t) => ({
      index: t.exposeInt('index'),
      accepted: t.field({
        type: Accepted,
        nullable: true,
        resolve: (item) => (item.ok ? { kind: 'accepted' as const, ...item.accepted } : null),
      }),
      error: t.field({ type: SubmitTasksItemError, nullable: true, resolve: (item) => (item.ok ? null : item) }),
    }),
  });
  return builder.objectRef<readonly SubmittedItem[]>('SubmitTasksPayload').implement({
    fields: (t) => ({
      items: t.field({ type: [SubmitTasksItem], resolve: (items) => items }),
      acceptedCount: t.int({ resolve: (items) => items.filter((item) => item.ok).length }),
      position: t.field({
        type: 'Position',
        nullable: true,
        description: 'Position of the last accepted task; null when none was accepted.',
        resolve: lastPosition,
      }),
    }),
  });
};

/** Many tasks in one mutation. */
export const addBulkSubmission = (
  builder: Builder,
  outcome: TaskOutcome,
  inputs: TaskInputs,
  errors: ErrorTypes,
): void => {
  const SubmitTasksPayload = addBulkPayload(builder, outcome, errors);
  builder.mutationField('submitTasks', (t) =>
    t.field({
      type: SubmitTasksPayload,
      description: `Submits up to ${MAX_TASKS_PER_CALL} tasks; each succeeds or fails on its own.`,
      args: {
        tasks: t.arg({ type: [inputs.SubmitTasksItemInput], required: true }),
        idempotencyKey: t.arg.string({
          description: 'Key for items without one of their own, combined with their index.',
        }),
      },
      resolve: (_, { tasks, idempotencyKey }, context, info) => {
        checkTaskCount(tasks.length);
        const items = tasks.map(({ task, idempotencyKey: own }) => ({
          ...submitBody(task),
          ...(own == null ? {} : { idempotencyKey: own }),
        }));
        return submitTasks(context.commands, callerFor(context, { idempotencyKey }, info), { tasks: items });
      },
    }),
  );
};
