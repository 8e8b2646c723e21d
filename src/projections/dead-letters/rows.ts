import { errorFingerprint } from '../../domain/task/error-fingerprint.ts';
import type { TaskRow } from '../tasks/table.ts';
import type { DeadLetterRow } from './table.ts';

/** The dead letter of a task; undefined when it has none. */
export const deadLetterOf = (
  task: TaskRow,
  change: Pick<DeadLetterRow, 'status' | 'closedAt' | 'updatedPosition'>,
): DeadLetterRow | undefined => {
  const { deadLetterReason, deadLetterAttempts, deadLetteredAt, deadLetterPosition, error } = task;
  if (
    deadLetterReason === null ||
    deadLetterAttempts === null ||
    deadLetteredAt === null ||
    deadLetterPosition === null ||
    error === null
  )
    return undefined;
  return {
    tenant: task.tenant,
    taskId: task.taskId,
    pool: task.pool,
    capability: task.capability,
    agentId: task.agentId,
    reason: deadLetterReason,
    attempts: deadLetterAttempts,
    error,
    errorCode: error.code,
    deadLetteredAt,
    position: deadLetterPosition,
    fingerprint: errorFingerprint(error),
    ...change,
  };
};
