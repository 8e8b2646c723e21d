import { AgentId, agentStream, ExecutionId, executionStream, TaskId, taskStream } from '../../../domain/ids.ts';
import type { Position } from '../../../eventstore/event-store.ts';
import { sleep } from '../../../platform/clock.ts';
import { notFound } from '../../../platform/errors.ts';
import type { AgentChange } from '../../live/changes.ts';
import type { ExecutionChange } from '../../live/execution-changes.ts';
import type { Follow } from '../../live/hub.ts';
import type { Placed } from '../../live/subscriber.ts';
import type { Topic } from '../../live/topic.ts';
import type { AgentTypes } from '../agents/agents.ts';
import { type ExecutionTimelineType, entryOfChange } from '../executions/execution-timeline.ts';
import { asExecutionId, type ExecutionTypes } from '../executions/executions.ts';
import type { Builder } from '../kit/builder.ts';
import type { ApiContext } from '../kit/context.ts';
import { asTaskId, type TaskTypes } from '../tasks/tasks.ts';
import type { TimelineEntry, TimelineType } from '../tasks/timeline.ts';

/** Changes of one subject that may wait for a slow reader. */
const SUBJECT_BACKLOG = 1_000;
const EVERYTHING_BACKLOG = 10_000;
/** A frame of many tasks holds about this many changes. Unless it is full, the next one waits a little: fewer frames cost less. */
const FRAME_CHANGES = 200;
const FRAME_INTERVAL_MS = 50;

type TaskChanges = { readonly position: Position; readonly changes: readonly TimelineEntry[] };

type Wanted<Change> = Omit<Follow<Change>, 'onCutOff' | 'signal'>;

/**
 * An iterator that can be ended while it waits. `return` of a generator alone would wait for the next change, and a subscription
 * whose client has gone would stay.
 */
