import { z } from 'zod';
import { ProgressInput } from '../../domain/task/commands.ts';
import { type Caller, type Commands, parseInput } from '../context.ts';
import { executeAttemptCommand, executeTaskCommand, type TaskRef } from './task-command.ts';

const ReportProgressInput = ProgressInput.extend({ attempt: z.int().min(1) }).strict();

/** Records how far an attempt is, and optionally a checkpoint for the next attempt to go on from. */
export const reportProgress = (commands: Commands, caller: Caller, taskId: string, input: unknown) => {
  const body = parseInput(ReportProgressInput, input);
  return executeTaskCommand(commands, caller, taskId, body, (now) => ({ type: 'ReportProgress', ...body, now }));
};

/** The same for a task that may belong to an execution, for those who know. */
export const reportAttemptProgress = (commands: Commands, caller: Caller, task: TaskRef, input: unknown) => {
  const body = parseInput(ReportProgressInput, input);
  return executeAttemptCommand(commands, caller, task, body, (now) => ({ type: 'ReportProgress', ...body, now }));
};
