import { SkipStepInput } from '../../domain/execution/commands.ts';
import { type Caller, type Commands, parseInput } from '../context.ts';
import { executeExecutionCommand } from './execution-command.ts';

/** Goes on without a step, for a reason. */
export const skipStep = (commands: Commands, caller: Caller, executionId: string, input: unknown) => {
  const body = parseInput(SkipStepInput, input);
  return executeExecutionCommand(commands, caller, executionId, body, (now) => ({ type: 'SkipStep', ...body, now }));
};
