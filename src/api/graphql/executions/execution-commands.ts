import type { z } from 'zod';
import type { Accepted, Caller } from '../../../commands/context.ts';
import { cancelExecution } from '../../../commands/execution/cancel-execution.ts';
import {
  handOverCompensation,
  retryCompensation,
  skipCompensation,
} from '../../../commands/execution/compensation-desk.ts';
import { decideStep } from '../../../commands/execution/decide-step.ts';
import { forkExecution } from '../../../commands/execution/fork-execution.ts';
import { pauseExecution } from '../../../commands/execution/pause-execution.ts';
import { resumeExecution } from '../../../commands/execution/resume-execution.ts';
import { retryExecution } from '../../../commands/execution/retry-execution.ts';
import { signalExecution } from '../../../commands/execution/signal-execution.ts';
import { skipStep } from '../../../commands/execution/skip-step.ts';
import { startExecution } from '../../../commands/execution/start-execution.ts';
import type {
  CancelExecutionInput,
  DecideStepInput,
  ForkExecutionInput,
  HandOverCompensationInput,
  PauseExecutionInput,
  RetryCompensationInput,
  RetryExecutionInput,
  SignalExecutionInput,
  SkipCompensationInput,
  SkipStepInput,
  StartExecutionInput,
} from '../../../domain/execution/commands.ts';
import type { ExecutionRejection } from '../../../domain/execution/decider.ts';
import type { Result } from '../../../domain/result.ts';
import {
  EXECUTION_REASONS,
  isAmong,
  messageIn,
  type OwnExecutionRejection,
  reasonsIn,
} from '../../../wording/rejections.ts';
import type { Builder } from '../kit/builder.ts';
import { callerFor, under, withoutNulls } from '../kit/command-field.ts';
import type { ApiContext } from '../kit/context.ts';
import type { Enums } from '../kit/enums.ts';
import { asExecutionId, type ExecutionTypes } from './executions.ts';

type ExecutionAccepted = { readonly kind: 'accepted' } & Accepted;
type ExecutionRejected = { readonly kind: 'rejected'; readonly rejection: OwnExecutionRejection };
type Payload = ExecutionAccepted | ExecutionRejected;

const payloadOf = (result: Result<Accepted, ExecutionRejection>): Payload => {
  if (result.ok) return { kind: 'accepted', ...result.value };
  const { rejection } = result;
  if (!isAmong(EXECUTION_REASONS, rejection))
    throw new Error(`bug: a command of an execution was refused as one of a task: ${rejection.reason}`);
  return { kind: 'rejected', rejection };
};

const factOf = <Fact extends string>({ rejection }: ExecutionRejected, fact: Fact) =>
  fact in rejection ? (rejection as Record<Fact, unknown>)[fact] : null;

const addPayloads = (builder: Builder, { Execution, loadExecution }: ExecutionTypes) => {
  const ExecutionRejectionReason = builder.enumType('ExecutionRejectionReason', {
    values: reasonsIn(EXECUTION_REASONS),
  });
  const ExecutionAccepted = builder.objectRef<ExecutionAccepted>('ExecutionAccepted').implement({
    description: 'The command was recorded.',
    fields: (t) => ({
      executionId: t.exposeID('id'),
      position: t.expose('position', {
        type: 'Position',
        description: 'Pass it as `atLeast` to a query to see the effect of this command.',
      }),
      repeated: t.exposeBoolean('repeated', {
        description: 'The same idempotency key had been used for the same command before; nothing was recorded now.',
      }),
      execution: t.field({
        type: Execution,
        nullable: true,
        description: 'The execution with the effect of this command; waits for it.',
        resolve: (accepted, _, context) => loadExecution(context, accepted.id, accepted.position),
      }),
    }),
  });
  const ExecutionRejected = builder.objectRef<ExecutionRejected>('ExecutionRejected').implement({
    description: 'The command was refused; nothing was recorded.',
    fields: (t) => ({
      reason: t.field({ type: ExecutionRejectionReason, resolve: ({ rejection }) => rejection.reason }),
      message: t.string({ resolve: ({ rejection }) => messageIn(EXECUTION_REASONS, rejection) }),
      status: t.string({
        nullable: true,
        description: 'State of the execution, the step or the undo that stood in the way.',
        resolve: (rejected) => factOf(rejected, 'status') as string | null,
      }),
      step: t.string({ nullable: true, resolve: (rejected) => factOf(rejected, 'step') as string | null }),
      unit: t.string({ nullable: true, resolve: (rejected) => factOf(rejected, 'unit') as string | null }),
      options: t.stringList({
        nullable: true,
        description: 'What the step can be answered with.',
        resolve: (rejected) => factOf(rejected, 'options') as string[] | null,
      }),
    }),
  });
  return (name: string) =>
    builder.unionType(name, {
      types: [ExecutionAccepted, ExecutionRejected],
      resolveType: (value) => ((value as Payload).kind === 'accepted' ? ExecutionAccepted : ExecutionRejected),
    });
};