const endable = <Frame>(make: (signal: AbortSignal) => AsyncGenerator<Frame, void>): AsyncGenerator<Frame, void> => {
  const gone = new AbortController();
  const frames = make(gone.signal);
  return {
    next: () => frames.next(),
    return: (value) => {
      gone.abort();
      return frames.return(value);
    },
    throw: (error) => {
      gone.abort();
      return frames.throw(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
};

/** Frames of one subscription are made one after the other: each sees the read models as they are by then. */
async function* batches<Change extends Placed>(
  { hub, reads, onCutOff }: ApiContext,
  topic: Topic<Change>,
  wanted: Wanted<Change>,
  signal: AbortSignal,
): AsyncGenerator<Change[], void> {
  for await (const changes of hub.follow(topic, { ...wanted, onCutOff, signal })) {
    reads.clear();
    yield changes;
  }
}

/** The events of one execution's stream, one after the other, however far back they go. */
const eventsOfExecution = (context: ApiContext, stream: string, after: Position) =>
  endable(async function* (signal): AsyncGenerator<ExecutionChange, void> {
    const { hub, reads, onCutOff } = context;
    const wanted = { after, limit: SUBJECT_BACKLOG, most: FRAME_CHANGES, onCutOff, signal };
    for await (const changes of hub.followStream(hub.executions, stream, wanted)) {
      reads.clear();
      yield* changes;
    }
  });

const oneByOne = <Change extends Placed>(context: ApiContext, topic: Topic<Change>, wanted: Wanted<Change>) =>
  endable(async function* (signal): AsyncGenerator<Change, void> {
    for await (const changes of batches(context, topic, wanted, signal)) yield* changes;
  });

const inFrames = (context: ApiContext, wanted: Wanted<TimelineEntry>) =>
  endable(async function* (signal): AsyncGenerator<TaskChanges, void> {
    for await (const changes of batches(context, context.hub.tasks, wanted, signal)) {
      const last = changes.at(-1);
      if (last) yield { position: last.position, changes };
      if (changes.length < FRAME_CHANGES) await sleep(context.commands.clock, FRAME_INTERVAL_MS, signal);
    }
  });

const checkTask = async ({ commands, caller, reads }: ApiContext, id: string): Promise<string> => {
  const taskId = asTaskId(id);
  const stream = taskStream(caller.tenant, taskId);
  const isId = TaskId.safeParse(taskId).success;
  const task = isId ? await commands.tasks.load(stream) : undefined;
  // A task that an execution runs is told of under the same name, though it has no stream; with the read model away nobody knows it.
  const isThere = (task && task.status !== 'none') || (isId && (await reads.tasks.load(taskId).catch(() => null)));
  if (!isThere) throw notFound('task', JSON.stringify(id));
  return stream;
};

const checkAgent = async ({ commands, caller }: ApiContext, agentId: string): Promise<string> => {
  const stream = agentStream(caller.tenant, agentId);
  const agent = AgentId.safeParse(agentId).success ? await commands.agents.load(stream) : undefined;
  if (agent === undefined || agent.status === 'none') throw notFound('agent', JSON.stringify(agentId));
  return stream;
};

const checkExecution = async ({ commands, caller }: ApiContext, id: string): Promise<string> => {
  const executionId = asExecutionId(id);
  const stream = executionStream(caller.tenant, executionId);
  const execution = ExecutionId.safeParse(executionId).success ? await commands.executions.load(stream) : undefined;
  if (execution === undefined || execution.status === 'none') throw notFound('execution', JSON.stringify(id));
  return stream;
};

const addChangeTypes = (builder: Builder, TimelineEntryType: TimelineType, tasks: TaskTypes, agents: AgentTypes) => {
  const TaskChange = builder.objectRef<TimelineEntry>('TaskChange').implement({
    fields: (t) => ({
      position: t.expose('position', {
        type: 'Position',
        description: 'Pass it as `fromPosition` to go on after this change.',
      }),
      taskId: t.exposeID('taskId'),
      entry: t.field({ type: TimelineEntryType, resolve: (entry) => entry }),
      task: t.field({
        type: tasks.Task,
        nullable: true,
        description: 'The task with this change; waits for the read model. Leave it out to follow many changes.',
        resolve: ({ taskId, position }, _, context) => tasks.loadTask(context, taskId, position),
      }),
    }),
  });
  const TaskChanges = builder.objectRef<TaskChanges>('TaskChanges').implement({
    fields: (t) => ({
      position: t.expose('position', {
        type: 'Position',
        description: 'Pass it as `fromPosition` to go on after these changes.',
      }),
      changes: t.field({ type: [TaskChange], resolve: ({ changes }) => changes }),
    }),
  });
  const AgentChangeType = builder.objectRef<AgentChange>('AgentChange').implement({
    fields: (t) => ({
      position: t.expose('position', {
        type: 'Position',
        description: 'Pass it as `fromPosition` to go on after this change.',
      }),
      type: t.exposeString('type'),
      at: t.expose('at', { type: 'DateTime' }),
      agentId: t.exposeID('agentId'),
      summary: t.exposeString('summary'),
      data: t.expose('data', { type: 'JSON', description: 'The event as recorded.' }),
      agent: t.field({
        type: agents.Agent,
        nullable: true,
        description: 'The agent with this change; waits for the read model.',
        resolve: ({ agentId, position }, _, context) => agents.loadAgent(context, agentId, position),
      }),
    }),
  });
  return { TaskChange, TaskChanges, AgentChange: AgentChangeType };
};

const addExecutionChangeType = (
  builder: Builder,
  ExecutionEntry: ExecutionTimelineType,
  { Execution, loadExecution }: ExecutionTypes,
) =>
  builder.objectRef<ExecutionChange>('ExecutionChange').implement({
    fields: (t) => ({
      position: t.expose('position', {
        type: 'Position',
        description: 'Pass it as `fromPosition` to go on after this change.',
      }),
      executionId: t.exposeID('executionId'),
      entry: t.field({
        type: ExecutionEntry,
        description: 'Its `unit` is set where the event itself names one.',
        resolve: (change) => entryOfChange(change),
      }),
      execution: t.field({
        type: Execution,
        nullable: true,
        description: 'The execution with this change; waits for the read model. Leave it out to follow many changes.',
        resolve: ({ executionId, position }, _, context) => loadExecution(context, executionId, position),
      }),
    }),
  });

const FROM_POSITION = {
  type: 'Position',
  description: 'Go on after this position, without gap or repetition; from now on when absent.',
} as const;

/** Subscriptions follow the log itself: a frame is neither lost nor repeated, and says from where to go on. */
export const addSubscriptions = (
  builder: Builder,
  TimelineEntryType: TimelineType,
  tasks: TaskTypes,
  agents: AgentTypes,
  executions: { readonly types: ExecutionTypes; readonly ExecutionEntry: ExecutionTimelineType },
): void => {
  const ExecutionChangeType = addExecutionChangeType(builder, executions.ExecutionEntry, executions.types);
  const types = addChangeTypes(builder, TimelineEntryType, tasks, agents);
  const TaskChangeFilter = builder.inputType('TaskChangeFilter', {
    fields: (t) => ({
      types: t.stringList({ description: 'Of timeline entries, such as TaskCompleted.' }),
      agentId: t.id(),
    }),
  });
  builder.subscriptionType({
    fields: (t) => ({
      taskChanged: t.field({
        type: types.TaskChange,
        description: 'Each change of one task.',
        args: { taskId: t.arg.id({ required: true }), fromPosition: t.arg(FROM_POSITION) },
        subscribe: async (_, { taskId, fromPosition }, context) =>
          oneByOne(context, context.hub.tasks, {
            interest: { subject: await checkTask(context, taskId) },
            after: fromPosition ?? undefined,
            limit: SUBJECT_BACKLOG,
            most: FRAME_CHANGES,
          }),
        resolve: (change) => change,
      }),
      tasksChanged: t.field({
        type: types.TaskChanges,
        description: 'Changes of all tasks, several in a frame.',
        args: { filter: t.arg({ type: TaskChangeFilter }), fromPosition: t.arg(FROM_POSITION) },
        subscribe: (_, { filter, fromPosition }, context) => {
          const wanted = filter?.types ? new Set(filter.types) : undefined;
          const agentId = filter?.agentId ?? undefined;
          return inFrames(context, {
            interest: {
              tenant: context.caller.tenant,
              matches: (entry) =>
                (wanted === undefined || wanted.has(entry.type)) &&
                (agentId === undefined || entry.agentId === agentId),
            },
            after: fromPosition ?? undefined,
            limit: EVERYTHING_BACKLOG,
            most: FRAME_CHANGES,
          });
        },
        resolve: (changes) => changes,
      }),
      executionChanged: t.field({
        type: ExecutionChangeType,
        description: 'Each event of one execution, those of the tasks that it runs included.',
        args: { executionId: t.arg.id({ required: true }), fromPosition: t.arg(FROM_POSITION) },
        subscribe: async (_, { executionId, fromPosition }, context) =>
          eventsOfExecution(context, await checkExecution(context, executionId), fromPosition ?? context.hub.position),
        resolve: (change) => change,
      }),
      agentChanged: t.field({
        type: types.AgentChange,
        description: 'Each change of one agent, or of all of them.',
        args: { agentId: t.arg.id(), fromPosition: t.arg(FROM_POSITION) },
        subscribe: async (_, { agentId, fromPosition }, context) =>
          oneByOne(context, context.hub.agents, {
            interest: agentId
              ? { subject: await checkAgent(context, agentId) }
              : { tenant: context.caller.tenant, matches: () => true },
            after: fromPosition ?? undefined,
            limit: SUBJECT_BACKLOG,
            most: FRAME_CHANGES,
          }),
        resolve: (change) => change,
      }),
    }),
  });
};
