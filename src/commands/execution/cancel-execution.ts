import { CancelExecutionInput } from '../../domain/execution/commands.ts';
import { type Caller, type Commands, parseInput } from '../context.ts';
import { executeExecutionCommand } from './execution-command.ts';

/** Ends an execution: agents are told to stop, and what was done is undone when that is asked for. */
export const cancelExecution = (commands: Commands, caller: Caller, executionId: string, input: unknown = {}) => {
  const body = parseInput(CancelExecutionInput, input);
  return executeExecutionCommand(commands, caller, executionId, body, (now) => ({
    type: 'CancelExecution',
    ...body,
    now,
  }));
};
