import type { Money } from '../../../domain/money.ts';
import type { RetryPolicy } from '../../../domain/retry.ts';
import type { Position } from '../../../eventstore/event-store.ts';
import { countTasks, listTasks, type TaskFilter } from '../../../projections/tasks/queries.ts';
import { TASK_STATUSES, type TaskRow } from '../../../projections/tasks/table.ts';
import type { AgentTypes } from '../agents/agents.ts';
import type { Builder } from '../kit/builder.ts';
import { withoutNulls } from '../kit/command-field.ts';
import { type AddConnection, AFTER, AT_LEAST, FIRST, readConnection } from '../kit/connection.ts';
import type { ApiContext } from '../kit/context.ts';
import { type Enums, enumValues } from '../kit/enums.ts';
import type { SharedTypes } from '../kit/shared-types.ts';
import type { AttemptType } from './attempts.ts';
import type { WhyType } from './routing.ts';
import { type TimelineType, timelineOf } from './timeline.ts';

/** A UUID means the same in either case; we write it in lower case. */
export const asTaskId = (id: string): string => id.toLowerCase();

const loadTask = async ({ reads }: ApiContext, id: string, atLeast?: Position | null): Promise<TaskRow | null> => {
  await reads.atLeast(atLeast);
  return reads.tasks.load(asTaskId(id));
};

const costsOf = ({ cost }: TaskRow): Money[] =>
  Object.entries(cost).map(([currency, micros]) => ({ currency, micros }));

export type TaskParts = {
  readonly shared: SharedTypes;
  readonly enums: Enums;
  readonly agents: AgentTypes;
  readonly TaskAttempt: AttemptType;
  readonly TimelineEntry: TimelineType;
  readonly TaskWhy: WhyType;
};

