import { assertNever } from '../result.ts';
import { isUnreachable, type TaskEvent } from './events.ts';
import { type KnownTask, type Task, usesUpAttempt } from './state.ts';

/** Since when no agent is reached, after this failure; without one it is forgotten. */
const withReach = (
  { unreachableSince: known, ...task }: KnownTask,
  failure?: Extract<TaskEvent, { type: 'TaskAttemptFailed' }>['data'],
): KnownTask =>
  failure && isUnreachable(failure.error) ? { ...task, unreachableSince: known ?? failure.failedAt } : task;

const waiting = ({ waitsFor }: { readonly waitsFor?: readonly string[] | undefined }) =>
  waitsFor === undefined ? {} : { waitsFor };

const unblocked = ({ waitsFor: _, ...task }: KnownTask): KnownTask => task;

export const evolveTask = (task: Task, event: TaskEvent): Task => {
  if (event.type === 'TaskSubmitted')
    return {
      status: 'open',
      submitted: event.data,
      attempt: 1,
      offered: true,
      budgetFrom: 0,
      deadlineAt: event.data.deadlineAt,
      checkpoint: undefined,
      started: false,
      ...waiting(event.data),
    };
  if (task.status === 'none') return task;
  switch (event.type) {
    case 'TaskAttemptStarted':
      return { ...task, status: 'open', started: true };
    case 'TaskProgressReported':
      return event.data.checkpoint === undefined ? task : { ...task, checkpoint: event.data.checkpoint };
    case 'TaskAttemptFailed':
      return {
        ...withReach(task, event.data),
        status: 'open',
        attempt: event.data.attempt + 1,
        offered: event.data.retryAt !== undefined,
        budgetFrom: usesUpAttempt(task, event.data.error) ? task.budgetFrom : task.budgetFrom + 1,
        ...(event.data.error.agentGone ? { agentsGone: (task.agentsGone ?? 0) + 1 } : {}),
        started: false,
      };
    case 'TaskOutcomeUnknown':
      return { ...task, status: 'indeterminate' };
    case 'TaskCompleted':
      return { ...task, status: 'completed' };
    case 'TaskUnblocked':
      return unblocked(task);
    case 'TaskCancelled':
      return { ...task, status: 'cancelled' };
    case 'TaskFailed':
    case 'TaskDeadLettered':
      // The number of an attempt that was cut off without being closed is not used again: its answer must find itself stale.
      return {
        ...task,
        status: event.type === 'TaskFailed' ? 'failed' : 'deadLettered',
        attempt: task.offered ? task.attempt + 1 : task.attempt,
      };
    case 'TaskRedriven':
      return {
        ...withReach(task),
        status: 'open',
        started: false,
        attempt: event.data.nextAttempt,
        offered: true,
        budgetFrom: event.data.nextAttempt - 1,
        ...(task.agentsGone === undefined ? {} : { agentsGone: 0 }),
        deadlineAt: event.data.deadlineAt,
      };
    default:
      return assertNever(event);
  }
};
