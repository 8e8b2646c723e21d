import { CancelExecutionInput } from '../../domain/execution/commands.ts';
import { executionCommand } from '../run.ts';

/** Ends an execution: agents are told to stop, and completed steps are compensated if the caller asks for it. */
export const cancelExecution = executionCommand(CancelExecutionInput, (body, now) => ({
  type: 'CancelExecution',
  ...body,
  now,
}));
