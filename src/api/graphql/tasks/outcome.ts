import type { Accepted } from '../../../commands/context.ts';
import { TASK_REASONS, type TaskRefusal } from '../../../wording/rejections.ts';
import type { Builder } from '../kit/builder.ts';
import { addOutcome } from '../kit/outcome.ts';
import type { TaskTypes } from './types.ts';

/** What commands of a task answer. */
export const addTaskOutcome = (builder: Builder, { Task, loadTask }: TaskTypes) =>
  addOutcome<Accepted, TaskRefusal>(builder, {
    subject: 'Task',
    recorded: 'always',
    accepted: (t) => ({
      taskId: t.id({ resolve: ({ id }) => id }),
      task: t.field({
        type: Task,
        nullable: true,
        description: 'The task with the effect of this command; waits for it.',
        resolve: ({ id, position }, _, context) => loadTask(context, id, position),
      }),
    }),
    reasons: TASK_REASONS,
    facts: {
      status: { from: 'status', type: 'String', description: 'Status of the task that prevented the command.' },
      attempt: { from: 'attempt', type: 'Int' },
      currentAttempt: { from: 'current', type: 'Int' },
      executionId: { from: 'executionId', type: 'ID', description: 'The execution that runs the task.' },
      deadlineAt: { from: 'deadlineAt', type: 'DateTime' },
    },
  });

export type TaskOutcome = ReturnType<typeof addTaskOutcome>;
