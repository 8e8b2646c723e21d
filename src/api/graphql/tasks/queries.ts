import { TaskId, taskStream } from '../../../domain/ids.ts';
import { countTasks, listTasks, type TaskFilter } from '../../../projections/tasks/queries.ts';
import type { Builder } from '../kit/builder.ts';
import { type AddConnection, AT_LEAST } from '../kit/connection.ts';
import { addList } from '../kit/list.ts';
import { asTaskId, type TaskTypes } from './types.ts';

export const addTaskQueries = (
  builder: Builder,
  { Task, TaskStatus, loadTask }: TaskTypes,
  addConnection: AddConnection,
): void => {
  const TaskFilterInput = builder.inputType('TaskFilter', {
    fields: (t) => ({
      statuses: t.field({ type: [TaskStatus] }),
      capability: t.string(),
      pool: t.string(),
      agentId: t.id(),
      tags: t.stringList({ description: 'All of them.' }),
      priorities: t.intList(),
      correlationId: t.string(),
      executionId: t.id({ description: 'Tasks of this execution.' }),
      text: t.string({
        description: "Part of the capability, the agent's id, a tag or the error's message; case does not matter.",
      }),
      submittedFrom: t.field({ type: 'DateTime', description: 'Inclusive.' }),
      submittedTo: t.field({ type: 'DateTime', description: 'Exclusive.' }),
    }),
  });
  builder.queryField('task', (t) =>
    t.field({
      type: Task,
      nullable: true,
      args: { id: t.arg.id({ required: true }), atLeast: t.arg(AT_LEAST) },
      resolve: (_, { id, atLeast }, context) =>
        context.reads.existing({ schema: TaskId, streamOf: taskStream, id: asTaskId(id) }, () =>
          loadTask(context, id, atLeast),
        ),
    }),
  );
  addList(builder, addConnection, {
    name: 'tasks',
    description: 'Newest submission first.',
    of: 'Task',
    node: Task,
    filter: TaskFilterInput,
    filterOf: (input) => input satisfies TaskFilter,
    list: listTasks,
    count: countTasks,
  });
};
