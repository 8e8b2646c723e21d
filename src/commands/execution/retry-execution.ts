import { RetryExecutionInput } from '../../domain/execution/commands.ts';
import { executionCommand } from '../run.ts';

/** A failed execution goes on: the steps that failed it are tried again, one of them with another input if the caller sends one. */
export const retryExecution = executionCommand(RetryExecutionInput, (body, now) => ({
  type: 'RetryExecution',
  ...body,
  now,
}));
