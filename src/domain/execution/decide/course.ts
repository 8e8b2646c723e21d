import { instantOf } from '../../instant.ts';
import { ok, rejected } from '../../result.ts';
import { workflowOf } from '../../workflow/compile.ts';
import { abort, canCompensate } from '../abort.ts';
import { advance } from '../advance.ts';
import type { CommandOf } from '../commands.ts';
import type { Decision } from '../decision.ts';
import { errorOf } from '../errors.ts';
import { migrationProblems } from '../migration.ts';
import { pivotInDoubt, planCompensation } from '../plan-compensation.ts';
import { type Abort, hasEnded, type Running, statusOf } from '../state.ts';
import { Turn } from '../turn.ts';

export const pause = ({ reason, now, routing }: CommandOf<'PauseExecution'>, execution: Running): Decision => {
  const status = statusOf(execution);
  if (status !== 'executing' && status !== 'compensating') return rejected({ reason: 'ExecutionNotPausable', status });
  const { executionId } = execution;
  const turn = new Turn(execution, now, routing);
  turn.emit({
    type: 'ExecutionPaused',
    data: { executionId, ...(reason === undefined ? {} : { reason }), pausedAt: now },
  });
  return ok(turn);
};

export const resume = ({ now, routing }: CommandOf<'ResumeExecution'>, execution: Running): Decision => {
  const status = statusOf(execution);
  if (status !== 'paused') return rejected({ reason: 'ExecutionNotPaused', status });
  const turn = new Turn(execution, now, routing);
  turn.emit({ type: 'ExecutionResumed', data: { executionId: execution.executionId, resumedAt: now } });
  advance(turn);
  return ok(turn);
};

export const goOn = ({ now, routing }: CommandOf<'ContinueExecution'>, execution: Running): Decision => {
  const turn = new Turn(execution, now, routing);
  if (execution.continues) advance(turn);
  return ok(turn);
};

/** An execution that is about to end anyway does not wait for agents any longer; the rest stays as it was decided. */
const callOff = ({ now, routing }: CommandOf<'CancelExecution'>, execution: Running, cause: Abort): Decision => {
  if (execution.compensation !== undefined || cause.interrupt)
    return rejected({ reason: 'ExecutionNotCancellable', status: statusOf(execution) });
  const turn = new Turn(execution, now, routing);
  abort(turn, { ...cause, interrupt: true });
  advance(turn);
  return ok(turn);
};

export const cancel = (command: CommandOf<'CancelExecution'>, execution: Running): Decision => {
  const { reason, compensate, strategy, now, routing } = command;
  const status = statusOf(execution);
  const failed = status === 'failed';
  if (!failed && execution.abort !== undefined) return callOff(command, execution, execution.abort);
  if (!failed && execution.status !== 'executing') return rejected({ reason: 'ExecutionNotCancellable', status });
  if (compensate && (execution.pivotPassed || pivotInDoubt(execution))) return rejected({ reason: 'PivotPassed' });
  const turn = new Turn(execution, now, routing);
  abort(turn, {
    reason: 'cancelled',
    comment: reason,
    compensate,
    strategy: strategy ?? execution.compiled.definition.saga.strategy,
    interrupt: true,
  });
  advance(turn);
  return ok(turn);
};

/** Nothing is recorded where nothing is owed, or when it has begun before. */
export const compensateCompleted = (
  { reason, now, routing }: CommandOf<'CompensateExecution'>,
  execution: Running,
): Decision => {
  if (execution.status !== 'completed') return ok({ events: [], state: execution });
  if (execution.pivotPassed || pivotInDoubt(execution)) return rejected({ reason: 'PivotPassed' });
  const { strategy } = execution.compiled.definition.saga;
  if (planCompensation(execution, strategy).length === 0) return ok({ events: [], state: execution });
  const turn = new Turn(execution, now, routing);
  const { executionId } = execution;
  turn.emit({ type: 'ExecutionReopened', data: { executionId, steps: [], reopenedAt: now } });
  abort(turn, { reason: 'cancelled', comment: reason, compensate: true, strategy, interrupt: true });
  advance(turn);
  return ok(turn);
};

export const expire = ({ now, routing }: CommandOf<'ExpireExecution'>, execution: Running): Decision => {
  const { deadlineMs } = execution;
  if (deadlineMs === undefined || deadlineMs > Date.parse(now)) return ok({ events: [], state: execution });
  if (hasEnded(execution) || execution.abort !== undefined) return ok({ events: [], state: execution });
  const turn = new Turn(execution, now, routing);
  abort(turn, {
    reason: 'deadline_passed',
    error: errorOf('DEADLINE_PASSED', `the execution did not end by ${instantOf(deadlineMs)}`),
    compensate: canCompensate(execution),
    strategy: execution.compiled.definition.saga.strategy,
    interrupt: true,
  });
  advance(turn);
  return ok(turn);
};

export const migrate = (command: CommandOf<'MigrateExecution'>, execution: Running): Decision => {
  const { workflow, definition, mapping, now, routing } = command;
  const status = statusOf(execution);
  const problems = migrationProblems(execution, workflowOf(workflow.digest, definition), mapping);
  if (problems.length > 0) return rejected({ reason: 'ExecutionNotMigratable', status, problems });
  const turn = new Turn(execution, now, routing);
  turn.emit({
    type: 'ExecutionMigrated',
    data: {
      executionId: execution.executionId,
      from: execution.workflow,
      workflow,
      definition,
      mapping,
      migratedAt: now,
    },
  });
  advance(turn);
  return ok(turn);
};
