import { DecideStepInput } from '../../domain/execution/commands.ts';
import { executionCommand } from '../run.ts';

/** A person's decision that a step waits for. */
export const decideStep = executionCommand(DecideStepInput, (body, now, caller) => ({
  type: 'DecideStep',
  ...body,
  by: caller.actor,
  now,
}));
