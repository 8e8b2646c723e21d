import type { ExecutionCommand } from '../../domain/execution/commands.ts';
import type { Caller, Commands } from '../context.ts';
import { runOnExecution } from '../run.ts';

type WakeStep = Extract<ExecutionCommand, { type: 'WakeStep' }>;
type CloseChild = Extract<ExecutionCommand, { type: 'CloseChild' }>;
type CloseCompensation = Extract<ExecutionCommand, { type: 'CloseCompensation' }>;

/** A delay is over, or a wait has taken too long. Nothing is recorded when it has ended by then. */
export const wakeStep = (
  commands: Commands,
  caller: Caller,
  executionId: string,
  wait: Pick<WakeStep, 'step' | 'dueMs'>,
) => runOnExecution(commands, caller, executionId, wait, (now) => ({ type: 'WakeStep', ...wait, now }));

/** The last decision was more than one append took. Nothing is recorded when the rest has been decided by then. */
export const continueExecution = (commands: Commands, caller: Caller, executionId: string) =>
  runOnExecution(commands, caller, executionId, {}, (now) => ({ type: 'ContinueExecution', now }));

/** The execution has taken too long. Nothing is recorded when it has ended by then. */
export const expireExecution = (commands: Commands, caller: Caller, executionId: string) =>
  runOnExecution(commands, caller, executionId, {}, (now) => ({ type: 'ExpireExecution', now }));

/** Compensates a completed sub-workflow with its parent. Nothing is recorded when it has not completed, or owes nothing. */
export const compensateExecution = (commands: Commands, caller: Caller, executionId: string, reason: string) =>
  runOnExecution(commands, caller, executionId, { reason }, (now) => ({ type: 'CompensateExecution', reason, now }));

/** Tells an execution what became of the compensation of a sub-workflow. Nothing is recorded when it does not wait for that. */
export const closeCompensation = (
  commands: Commands,
  caller: Caller,
  executionId: string,
  compensation: Pick<CloseCompensation, 'unit' | 'error'>,
) =>
  runOnExecution(commands, caller, executionId, compensation, (now) => ({
    type: 'CloseCompensation',
    ...compensation,
    now,
  }));

/** Tells a step how its sub-workflow ended. Nothing is recorded when it does not wait for that one. */
export const closeChild = (
  commands: Commands,
  caller: Caller,
  executionId: string,
  child: Pick<CloseChild, 'step' | 'childId' | 'outcome'>,
) =>
  runOnExecution(commands, caller, executionId, { childId: child.childId }, (now) => ({
    type: 'CloseChild',
    ...child,
    now,
  }));
