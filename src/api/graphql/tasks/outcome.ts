import type { TaskOutcome as HowItEnded } from '../../../processes/outcomes/task-outcomes.ts';
import type { WithOutcome } from '../../../processes/outcomes/waits.ts';
import { TASK_REASONS, type TaskRefusal } from '../../../wording/rejections.ts';
import { type EndedTask, endedTask } from '../../reads/outcomes.ts';
import type { Builder } from '../kit/builder.ts';
import { addOutcome } from '../kit/outcome.ts';
import type { SharedTypes } from '../kit/shared-types.ts';
import type { TaskTypes } from './types.ts';

const addEndedTask = (builder: Builder, { AttemptError }: SharedTypes, { TaskStatus }: TaskTypes) =>
  builder.objectRef<EndedTask>('TaskOutcome').implement({
    description: 'How a task ended; a dead letter may be redriven.',
    fields: (t) => ({
      status: t.expose('status', { type: TaskStatus, description: 'COMPLETED, CANCELLED or DEAD_LETTERED.' }),
      result: t.field({ type: 'JSON', nullable: true, resolve: ({ result }) => result }),
      agentId: t.exposeID('agentId', { nullable: true, description: 'Who completed it.' }),
      attempt: t.exposeInt('attempt', { nullable: true, description: 'The attempt that completed it.' }),
      error: t.expose('error', { type: AttemptError, nullable: true, description: 'Why it was dead-lettered.' }),
    }),
  });

/** What commands of a task answer. */
export const addTaskOutcome = (builder: Builder, shared: SharedTypes, types: TaskTypes) => {
  const { Task, loadTask } = types;
  const EndedTask = addEndedTask(builder, shared, types);
  return addOutcome<WithOutcome<HowItEnded>, TaskRefusal>(builder, {
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
      outcome: t.field({
        type: EndedTask,
        nullable: true,
        description: 'Set when `waitMs` was passed and the task ended in time; otherwise query the task later.',
        resolve: ({ outcome }) => outcome && endedTask(outcome),
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
};

export type TaskOutcome = ReturnType<typeof addTaskOutcome>;
