import type { Money } from '../../domain/money.ts';
import type { AttemptError } from '../../domain/task/events.ts';
import type { Position } from '../../eventstore/event-store.ts';
import { TASK_STATUSES, type TaskRow } from '../../projections/tasks/table.ts';
import type { Builder } from './builder.ts';
import type { ApiContext } from './context.ts';
import { type Enums, enumValues } from './enums.ts';

/** Types that tasks, attempts and dead letters share. */
const addFacts = (builder: Builder) => ({
  Money: builder.objectRef<Money>('Money').implement({
    fields: (t) => ({
      currency: t.exposeString('currency'),
      micros: t.expose('micros', { type: 'SafeInt', description: "Millionths of the currency's unit." }),
    }),
  }),
  AttemptError: builder.objectRef<AttemptError>('AttemptError').implement({
    fields: (t) => ({
      code: t.exposeString('code'),
      message: t.exposeString('message'),
      source: t.exposeString('source', { description: 'Whose fault it is: agent, destination, timeout or baton.' }),
      retryable: t.exposeBoolean('retryable'),
    }),
  }),
});

export const addTaskTypes = (builder: Builder, enums: Enums) => {
  const facts = addFacts(builder);
  const TaskStatus = builder.enumType('TaskStatus', { values: enumValues(TASK_STATUSES) });
  const Task = builder.objectRef<TaskRow>('Task').implement({
    fields: (t) => ({
      id: t.exposeID('taskId'),
      status: t.expose('status', { type: TaskStatus }),
      pool: t.exposeString('pool'),
      capability: t.exposeString('capability'),
      versionRange: t.exposeString('versionRange', { nullable: true }),
      priority: t.exposeInt('priority'),
      strategy: t.exposeString('strategy'),
      timeoutMs: t.expose('timeoutMs', { type: 'SafeInt' }),
      tags: t.exposeStringList('tags'),
      attempt: t.exposeInt('attempt', { description: 'The attempt that may run now, or that ended the task.' }),
      failures: t.exposeInt('failures', { description: 'Attempts that failed, over all retry budgets.' }),
      redrives: t.exposeInt('redrives'),
      agentId: t.exposeID('agentId', { nullable: true }),
      error: t.expose('error', { type: facts.AttemptError, nullable: true }),
      submittedAt: t.expose('submittedAt', { type: 'DateTime' }),
      endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true }),
      correlationId: t.exposeString('correlationId'),
      position: t.expose('updatedPosition', { type: 'Position', description: 'Of the last event of this task.' }),
    }),
  });
  return { ...facts, Task, TaskStatus, enums, loadTask };
};

export type TaskTypes = ReturnType<typeof addTaskTypes>;

const loadTask = async (context: ApiContext, taskId: string, atLeast?: Position | null): Promise<TaskRow | null> => {
  await context.reads.atLeast(atLeast);
  return context.reads.task(taskId);
};

export const addTaskQueries = (builder: Builder, { Task }: TaskTypes): void => {
  builder.queryFields((t) => ({
    task: t.field({
      type: Task,
      nullable: true,
      args: { id: t.arg.id({ required: true }), atLeast: t.arg({ type: 'Position' }) },
      resolve: (_, { id, atLeast }, context) => loadTask(context, id, atLeast),
    }),
  }));
};
