import { SignalExecutionInput } from '../../domain/execution/commands.ts';
import { executionCommand } from '../run.ts';

/** Hands an event from outside to the step that waits for it, now or later. */
export const signalExecution = executionCommand(SignalExecutionInput, (body, now) => ({
  type: 'SignalExecution',
  ...body,
  now,
}));
