import type { TaskRow } from '../tasks/table.ts';
import type { TaskAttemptRow } from './table.ts';

/** The current attempt of a task that was just assigned. */
export const openAttempt = (task: TaskRow): TaskAttemptRow => ({
  tenant: task.tenant,
  taskId: task.taskId,
  attempt: task.attempt,
  pool: task.pool,
  capability: task.capability,
  agentId: task.agentId,
  outcome: 'open',
  assignedAt: task.assignedAt,
  startedAt: task.startedAt,
  expiresAt: task.expiresAt,
  endedAt: null,
  durationMs: null,
  error: null,
  cost: null,
  position: task.assignedPosition ?? task.updatedPosition,
  updatedPosition: task.updatedPosition,
});

/** The current attempt of a task as it ended. `task` is the task before the event that ended the attempt. */
export const endedAttempt = (
  task: TaskRow,
  end: Pick<TaskAttemptRow, 'outcome' | 'endedAt' | 'updatedPosition'> &
    Partial<Pick<TaskAttemptRow, 'agentId' | 'durationMs' | 'error' | 'cost'>>,
): TaskAttemptRow => ({
  ...openAttempt(task),
  position: task.assignedPosition ?? end.updatedPosition,
  ...end,
  agentId: end.agentId ?? task.agentId,
});
