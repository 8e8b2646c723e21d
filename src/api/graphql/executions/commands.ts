import { forkExecution } from '../../../commands/execution/fork-execution.ts';
import { startExecution } from '../../../commands/execution/start-execution.ts';
import type { Builder } from '../kit/builder.ts';
import { atPointer, callerFor, KEY } from '../kit/command-field.ts';
import type { Enums } from '../kit/enums.ts';
import type { SharedTypes } from '../kit/shared-types.ts';
import { patienceOf, WAIT_MS } from '../kit/waiting.ts';
import { addCompensationCommands } from './compensation-commands.ts';
import { addControlCommands } from './control-commands.ts';
import { addExecutionInputs, forkBody, startBody } from './inputs.ts';
import { addExecutionOutcome, type ExecutionOutcomes, subjectArguments } from './outcome.ts';
import { addStepCommands } from './step-commands.ts';
import type { ExecutionTypes } from './types.ts';

const addStartCommands = (builder: Builder, { payload, outcomeOf, run }: ExecutionOutcomes): void => {
  const inputs = addExecutionInputs(builder);
  builder.mutationFields((t) => ({
    startExecution: t.field({
      type: payload('StartExecutionPayload'),
      args: {
        input: t.arg({ type: inputs.StartExecutionInput, required: true }),
        waitMs: t.arg.int(WAIT_MS),
        idempotencyKey: t.arg.string(KEY),
      },
      resolve: async (_, { input, waitMs, ...args }, context, info) => {
        const caller = callerFor(context, args, info);
        const start = () => atPointer('/input', () => startExecution(context.commands, caller, startBody(input)));
        return outcomeOf(await context.waits.execution(caller.tenant, patienceOf(context, waitMs), start));
      },
    }),
    forkExecution: t.field({
      type: payload('ForkExecutionPayload'),
      description:
        'Starts a new execution from any past moment of another: steps that had completed by then are copied, the rest runs again. The original execution does not change.',
      args: { ...subjectArguments(t), input: t.arg({ type: inputs.ForkExecutionInput }) },
      resolve: (_, { input, ...args }, context, info) =>
        atPointer('/input', () =>
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
  }));
};

export const addExecutionCommands = (
  builder: Builder,
  enums: Enums,
  shared: SharedTypes,
  types: ExecutionTypes,
): void => {
  const outcomes = addExecutionOutcome(builder, { enums, shared, types });
  addStartCommands(builder, outcomes);
  addControlCommands(builder, enums, outcomes);
  addStepCommands(builder, outcomes);
  addCompensationCommands(builder, outcomes);
};