const addInputs = (builder: Builder) => ({
  StartExecutionInput: builder.inputType('StartExecutionInput', {
    fields: (t) => ({
      workflow: t.string({ required: true }),
      version: t.string({ description: 'The newest that is neither deprecated nor archived when absent.' }),
      input: t.field({ type: 'JSON', description: 'At most 256 KiB.' }),
      tags: t.stringList({ description: 'At most 20.' }),
      inputs: t.field({
        type: 'JSON',
        description: 'Step to the input that it gets instead of what the definition says.',
      }),
    }),
  }),
  ForkExecutionInput: builder.inputType('ForkExecutionInput', {
    fields: (t) => ({
      revision: t.int({
        description: "Of the last event of the execution's stream that counts; the present one when absent.",
      }),
      version: t.string({ description: 'Another version of the workflow.' }),
      input: t.field({ type: 'JSON' }),
      inputs: t.field({ type: 'JSON', description: 'Step to the input that it gets; these steps are done again.' }),
      rerun: t.stringList({
        description: 'Steps to be done again although they had completed, with all that depends on them.',
      }),
    }),
  }),
});

type Inputs = ReturnType<typeof addInputs>;

/** What is one JSON value to GraphQL and a record to the command's schema: that it is one is for the schema to say. */
type Loose<Input extends { inputs?: unknown }> = Omit<Input, 'inputs'> & { inputs?: never };

/** Checks at compile time that the API's input and the command's schema describe the same thing. */
const startBody = (input: Inputs['StartExecutionInput']['$inferInput']) =>
  withoutNulls(input) as Loose<ReturnType<typeof withoutNulls<typeof input>>> satisfies z.input<
    typeof StartExecutionInput
  >;

const forkBody = (input: Inputs['ForkExecutionInput']['$inferInput']) =>
  withoutNulls(input) as Loose<ReturnType<typeof withoutNulls<typeof input>>> satisfies z.input<
    typeof ForkExecutionInput
  >;

type Run<Body> = (
  commands: ApiContext['commands'],
  caller: Caller,
  executionId: string,
  body: Body,
) => Promise<Result<Accepted, ExecutionRejection>>;

