import { z } from 'zod';
import { Deadline } from '../../domain/task/commands.ts';
import { type Caller, type Commands, parseInput } from '../context.ts';
import { executeTaskCommand } from './task-command.ts';

const RedriveTaskInput = z.strictObject({ deadlineAt: Deadline.optional() });

/** Sends a dead-lettered or indeterminate task back to work: same id, higher attempt, fresh retry budget. */
export const redriveTask = (commands: Commands, caller: Caller, taskId: string, input: unknown = {}) => {
  const { deadlineAt } = parseInput(RedriveTaskInput, input);
  return executeTaskCommand(commands, caller, taskId, { deadlineAt }, (now) => ({
    type: 'RedriveTask',
    now,
    ...(deadlineAt === undefined ? {} : { deadlineAt }),
  }));
};
