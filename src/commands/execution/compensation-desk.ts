import {
  HandOverCompensationInput,
  RetryCompensationInput,
  SkipCompensationInput,
} from '../../domain/execution/commands.ts';
import { type Caller, type Commands, parseInput } from '../context.ts';
import { executeExecutionCommand } from './execution-command.ts';

/** Tries a parked undo again, with another input if one is given. */
export const retryCompensation = (commands: Commands, caller: Caller, executionId: string, input: unknown) => {
  const body = parseInput(RetryCompensationInput, input);
  return executeExecutionCommand(commands, caller, executionId, body, (now) => ({
    type: 'RetryCompensation',
    ...body,
    now,
  }));
};

/** Closes a parked undo: it was done by hand, or is not needed. The reason is kept. */
export const skipCompensation = (commands: Commands, caller: Caller, executionId: string, input: unknown) => {
  const body = parseInput(SkipCompensationInput, input);
  return executeExecutionCommand(commands, caller, executionId, body, (now) => ({
    type: 'SkipCompensation',
    ...body,
    now,
  }));
};

/** Notes who sees to a parked undo; it stays owed. */
export const handOverCompensation = (commands: Commands, caller: Caller, executionId: string, input: unknown) => {
  const body = parseInput(HandOverCompensationInput, input);
  return executeExecutionCommand(commands, caller, executionId, body, (now) => ({
    type: 'HandOverCompensation',
    ...body,
    now,
  }));
};
