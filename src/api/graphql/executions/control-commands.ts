import type { z } from 'zod';
import { cancelExecution } from '../../../commands/execution/cancel-execution.ts';
import { pauseExecution } from '../../../commands/execution/pause-execution.ts';
import { resumeExecution } from '../../../commands/execution/resume-execution.ts';
import { retryExecution } from '../../../commands/execution/retry-execution.ts';
import type {
  CancelExecutionInput,
  PauseExecutionInput,
  RetryExecutionInput,
} from '../../../domain/execution/commands.ts';
import type { Builder } from '../kit/builder.ts';
import { withoutNulls } from '../kit/command-field.ts';
import type { Enums } from '../kit/enums.ts';
import { type ExecutionOutcomes, subjectArguments } from './outcome.ts';

/** Commands about the course of an execution as a whole. */
export const addControlCommands = (builder: Builder, enums: Enums, { payload, run }: ExecutionOutcomes): void =>
  builder.mutationFields((t) => {
    const subject = subjectArguments(t);
    return {
      pauseExecution: t.field({
        type: payload('PauseExecutionPayload'),
        description: 'Nothing new starts; agents finish what they hold.',
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
        description: 'Ends an execution: agents are told to stop. A second call stops waiting for the agents.',
        args: {
          ...subject,
          reason: t.arg.string(),
          compensate: t.arg.boolean({ description: 'Compensate completed steps. Refused once a pivot has completed.' }),
          strategy: t.arg({
            type: enums.CompensationStrategy,
            description: 'The strategy of the definition when absent.',
          }),
        },
        resolve: (_, { reason, compensate, strategy, ...args }, context, info) => {
          const body = withoutNulls({ reason, compensate, strategy }) satisfies z.input<typeof CancelExecutionInput>;
          return run(cancelExecution, args, body, context, info);
        },
      }),
      retryExecution: t.field({
        type: payload('RetryExecutionPayload'),
        description: 'Retries a failed execution: the steps that block it are tried again.',
        args: {
          ...subject,
          step: t.arg.string({
            description: 'A step that blocks the execution. All blocking steps are tried again in any case.',
          }),
          input: t.arg({ type: 'JSON', description: 'New input of that step; its previous input when absent.' }),
        },
        resolve: (_, { step, input, ...args }, context, info) => {
          const body = withoutNulls({ step, input }) satisfies z.input<typeof RetryExecutionInput>;
          return run(retryExecution, args, body, context, info);
        },
      }),
    };
  });
