import { TaskId, taskStream } from '../../../domain/ids.ts';
import type { Position } from '../../../eventstore/event-store.ts';
import { notFound } from '../../../platform/errors.ts';
import { Pace } from '../../live/pace.ts';
import type { TaskChange } from '../../live/task-changes.ts';
import type { Builder } from '../kit/builder.ts';
import type { ApiContext } from '../kit/context.ts';
import {
  batches,
  FRAME_CHANGES,
  FROM_POSITION,
  framesOf,
  oneByOne,
  startOf,
  type Wanted,
} from '../kit/subscriptions.ts';
import type { TimelineType } from './timeline.ts';
import { asTaskId, type TaskTypes } from './types.ts';

/** Changes of all tasks that may wait for a slow reader. */
const EVERYTHING_BACKLOG = 10_000;

type TaskChanges = { readonly position: Position; readonly changes: readonly TaskChange[] };

const inFrames = (context: ApiContext, wanted: Pick<Wanted<TaskChange>, 'interest' | 'after'>) =>
  framesOf(context, async function* (signal): AsyncGenerator<TaskChanges, void> {
    const pace = new Pace(context.commands.clock);
    const limits = { limit: EVERYTHING_BACKLOG, most: FRAME_CHANGES };
    for await (const changes of batches(context, context.hub.tasks, { ...wanted, ...limits }, signal)) {
      const last = changes.at(-1);
      if (last) yield { position: last.position, changes };
      // A full frame is history, or a backlog.
      if (changes.length < FRAME_CHANGES) await pace.next(changes.length, signal);
    }
  });

/** The name under which the hub knows a task. Errors: `AppError` `NOT_FOUND`. */
const subjectOf = async ({ commands, caller, reads }: ApiContext, id: string): Promise<string> => {
  const taskId = asTaskId(id);
  const stream = taskStream(caller.tenant, taskId);
  const isId = TaskId.safeParse(taskId).success;
  const task = isId ? await commands.tasks.load(stream) : undefined;
  // A task that an execution runs has no stream, but the hub gives it the same name; only the read model knows that it exists.
  const exists = (task && task.status !== 'none') || (isId && (await reads.tasks.load(taskId).catch(() => null)));
  if (!exists) throw notFound('task', JSON.stringify(id));
  return stream;
};

const addChangeTypes = (builder: Builder, { Task, loadTask }: TaskTypes, TimelineEntry: TimelineType) => {
  const TaskChange = builder.objectRef<TaskChange>('TaskChange').implement({
    fields: (t) => ({
      position: t.expose('position', {
        type: 'Position',
        description: 'Pass it as `fromPosition` to resume after this change.',
      }),
      taskId: t.exposeID('taskId'),
      entry: t.field({ type: TimelineEntry, resolve: (change) => change }),
      task: t.field({
        type: Task,
        nullable: true,
        description:
          'The task with this change; waits for the read model. Do not select it when you follow many changes.',
        resolve: ({ taskId, position }, _, context) => loadTask(context, taskId, position),
      }),
    }),
  });
  const TaskChanges = builder.objectRef<TaskChanges>('TaskChanges').implement({
    fields: (t) => ({
      position: t.expose('position', {
        type: 'Position',
        description: 'Pass it as `fromPosition` to resume after these changes.',
      }),
      changes: t.field({ type: [TaskChange], resolve: ({ changes }) => changes }),
    }),
  });
  const TaskChangeFilter = builder.inputType('TaskChangeFilter', {
    fields: (t) => ({
      types: t.stringList({ description: 'Types of timeline entries, such as TaskCompleted.' }),
      agentId: t.id(),
    }),
  });
  return { TaskChange, TaskChanges, TaskChangeFilter };
};

type Filter = ReturnType<typeof addChangeTypes>['TaskChangeFilter']['$inferInput'];

const matcherOf = ({ types, agentId }: Filter): ((change: TaskChange) => boolean) => {
  const wanted = types ? new Set(types) : undefined;
  return (change) => (wanted?.has(change.type) ?? true) && (agentId == null || change.agentId === agentId);
};

export const addTaskSubscriptions = (builder: Builder, types: TaskTypes, TimelineEntry: TimelineType): void => {
  const { TaskChange, TaskChanges, TaskChangeFilter } = addChangeTypes(builder, types, TimelineEntry);
  builder.subscriptionFields((t) => ({
    taskChanged: t.field({
      type: TaskChange,
      description: 'Each change of one task.',
      args: { taskId: t.arg.id({ required: true }), fromPosition: t.arg(FROM_POSITION) },
      subscribe: async (_, { taskId, fromPosition }, context) =>
        oneByOne(context, context.hub.tasks, {
          interest: { subject: await subjectOf(context, taskId) },
          after: await startOf(context, fromPosition),
        }),
      resolve: (change) => change,
    }),
    tasksChanged: t.field({
      type: TaskChanges,
      description: 'Changes of all tasks, several in a frame.',
      args: { filter: t.arg({ type: TaskChangeFilter }), fromPosition: t.arg(FROM_POSITION) },
      subscribe: async (_, { filter, fromPosition }, context) =>
        inFrames(context, {
          interest: { tenant: context.caller.tenant, matches: matcherOf(filter ?? {}) },
          after: await startOf(context, fromPosition),
        }),
      resolve: (changes) => changes,
    }),
  }));
};
