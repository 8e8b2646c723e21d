import { SkipStepInput } from '../../domain/execution/commands.ts';
import { executionCommand } from '../run.ts';

/** Goes on without a step, for a reason. */
export const skipStep = executionCommand(SkipStepInput, (body, now) => ({ type: 'SkipStep', ...body, now }));
