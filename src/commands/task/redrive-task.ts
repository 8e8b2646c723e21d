import { z } from 'zod';
import { Deadline } from '../../domain/task/commands.ts';
import { taskCommand } from '../run.ts';

export const RedriveTaskInput = z.strictObject({ deadlineAt: Deadline.optional() });

/** Sends a dead-lettered or indeterminate task back to work: same id, higher attempt, fresh retry budget. */
export const redriveTask = taskCommand(RedriveTaskInput, (body, now) => ({
  type: 'RedriveTask',
  ...body,
  now,
}));