export const addTaskTypes = (builder: Builder, parts: TaskParts) => {
  const { shared, enums, agents, TaskAttempt, TimelineEntry, TaskWhy } = parts;
  const TaskStatus = builder.enumType('TaskStatus', {
    description:
      'READY waits for an agent; INDETERMINATE waits for a person or a late answer. A task that gave no result ends DEAD_LETTERED, one of an execution FAILED.',
    values: enumValues(TASK_STATUSES),
  });
  const RetryPolicyType = builder.objectRef<RetryPolicy>('RetryPolicy').implement({
    fields: (t) => ({
      kind: t.expose('kind', { type: enums.RetryKind }),
      maxAttempts: t.exposeInt('maxAttempts'),
      baseMs: t.exposeInt('baseMs'),
      factor: t.exposeFloat('factor'),
      maxDelayMs: t.exposeInt('maxDelayMs'),
      jitter: t.exposeFloat('jitter'),
    }),
  });
  const Task = builder.objectRef<TaskRow>('Task').implement({
    fields: (t) => ({
      id: t.exposeID('taskId'),
      status: t.expose('status', { type: TaskStatus }),
      pool: t.exposeString('pool'),
      capability: t.exposeString('capability'),
      versionRange: t.exposeString('versionRange', { nullable: true }),
      priority: t.exposeInt('priority', { description: '1 critical … 5 background.' }),
      strategy: t.exposeString('strategy'),
      retry: t.expose('retry', { type: RetryPolicyType }),
      timeoutMs: t.expose('timeoutMs', { type: 'SafeInt', description: 'Limit of one attempt.' }),
      tags: t.stringList({ resolve: ({ tags }) => [...tags] }),
      attempt: t.exposeInt('attempt', { description: 'The attempt that may run now, or that ended the task.' }),
      failures: t.exposeInt('failures', { description: 'Attempts that failed, over all retry budgets.' }),
      redrives: t.exposeInt('redrives'),
      agentId: t.exposeID('agentId', {
        nullable: true,
        description: 'Of the assignment that holds, or of the attempt that ended the task.',
      }),
      agent: t.field({
        type: agents.Agent,
        nullable: true,
        resolve: ({ agentId }, _, context) => (agentId === null ? null : agents.loadAgent(context, agentId)),
      }),
      submittedAt: t.expose('submittedAt', { type: 'DateTime' }),
      deadlineAt: t.expose('deadlineAt', { type: 'DateTime', nullable: true }),
      retryAt: t.expose('retryAt', { type: 'DateTime', nullable: true }),
      assignedAt: t.expose('assignedAt', { type: 'DateTime', nullable: true }),
      startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true }),
      expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true }),
      endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true }),
      durationMs: t.exposeFloat('durationMs', { nullable: true, description: 'Of the call that completed it.' }),
      percent: t.exposeFloat('percent', { nullable: true }),
      progressMessage: t.exposeString('progressMessage', { nullable: true }),
      error: t.expose('error', {
        type: shared.AttemptError,
        nullable: true,
        description: 'Of the last attempt that did not complete.',
      }),
      cost: t.field({ type: [shared.Money], description: 'Over all attempts, by currency.', resolve: costsOf }),
      cancelReason: t.exposeString('cancelReason', { nullable: true }),
      deadLetterReason: t.exposeString('deadLetterReason', { nullable: true }),
      deadLetteredAt: t.expose('deadLetteredAt', { type: 'DateTime', nullable: true }),
      actor: t.exposeString('actor', { description: 'Who submitted it.' }),
      correlationId: t.exposeString('correlationId'),
      executionId: t.exposeID('executionId', { nullable: true, description: 'The execution that runs it.' }),
      unit: t.exposeString('unit', {
        nullable: true,
        description: 'What it is for in its execution: `collect`, an item `resize[3]`, the undo `~collect`.',
      }),
      position: t.expose('updatedPosition', { type: 'Position', description: 'Of the last event of this task.' }),
      input: t.field({
        type: 'JSON',
        nullable: true,
        resolve: ({ taskId }, _, { reads }) => reads.payload('input', taskId),
      }),
      result: t.field({
        type: 'JSON',
        nullable: true,
        resolve: ({ taskId }, _, { reads }) => reads.payload('result', taskId),
      }),
      checkpoint: t.field({
        type: 'JSON',
        nullable: true,
        description: 'The last one that an attempt reported.',
        resolve: ({ taskId }, _, { reads }) => reads.payload('checkpoint', taskId),
      }),
      attempts: t.field({
        type: [TaskAttempt],
        resolve: ({ taskId }, _, { reads }) => reads.attempts.load(taskId),
      }),
      timeline: t.field({
        type: [TimelineEntry],
        description: 'What happened to the task, in the order of the log; the newest 500.',
        resolve: async ({ taskId }, _, { reads }) =>
          timelineOf(...(await Promise.all([reads.taskEvents.load(taskId), reads.assignments.load(taskId)]))),
      }),
      why: t.field({ type: TaskWhy, resolve: (task) => ({ task }) }),
    }),
  });
  return { Task, TaskStatus, loadTask };
};

export type TaskTypes = ReturnType<typeof addTaskTypes>;

export const addTaskQueries = (
  builder: Builder,
  { Task, TaskStatus }: TaskTypes,
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
      executionId: t.id({ description: 'Tasks that this execution runs.' }),
      text: t.string({
        description: "Part of the capability, the agent's id, a tag or the error's message; case does not matter.",
      }),
      submittedFrom: t.field({ type: 'DateTime', description: 'Inclusive.' }),
      submittedTo: t.field({ type: 'DateTime', description: 'Exclusive.' }),
    }),
  });
  const TaskConnection = addConnection('Task', Task);
  builder.queryFields((t) => ({
    task: t.field({
      type: Task,
      nullable: true,
      args: { id: t.arg.id({ required: true }), atLeast: t.arg(AT_LEAST) },
      resolve: (_, { id, atLeast }, context) => loadTask(context, id, atLeast),
    }),
    tasks: t.field({
      type: TaskConnection,
      description: 'Newest submission first.',
      args: {
        filter: t.arg({ type: TaskFilterInput }),
        first: t.arg.int(FIRST),
        after: t.arg.string(AFTER),
        atLeast: t.arg(AT_LEAST),
      },
      resolve: (_, args, context) => {
        const { pool, tenant } = context.reads;
        const filter = withoutNulls(args.filter ?? {}) satisfies TaskFilter;
        return readConnection(
          context,
          args,
          (page) => listTasks(pool, tenant, filter, page),
          () => countTasks(pool, tenant, filter),
        );
      },
    }),
  }));
};
