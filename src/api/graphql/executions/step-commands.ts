import type { z } from 'zod';
import { decideStep } from '../../../commands/execution/decide-step.ts';
import { signalExecution } from '../../../commands/execution/signal-execution.ts';
import { skipStep } from '../../../commands/execution/skip-step.ts';
import type { DecideStepInput, SignalExecutionInput, SkipStepInput } from '../../../domain/execution/commands.ts';
import type { Builder } from '../kit/builder.ts';
import { withoutNulls } from '../kit/command-field.ts';
import { type ExecutionOutcomes, subjectArguments } from './outcome.ts';

/** Commands about one step. */
export const addStepCommands = (builder: Builder, { payload, run }: ExecutionOutcomes): void =>
  builder.mutationFields((t) => {
    const subject = subjectArguments(t);
    return {
      skipStep: t.field({
        type: payload('SkipStepPayload'),
        description: 'Skips a step and continues, with a reason.',
        args: { ...subject, step: t.arg.string({ required: true }), reason: t.arg.string({ required: true }) },
        resolve: (_, { step, reason, ...args }, context, info) =>
          run(skipStep, args, { step, reason } satisfies z.input<typeof SkipStepInput>, context, info),
      }),
      signalExecution: t.field({
        type: payload('SignalExecutionPayload'),
        description: 'Delivers an event from outside to the step that waits for its name, now or later.',
        args: { ...subject, name: t.arg.string({ required: true }), payload: t.arg({ type: 'JSON' }) },
        resolve: (_, { name, payload: sent, ...args }, context, info) => {
          const body = withoutNulls({ name, payload: sent }) satisfies z.input<typeof SignalExecutionInput>;
          return run(signalExecution, args, body, context, info);
        },
      }),
      decideStep: t.field({
        type: payload('DecideStepPayload'),
        description: "Records a person's decision for the step that waits for it.",
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
    };
  });
