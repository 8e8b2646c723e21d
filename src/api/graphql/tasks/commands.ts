import { cancelTask } from '../../../commands/task/cancel-task.ts';
import { redriveTask } from '../../../commands/task/redrive-task.ts';
import { reportProgress } from '../../../commands/task/report-progress.ts';
import { submitTask } from '../../../commands/task/submit-task.ts';
import { ofOwnStream } from '../../reads/own-stream.ts';
import type { Builder } from '../kit/builder.ts';
import { atPointer, callerFor, withoutNulls } from '../kit/command-field.ts';
import { patienceOf, WAIT_MS } from '../kit/waiting.ts';
import { submitBody, type TaskInputs } from './inputs.ts';
import type { TaskOutcome } from './outcome.ts';
import { asTaskId } from './types.ts';

const addRecoveryCommands = (builder: Builder, { payload, outcomeOf }: TaskOutcome): void =>
  builder.mutationFields((t) => ({
    cancelTask: t.field({
      type: payload('CancelTaskPayload'),
      description: 'Ends a task at once; the result of a running attempt no longer counts.',
      args: { taskId: t.arg.id({ required: true }), reason: t.arg.string(), idempotencyKey: t.arg.string() },
      resolve: async (_, { reason, ...args }, context, info) => {
        const taskId = asTaskId(args.taskId);
        const run = () =>
          cancelTask(context.commands, callerFor(context, args, info), taskId, withoutNulls({ reason }));
        return outcomeOf(await ofOwnStream(context.reads, taskId, 'cancelExecution or skipStep', run));
      },
    }),
    redriveTask: t.field({
      type: payload('RedriveTaskPayload'),
      description: 'Redrives a dead-lettered or indeterminate task: same id, fresh retry budget.',
      args: {
        taskId: t.arg.id({ required: true }),
        deadlineAt: t.arg({ type: 'DateTime', description: 'Replaces the old deadline, which no longer counts.' }),
        idempotencyKey: t.arg.string(),
      },
      resolve: async (_, { deadlineAt, ...args }, context, info) => {
        const taskId = asTaskId(args.taskId);
        const run = () =>
          redriveTask(context.commands, callerFor(context, args, info), taskId, withoutNulls({ deadlineAt }));
        return outcomeOf(await ofOwnStream(context.reads, taskId, 'retryExecution or retryCompensation', run));
      },
    }),
  }));

export const addTaskCommands = (builder: Builder, inputs: TaskInputs, outcome: TaskOutcome): void => {
  const { payload, outcomeOf } = outcome;
  addRecoveryCommands(builder, outcome);
  builder.mutationFields((t) => ({
    submitTask: t.field({
      type: payload('SubmitTaskPayload'),
      args: {
        input: t.arg({ type: inputs.SubmitTaskInput, required: true }),
        waitMs: t.arg.int(WAIT_MS),
        idempotencyKey: t.arg.string({ description: 'Idempotency key: the same key and input return the same task.' }),
      },
      resolve: async (_, { input, waitMs, ...args }, context, info) => {
        const caller = callerFor(context, args, info);
        const submit = () => atPointer('/input', () => submitTask(context.commands, caller, submitBody(input)));
        return outcomeOf(await context.waits.task(caller.tenant, patienceOf(context, waitMs), submit));
      },
    }),
    reportProgress: t.field({
      type: payload('ReportProgressPayload'),
      description: 'Records the progress of an attempt. The next attempt receives the last checkpoint.',
      args: {
        taskId: t.arg.id({ required: true }),
        attempt: t.arg.int({ required: true }),
        percent: t.arg.float({ description: '0 to 100.' }),
        message: t.arg.string(),
        checkpoint: t.arg({ type: 'JSON' }),
        idempotencyKey: t.arg.string(),
      },
      resolve: async (_, { taskId, idempotencyKey, ...progress }, context, info) =>
        outcomeOf(
          await reportProgress(
            context.commands,
            callerFor(context, { idempotencyKey }, info),
            asTaskId(taskId),
            withoutNulls(progress),
          ),
        ),
    }),
  }));
};
