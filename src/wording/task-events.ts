import type { Assignment } from '../domain/pool/events.ts';
import type { TaskEvent } from '../domain/task/events.ts';
import { END_REASONS } from './given-up.ts';
import { because, milliseconds, numberOf } from './sentences.ts';

type Data<Type extends TaskEvent['type']> = Extract<TaskEvent, { type: Type }>['data'];

/** One sentence per event of a task, for people. */
const SUMMARIES: { readonly [Type in TaskEvent['type']]: (data: Data<Type>) => string } = {
  TaskSubmitted: ({ capability, pool, priority, waitsFor }) =>
    `submitted for ${capability} to pool ${pool}, priority ${priority}${waitsFor === undefined ? '' : `; waits for ${numberOf(waitsFor.length, 'task')}`}`,
  TaskAttemptStarted: ({ attempt, agentId }) => `attempt ${attempt} started on ${agentId}`,
  TaskProgressReported: ({ percent, message, checkpoint }) =>
    [
      percent === undefined ? 'progress' : `${percent} %`,
      message,
      checkpoint === undefined ? undefined : 'checkpoint taken',
    ]
      .filter((part) => part !== undefined)
      .join(', '),
  TaskAttemptFailed: ({ attempt, error, retryAt }) =>
    `attempt ${attempt} failed: ${error.code}, ${retryAt === undefined ? 'no further attempt' : `next attempt at ${retryAt}`}`,
  TaskOutcomeUnknown: ({ attempt, agentId, error }) =>
    `nobody knows whether attempt ${attempt} on ${agentId} took effect: ${error.code}`,
  TaskCompleted: ({ attempt, agentId, durationMs }) =>
    `completed by ${agentId} in attempt ${attempt} after ${milliseconds(durationMs)}`,
  TaskUnblocked: () => 'ready: the tasks that it depends on have completed',
  TaskCancelled: ({ reason }) => `cancelled${because(reason)}`,
  TaskFailed: ({ reason, attempts, error }) =>
    `failed permanently after ${numberOf(attempts, 'attempt')}, ${END_REASONS[reason]}: ${error.code}`,
  TaskDeadLettered: ({ reason, attempts, error }) =>
    `given up after ${numberOf(attempts, 'attempt')}, ${END_REASONS[reason]}: ${error.code}`,
  TaskRedriven: ({ nextAttempt }) => `sent back to work as attempt ${nextAttempt}`,
};

export const isTaskEvent = (event: { readonly type: string }): event is TaskEvent =>
  Object.hasOwn(SUMMARIES, event.type);

export const summaryOfTaskEvent = (event: TaskEvent): string =>
  (SUMMARIES[event.type] as (data: TaskEvent['data']) => string)(event.data);

/** An assignment is recorded in the pool's ledger; to people it is an event of the task. */
export const summaryOfAssignment = ({
  attempt,
  agentId,
  reason,
}: Pick<Assignment, 'attempt' | 'agentId' | 'reason'>): string =>
  `attempt ${attempt} assigned to ${agentId} by ${reason.strategy} among ${numberOf(reason.eligible, 'agent')}, after ${milliseconds(reason.waitedMs)}`;
