import type { Caller, Commands } from '../context.ts';
import { runOnExecution } from '../run.ts';

/** A paused execution goes on. */
export const resumeExecution = (commands: Commands, caller: Caller, executionId: string) =>
  runOnExecution(commands, caller, executionId, {}, (now) => ({ type: 'ResumeExecution', now }));
