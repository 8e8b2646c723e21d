import { RetryExecutionInput } from '../../domain/execution/commands.ts';
import { type Caller, type Commands, parseInput } from '../context.ts';
import { executeExecutionCommand } from './execution-command.ts';

/** A failed execution goes on: what stands in its way is tried again, one step of it with another input if so asked. */
export const retryExecution = (commands: Commands, caller: Caller, executionId: string, input: unknown = {}) => {
  const body = parseInput(RetryExecutionInput, input);
  return executeExecutionCommand(commands, caller, executionId, body, (now) => ({
    type: 'RetryExecution',
    ...body,
    now,
  }));
};
