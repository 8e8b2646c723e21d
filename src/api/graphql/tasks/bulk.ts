import { checkTaskCount, MAX_TASKS_PER_CALL, submitTasks } from '../../../commands/task/submit-task.ts';
import type { TaskRejection } from '../../../domain/task/decision.ts';
import type { Builder } from '../kit/builder.ts';
import { addBulkPayload, BULK_KEY } from '../kit/bulk.ts';
import { callerFor } from '../kit/command-field.ts';
import type { ErrorTypes } from '../kit/error-types.ts';
import { submitBody, type TaskInputs } from './inputs.ts';
import type { TaskOutcome } from './outcome.ts';

/** Many tasks in one mutation. */
export const addBulkSubmission = (
  builder: Builder,
  outcome: TaskOutcome,
  inputs: TaskInputs,
  errors: ErrorTypes,
): void => {
  const SubmitTasksPayload = addBulkPayload<TaskRejection['reason']>(builder, errors, {
    name: 'SubmitTasks',
    subject: 'task',
    Accepted: outcome.Accepted,
  });
  builder.mutationField('submitTasks', (t) =>
    t.field({
      type: SubmitTasksPayload,
      description: `Submits up to ${MAX_TASKS_PER_CALL} tasks; each succeeds or fails on its own.`,
      args: {
        tasks: t.arg({ type: [inputs.SubmitTasksItemInput], required: true }),
        idempotencyKey: t.arg.string(BULK_KEY),
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
