import { PauseExecutionInput } from '../../domain/execution/commands.ts';
import { type Caller, type Commands, parseInput } from '../context.ts';
import { executeExecutionCommand } from './execution-command.ts';

/** Nothing new starts; what agents hold goes on. */
export const pauseExecution = (commands: Commands, caller: Caller, executionId: string, input: unknown = {}) => {
  const body = parseInput(PauseExecutionInput, input);
  return executeExecutionCommand(commands, caller, executionId, body, (now) => ({
    type: 'PauseExecution',
    ...body,
    now,
  }));
};
