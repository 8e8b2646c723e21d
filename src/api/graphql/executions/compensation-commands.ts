import type { z } from 'zod';
import {
  handOverCompensation,
  retryCompensation,
  skipCompensation,
} from '../../../commands/execution/resolve-compensation.ts';
import type {
  HandOverCompensationInput,
  RetryCompensationInput,
  SkipCompensationInput,
} from '../../../domain/execution/commands.ts';
import type { Builder } from '../kit/builder.ts';
import { withoutNulls } from '../kit/command-field.ts';
import { type ExecutionOutcomes, subjectArguments } from './outcome.ts';

/** Commands about parked compensations. */
export const addCompensationCommands = (builder: Builder, { payload, run }: ExecutionOutcomes): void =>
  builder.mutationFields((t) => {
    const subject = subjectArguments(t);
    const unit = t.arg.string({
      required: true,
      description: 'What is compensated: a step, or an item such as `resize[3]`.',
    });
    return {
      retryCompensation: t.field({
        type: payload('RetryCompensationPayload'),
        description: 'Retries a parked compensation, with another input if one is passed.',
        args: { ...subject, unit, input: t.arg({ type: 'JSON' }) },
        resolve: (_, { unit: of, input, ...args }, context, info) => {
          const body = withoutNulls({ unit: of, input }) satisfies z.input<typeof RetryCompensationInput>;
          return run(retryCompensation, args, body, context, info);
        },
      }),
      skipCompensation: t.field({
        type: payload('SkipCompensationPayload'),
        description: 'Closes a parked compensation: it was done by hand, or is not needed. The reason is recorded.',
        args: { ...subject, unit, reason: t.arg.string({ required: true }) },
        resolve: (_, { unit: of, reason, ...args }, context, info) => {
          const body = { unit: of, reason } satisfies z.input<typeof SkipCompensationInput>;
          return run(skipCompensation, args, body, context, info);
        },
      }),
      handOverCompensation: t.field({
        type: payload('HandOverCompensationPayload'),
        description: 'Records who takes care of a parked compensation; it is still owed.',
        args: { ...subject, unit, to: t.arg.string({ required: true }), note: t.arg.string() },
        resolve: (_, { unit: of, to, note, ...args }, context, info) => {
          const body = withoutNulls({ unit: of, to, note }) satisfies z.input<typeof HandOverCompensationInput>;
          return run(handOverCompensation, args, body, context, info);
        },
      }),
    };
  });
