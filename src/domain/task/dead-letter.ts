import type { AttemptError, TaskEvent } from './events.ts';
import type { KnownTask } from './state.ts';

export const deadLettered = (
  task: KnownTask,
  reason: 'attempts_exhausted' | 'not_retryable' | 'deadline_passed',
  attempts: number,
  error: AttemptError,
  now: string,
): TaskEvent => ({
  type: 'TaskDeadLettered',
  data: { taskId: task.submitted.taskId, reason, attempts, error, deadLetteredAt: now },
});
