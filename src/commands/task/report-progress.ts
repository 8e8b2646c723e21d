import { z } from 'zod';
import { ProgressInput } from '../../domain/task/commands.ts';
import { type Caller, type Commands, parseInput } from '../context.ts';
import { taskCommand } from '../run.ts';
import { runOnTaskOrExecution, type TaskRef } from './task-stream.ts';

const ReportProgressInput = ProgressInput.extend({ attempt: z.int().min(1) }).strict();

/** Records how far an attempt is, and optionally a checkpoint for the next attempt to go on from. */
export const reportProgress = taskCommand(ReportProgressInput, (body, now) => ({
  type: 'ReportProgress',
  ...body,
  now,
}));

/** The same for callers who know whether an execution runs the task. */
export const reportAttemptProgress = (commands: Commands, caller: Caller, task: TaskRef, input: unknown) => {
  const body = parseInput(ReportProgressInput, input);
  return runOnTaskOrExecution(commands, caller, task, body, (now) => ({ type: 'ReportProgress', ...body, now }));
};
