import { z } from 'zod';
import { text } from '../../domain/json.ts';
import { type Caller, type Commands, parseInput } from '../context.ts';
import { executeTaskCommand } from './task-command.ts';

const CancelTaskInput = z.strictObject({ reason: text({ max: 1_000 }).optional() });

/** Ends a task at once; an attempt that runs is told to stop and its answer no longer counts. */
export const cancelTask = (commands: Commands, caller: Caller, taskId: string, input: unknown = {}) => {
  const { reason } = parseInput(CancelTaskInput, input);
  return executeTaskCommand(commands, caller, taskId, { reason }, (now) => ({
    type: 'CancelTask',
    now,
    ...(reason === undefined ? {} : { reason }),
  }));
};
