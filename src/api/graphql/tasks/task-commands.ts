import type { z } from 'zod';
import type { Accepted } from '../../../commands/context.ts';
import { cancelTask } from '../../../commands/task/cancel-task.ts';
import { redriveTask } from '../../../commands/task/redrive-task.ts';
import { reportProgress } from '../../../commands/task/report-progress.ts';
import { MAX_TASKS_PER_CALL, type SubmittedItem, submitTask, submitTasks } from '../../../commands/task/submit-task.ts';
import { type Result, rejected } from '../../../domain/result.ts';
import type { SubmitTaskInput } from '../../../domain/task/commands.ts';
import type { TaskRejection } from '../../../domain/task/decider.ts';
import type { Position } from '../../../eventstore/event-store.ts';
import { AppError } from '../../../platform/errors.ts';
import type { TaskRow } from '../../../projections/tasks/table.ts';
import { messageIn, reasonsIn, TASK_REASONS, type TaskRefusal } from '../../../wording/rejections.ts';
import type { Builder } from '../kit/builder.ts';
import { callerFor, under, withoutNulls } from '../kit/command-field.ts';
import type { ApiContext } from '../kit/context.ts';
import type { Enums } from '../kit/enums.ts';
import type { ErrorTypes } from '../kit/error-types.ts';
import { asTaskId, type TaskTypes } from './tasks.ts';

type TaskAccepted = { readonly kind: 'accepted' } & Accepted;
type TaskRejected = { readonly kind: 'rejected'; readonly rejection: TaskRefusal };
type Payload = TaskAccepted | TaskRejected;

const payloadOf = (result: Result<Accepted, TaskRefusal>): Payload =>
  result.ok ? { kind: 'accepted', ...result.value } : { kind: 'rejected', rejection: result.rejection };

const factOf = <Fact extends string>({ rejection }: TaskRejected, fact: Fact) =>
  fact in rejection ? (rejection as Record<Fact, unknown>)[fact] : null;

/** The task as the read model knows it; it may be away, and then it is no help. */
const rowOf = (context: ApiContext, taskId: string, found: unknown): Promise<TaskRow | null> =>
  context.reads.tasks.load(taskId).catch(() => {
    throw found;
  });

/** Runs a command of a task with a stream of its own; where there is none the task may be an execution's, which is then named. */
const ofOwnStream = async (
  context: ApiContext,
  taskId: string,
  instead: string,
  command: () => Promise<Result<Accepted, TaskRejection>>,
): Promise<Payload> => {
  try {
    return payloadOf(await command());
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'NOT_FOUND') throw error;
    const row = await rowOf(context, taskId, error);
    if (row?.executionId == null) throw error;
    const { executionId, unit } = row;
    return payloadOf(rejected({ reason: 'TaskOfExecution', executionId, unit, instead }));
  }
};

const addPayloads = (builder: Builder, { Task, loadTask }: TaskTypes) => {
  const TaskRejectionReason = builder.enumType('TaskRejectionReason', { values: reasonsIn(TASK_REASONS) });
  const TaskAccepted = builder.objectRef<TaskAccepted>('TaskAccepted').implement({
    description: 'The command was recorded.',
    fields: (t) => ({
      taskId: t.exposeID('id'),
      position: t.expose('position', {
        type: 'Position',
        description: 'Pass it as `atLeast` to a query to see the effect of this command.',
      }),
      repeated: t.exposeBoolean('repeated', {
        description: 'The same idempotency key had been used for the same command before; nothing was recorded now.',
      }),
      task: t.field({
        type: Task,
        nullable: true,
        description: 'The task with the effect of this command; waits for it.',
        resolve: (accepted, _, context) => loadTask(context, accepted.id, accepted.position),
      }),
    }),
  });
  const TaskRejected = builder.objectRef<TaskRejected>('TaskRejected').implement({
    description: 'The command was refused; nothing was recorded.',
    fields: (t) => ({
      reason: t.field({ type: TaskRejectionReason, resolve: ({ rejection }) => rejection.reason }),
      message: t.string({ resolve: ({ rejection }) => messageIn(TASK_REASONS, rejection) }),
      status: t.string({
        nullable: true,
        description: 'State of the task that stood in the way.',
        resolve: (rejected) => factOf(rejected, 'status') as string | null,
      }),
      attempt: t.int({ nullable: true, resolve: (rejected) => factOf(rejected, 'attempt') as number | null }),
      currentAttempt: t.int({ nullable: true, resolve: (rejected) => factOf(rejected, 'current') as number | null }),
      executionId: t.id({
        nullable: true,
        description: 'The execution that runs the task.',
        resolve: (rejected) => factOf(rejected, 'executionId') as string | null,
      }),
      deadlineAt: t.field({
        type: 'DateTime',
        nullable: true,
        resolve: (rejected) => factOf(rejected, 'deadlineAt') as string | null,
      }),
    }),
  });
  const payload = (name: string) =>
    builder.unionType(name, {
      types: [TaskAccepted, TaskRejected],
      resolveType: (value) => ((value as Payload).kind === 'accepted' ? TaskAccepted : TaskRejected),
    });
  return { TaskAccepted, payload };
};

