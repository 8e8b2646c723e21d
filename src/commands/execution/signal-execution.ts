import { SignalExecutionInput } from '../../domain/execution/commands.ts';
import { type Caller, type Commands, parseInput } from '../context.ts';
import { executeExecutionCommand } from './execution-command.ts';

/** Hands an event from outside to the step that waits for it, now or later. */
export const signalExecution = (commands: Commands, caller: Caller, executionId: string, input: unknown) => {
  const body = parseInput(SignalExecutionInput, input);
  return executeExecutionCommand(commands, caller, executionId, body, (now) => ({
    type: 'SignalExecution',
    ...body,
    now,
  }));
};
