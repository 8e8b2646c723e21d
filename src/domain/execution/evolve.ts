import { assertNever } from '../result.ts';
import type { ExecutionEvent, ExecutionStreamEvent } from './events.ts';
import { changeCompensation, compensationStarted, compensationWaiting } from './evolve/compensation.ts';
import { aborting, ended, reopened } from './evolve/course.ts';
import { started } from './evolve/started.ts';
import { stepCompleted, stepExpanded, stepFailed, stepSkipped, stepWaiting } from './evolve/steps.ts';
import { evolveTaskEvent, isTaskEvent } from './evolve/tasks.ts';
import { migrated } from './migration.ts';
import type { Execution, Running } from './state.ts';

const evolveOwn = (execution: Running, event: Exclude<ExecutionEvent, { type: 'ExecutionStarted' }>): Running => {
  switch (event.type) {
    case 'ExecutionPaused':
      return { ...execution, paused: true };
    case 'ExecutionResumed':
      return { ...execution, paused: false };
    case 'StepExpanded':
      return stepExpanded(execution, event.data);
    case 'StepWaiting':
      return stepWaiting(execution, event.data);
    case 'StepCompleted':
      return stepCompleted(execution, event.data);
    case 'StepFailed':
      return stepFailed(execution, event.data);
    case 'StepSkipped':
      return stepSkipped(execution, event.data);
    case 'ExecutionSignalled': {
      const { name, payload } = event.data;
      return { ...execution, signals: [...execution.signals, { name, payload }] };
    }
    case 'ExecutionAborting':
      return aborting(execution, event.data);
    case 'CompensationStarted':
      return compensationStarted(execution, event.data);
    case 'CompensationWaiting':
      return compensationWaiting(execution, event.data);
    case 'CompensationCompleted':
      return changeCompensation(execution, event.data.unit, (before) => ({ ...before, status: 'completed' }));
    case 'CompensationParked':
      return changeCompensation(execution, event.data.unit, (before) => ({ ...before, status: 'parked' }));
    case 'CompensationSkipped':
      return changeCompensation(execution, event.data.unit, (before) => ({ ...before, status: 'skipped' }));
    case 'CompensationHandedOver':
      return changeCompensation(execution, event.data.unit, (before) => ({ ...before, handedOverTo: event.data.to }));
    case 'ExecutionContinued':
      return { ...execution, continues: event.data.rest || undefined };
    case 'ExecutionReopened':
      return reopened(execution, event.data);
    case 'ExecutionMigrated':
      return migrated(execution, event.data);
    case 'ExecutionCompleted':
      return { ...ended(execution, 'completed', event.data.completedAt), output: event.data.output };
    case 'ExecutionFailed':
      return { ...ended(execution, 'failed', event.data.failedAt), error: event.data.error };
    case 'ExecutionCancelled':
      return ended(execution, 'cancelled', event.data.cancelledAt);
    case 'ExecutionCompensated':
      return ended(execution, 'compensated', event.data.compensatedAt);
    case 'ExecutionCompensationFailed':
      return { ...execution, status: 'compensation_failed' };
    default:
      return assertNever(event);
  }
};

export const evolveExecution = (execution: Execution, event: ExecutionStreamEvent): Execution => {
  if (event.type === 'ExecutionStarted') return started(event.data);
  if (execution.status === 'none') return execution;
  if (isTaskEvent(event)) {
    const next = evolveTaskEvent(execution, event);
    // A person who has a parked compensation tried again sets the whole going again.
    const resumes = next.status === 'compensation_failed' && next.openTasks > execution.openTasks;
    return resumes ? { ...next, status: 'compensating' } : next;
  }
  return evolveOwn(execution, event);
};