const addInputs = (builder: Builder, enums: Enums) => {
  const RetryPolicyInput = builder.inputType('RetryPolicyInput', {
    description:
      'When a failed attempt is tried again. Delays in milliseconds; the n-th delay is capped at `maxDelayMs`.',
    fields: (t) => ({
      kind: t.field({ type: enums.RetryKind }),
      maxAttempts: t.int({ description: '1 to 100; 3 when absent.' }),
      baseMs: t.int(),
      factor: t.float({ description: '1 to 10, for EXPONENTIAL.' }),
      maxDelayMs: t.int(),
      jitter: t.float({ description: '0 to 1: the share of the delay that is random.' }),
    }),
  });
  const SubmitTaskInput = builder.inputType('SubmitTaskInput', {
    fields: (t) => ({
      capability: t.string({ required: true, description: 'What an agent must offer to take the task.' }),
      versionRange: t.string({ description: "Semver range for the capability's version; any when absent." }),
      input: t.field({ type: 'JSON', description: 'What the agent is given: at most 256 KiB and 64 levels.' }),
      pool: t.string({ description: 'Pool of agents; `default` when absent.' }),
      priority: t.int({ description: '1 critical, 2 high, 3 normal (when absent), 4 low, 5 background.' }),
      strategy: t.field({ type: enums.RoutingStrategy }),
      retry: t.field({ type: RetryPolicyInput }),
      timeoutMs: t.int({ description: 'Limit of one attempt from its assignment; 300000 when absent.' }),
      deadlineAt: t.field({ type: 'DateTime', description: 'The task is given up when it has not completed by then.' }),
      tags: t.stringList({ description: 'At most 20.' }),
    }),
  });
  const SubmitTasksItemInput = builder.inputType('SubmitTasksItemInput', {
    fields: (t) => ({
      idempotencyKey: t.string(),
      task: t.field({ type: SubmitTaskInput, required: true }),
    }),
  });
  return { SubmitTaskInput, SubmitTasksItemInput };
};

type Inputs = ReturnType<typeof addInputs>;
type SubmitTaskArgument = Inputs['SubmitTaskInput']['$inferInput'];

/** Checks at compile time that the API's input and the command's schema describe the same thing. */
const submitBody = (input: SubmitTaskArgument) => withoutNulls(input) satisfies z.input<typeof SubmitTaskInput>;

const highest = (items: readonly SubmittedItem[]): Position | null =>
  items.reduce<Position | null>(
    (max, item) => (item.ok && (max === null || item.accepted.position > max) ? item.accepted.position : max),
    null,
  );

const addBulkPayload = (
  builder: Builder,
  { TaskAccepted }: ReturnType<typeof addPayloads>,
  { InputIssue }: ErrorTypes,
) => {
  type Failed = Extract<SubmittedItem, { ok: false }>;
  const SubmitTasksItemError = builder.objectRef<Failed>('SubmitTasksItemError').implement({
    fields: (t) => ({
      code: t.exposeString('code', { description: 'As in `extensions.code`, or the reason of a rejection.' }),
      message: t.exposeString('message'),
      issues: t.field({ type: [InputIssue], resolve: (failed) => failed.issues }),
    }),
  });
  const SubmitTasksItem = builder.objectRef<SubmittedItem>('SubmitTasksItem').implement({
    description: 'Outcome of one task of the list: exactly one of `accepted` and `error` is set.',
    fields: (t) => ({
      index: t.exposeInt('index'),
      accepted: t.field({
        type: TaskAccepted,
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
        description: 'Of the last accepted task; null when none was accepted.',
        resolve: highest,
      }),
    }),
  });
};

