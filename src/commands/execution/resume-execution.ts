import type { Caller, Commands } from '../context.ts';
import { executeExecutionCommand } from './execution-command.ts';

/** A paused execution goes on. */
export const resumeExecution = (commands: Commands, caller: Caller, executionId: string) =>
  executeExecutionCommand(commands, caller, executionId, {}, (now) => ({ type: 'ResumeExecution', now }));
