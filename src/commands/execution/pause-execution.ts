import { PauseExecutionInput } from '../../domain/execution/commands.ts';
import { executionCommand } from '../run.ts';

/** Nothing new starts; what agents hold goes on. */
export const pauseExecution = executionCommand(PauseExecutionInput, (body, now) => ({
  type: 'PauseExecution',
  ...body,
  now,
}));
