import { DecideStepInput } from '../../domain/execution/commands.ts';
import { type Caller, type Commands, parseInput } from '../context.ts';
import { executeExecutionCommand } from './execution-command.ts';

/** A person's decision that a step waits for. */
export const decideStep = (commands: Commands, caller: Caller, executionId: string, input: unknown) => {
  const body = parseInput(DecideStepInput, input);
  return executeExecutionCommand(commands, caller, executionId, body, (now) => ({
    type: 'DecideStep',
    ...body,
    by: caller.actor,
    now,
  }));
};