export const addTaskCommands = (builder: Builder, enums: Enums, types: TaskTypes, errors: ErrorTypes): void => {
  const payloads = addPayloads(builder, types);
  const inputs = addInputs(builder, enums);
  const SubmitTasksPayload = addBulkPayload(builder, payloads, errors);

  builder.mutationFields((t) => ({
    submitTask: t.field({
      type: payloads.payload('SubmitTaskPayload'),
      args: {
        input: t.arg({ type: inputs.SubmitTaskInput, required: true }),
        idempotencyKey: t.arg.string({ description: 'The same key and input give the same task.' }),
      },
      resolve: async (_, { input, idempotencyKey }, context, info) =>
        payloadOf(
          await under('/input', () =>
            submitTask(context.commands, callerFor(context, idempotencyKey, info), submitBody(input)),
          ),
        ),
    }),
    submitTasks: t.field({
      type: SubmitTasksPayload,
      description: `Submits up to ${MAX_TASKS_PER_CALL} tasks; each succeeds or fails on its own.`,
      args: {
        tasks: t.arg({ type: [inputs.SubmitTasksItemInput], required: true }),
        idempotencyKey: t.arg.string({ description: 'For items without a key of their own, with their index.' }),
      },
      resolve: (_, { tasks, idempotencyKey }, context, info) => {
        const caller = callerFor(context, idempotencyKey, info);
        const keyOf = (own: string | null | undefined, index: number): { idempotencyKey?: string } => {
          const key = own ?? (caller.idempotencyKey === undefined ? undefined : `${caller.idempotencyKey}/${index}`);
          return key === undefined ? {} : { idempotencyKey: key };
        };
        const items = tasks.map((item, index) => ({ ...submitBody(item.task), ...keyOf(item.idempotencyKey, index) }));
        return submitTasks(context.commands, caller, { tasks: items });
      },
    }),
    cancelTask: t.field({
      type: payloads.payload('CancelTaskPayload'),
      description: 'Ends a task at once; the answer of an attempt that runs no longer counts.',
      args: {
        taskId: t.arg.id({ required: true }),
        reason: t.arg.string(),
        idempotencyKey: t.arg.string(),
      },
      resolve: async (_, { taskId, reason, idempotencyKey }, context, info) =>
        ofOwnStream(context, asTaskId(taskId), 'cancelExecution or skipStep', () =>
          cancelTask(
            context.commands,
            callerFor(context, idempotencyKey, info),
            asTaskId(taskId),
            withoutNulls({ reason }),
          ),
        ),
    }),
    redriveTask: t.field({
      type: payloads.payload('RedriveTaskPayload'),
      description: 'Sends a dead-lettered or indeterminate task back to work: same id, fresh retry budget.',
      args: {
        taskId: t.arg.id({ required: true }),
        deadlineAt: t.arg({ type: 'DateTime', description: 'The old deadline no longer holds.' }),
        idempotencyKey: t.arg.string(),
      },
      resolve: async (_, { taskId, deadlineAt, idempotencyKey }, context, info) =>
        ofOwnStream(context, asTaskId(taskId), 'retryExecution or retryCompensation', () =>
          redriveTask(
            context.commands,
            callerFor(context, idempotencyKey, info),
            asTaskId(taskId),
            withoutNulls({ deadlineAt }),
          ),
        ),
    }),
    reportProgress: t.field({
      type: payloads.payload('ReportProgressPayload'),
      description: 'Records how far an attempt is. A checkpoint is handed to the next attempt.',
      args: {
        taskId: t.arg.id({ required: true }),
        attempt: t.arg.int({ required: true }),
        percent: t.arg.float({ description: '0 to 100.' }),
        message: t.arg.string(),
        checkpoint: t.arg({ type: 'JSON' }),
        idempotencyKey: t.arg.string(),
      },
      resolve: async (_, { taskId, idempotencyKey, ...progress }, context, info) =>
        payloadOf(
          await reportProgress(
            context.commands,
            callerFor(context, idempotencyKey, info),
            asTaskId(taskId),
            withoutNulls(progress),
          ),
        ),
    }),
  }));
};