export const addExecutionCommands = (builder: Builder, enums: Enums, types: ExecutionTypes): void => {
  const payload = addPayloads(builder, types);
  const inputs = addInputs(builder);
  builder.mutationFields((t) => {
    const key = t.arg.string({ description: 'The same key and input give the same outcome.' });
    const subject = { executionId: t.arg.id({ required: true }), idempotencyKey: key };
    type Subject = { readonly executionId: string; readonly idempotencyKey?: string | null | undefined };
    type Info = Parameters<typeof callerFor>[2];
    const run = async <Body>(
      command: Run<Body>,
      { executionId, idempotencyKey }: Subject,
      body: Body,
      context: ApiContext,
      info: Info,
    ): Promise<Payload> =>
      payloadOf(
        await command(context.commands, callerFor(context, idempotencyKey, info), asExecutionId(executionId), body),
      );
    const unit = t.arg.string({ required: true, description: 'What is undone: a step, or an item as `resize[3]`.' });
    return {
      startExecution: t.field({
        type: payload('StartExecutionPayload'),
        args: { input: t.arg({ type: inputs.StartExecutionInput, required: true }), idempotencyKey: key },
        resolve: async (_, { input, idempotencyKey }, context, info) =>
          payloadOf(
            await under('/input', () =>
              startExecution(context.commands, callerFor(context, idempotencyKey, info), startBody(input)),
            ),
          ),
      }),
      pauseExecution: t.field({
        type: payload('PauseExecutionPayload'),
        description: 'Nothing new starts; what agents hold goes on.',
        args: { ...subject, reason: t.arg.string() },
        resolve: (_, { reason, ...args }, context, info) =>
          run(
            pauseExecution,
            args,
            withoutNulls({ reason }) satisfies z.input<typeof PauseExecutionInput>,
            context,
            info,
          ),
      }),
      resumeExecution: t.field({
        type: payload('ResumeExecutionPayload'),
        args: subject,
        resolve: (_, args, context, info) => run(resumeExecution, args, undefined, context, info),
      }),
      cancelExecution: t.field({
        type: payload('CancelExecutionPayload'),
        description:
          'Ends an execution: agents are told to stop. A second time, while it waits for agents: it waits no longer.',
        args: {
          ...subject,
          reason: t.arg.string(),
          compensate: t.arg.boolean({ description: 'Undo what was done. Refused once a pivot has completed.' }),
          strategy: t.arg({ type: enums.CompensationStrategy, description: "The definition's when absent." }),
        },
        resolve: (_, { reason, compensate, strategy, ...args }, context, info) => {
          const body = withoutNulls({ reason, compensate, strategy }) satisfies z.input<typeof CancelExecutionInput>;
          return run(cancelExecution, args, body, context, info);
        },
      }),
      retryExecution: t.field({
        type: payload('RetryExecutionPayload'),
        description: 'A failed execution goes on: what stands in its way is tried again.',
        args: {
          ...subject,
          step: t.arg.string({ description: 'One that stands in the way; all are tried again in any case.' }),
          input: t.arg({ type: 'JSON', description: 'What that step gets this time; what it got before when absent.' }),
        },
        resolve: (_, { step, input, ...args }, context, info) => {
          const body = withoutNulls({ step, input }) satisfies z.input<typeof RetryExecutionInput>;
          return run(retryExecution, args, body, context, info);
        },
      }),
      skipStep: t.field({
        type: payload('SkipStepPayload'),
        description: 'Goes on without a step, for a reason.',
        args: { ...subject, step: t.arg.string({ required: true }), reason: t.arg.string({ required: true }) },
        resolve: (_, { step, reason, ...args }, context, info) =>
          run(skipStep, args, { step, reason } satisfies z.input<typeof SkipStepInput>, context, info),
      }),
      signalExecution: t.field({
        type: payload('SignalExecutionPayload'),
        description: 'Hands an event from outside to the step that waits for its name, now or later.',
        args: { ...subject, name: t.arg.string({ required: true }), payload: t.arg({ type: 'JSON' }) },
        resolve: (_, { name, payload: sent, ...args }, context, info) => {
          const body = withoutNulls({ name, payload: sent }) satisfies z.input<typeof SignalExecutionInput>;
          return run(signalExecution, args, body, context, info);
        },
      }),
      decideStep: t.field({
        type: payload('DecideStepPayload'),
        description: "A person's decision that a step waits for.",
        args: {
          ...subject,
          step: t.arg.string({ required: true }),
          option: t.arg.string({
            required: true,
            description: "One of the step's options; where it has none, `approved` or `rejected`.",
          }),
          comment: t.arg.string(),
        },
        resolve: (_, { step, option, comment, ...args }, context, info) => {
          const body = withoutNulls({ step, option, comment }) satisfies z.input<typeof DecideStepInput>;
          return run(decideStep, args, body, context, info);
        },
      }),
      forkExecution: t.field({
        type: payload('ForkExecutionPayload'),
        description:
          'Starts a new execution from any past moment of another: what had ended well by then is taken over, the rest is done anew. The first one is not changed.',
        args: { ...subject, input: t.arg({ type: inputs.ForkExecutionInput }) },
        resolve: (_, { input, ...args }, context, info) =>
          under('/input', () =>
            run(
              (commands, caller, executionId, body) =>
                forkExecution(commands, context.reads.store, caller, executionId, body),
              args,
              forkBody(input ?? {}),
              context,
              info,
            ),
          ),
      }),
      retryCompensation: t.field({
        type: payload('RetryCompensationPayload'),
        description: 'Tries a parked undo again, with another input if one is given.',
        args: { ...subject, unit, input: t.arg({ type: 'JSON' }) },
        resolve: (_, { unit: of, input, ...args }, context, info) => {
          const body = withoutNulls({ unit: of, input }) satisfies z.input<typeof RetryCompensationInput>;
          return run(retryCompensation, args, body, context, info);
        },
      }),
      skipCompensation: t.field({
        type: payload('SkipCompensationPayload'),
        description: 'Closes a parked undo: it was done by hand, or is not needed. The reason is kept.',
        args: { ...subject, unit, reason: t.arg.string({ required: true }) },
        resolve: (_, { unit: of, reason, ...args }, context, info) => {
          const body = { unit: of, reason } satisfies z.input<typeof SkipCompensationInput>;
          return run(skipCompensation, args, body, context, info);
        },
      }),
      handOverCompensation: t.field({
        type: payload('HandOverCompensationPayload'),
        description: 'Notes who sees to a parked undo; it stays owed.',
        args: { ...subject, unit, to: t.arg.string({ required: true }), note: t.arg.string() },
        resolve: (_, { unit: of, to, note, ...args }, context, info) => {
          const body = withoutNulls({ unit: of, to, note }) satisfies z.input<typeof HandOverCompensationInput>;
          return run(handOverCompensation, args, body, context, info);
        },
      }),
    };
  });
};
