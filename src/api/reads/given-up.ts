import type { AttemptError } from '../../domain/task/events.ts';
import type { TaskAttemptRow } from '../../projections/task-attempts/table.ts';
import type { TaskRow } from '../../projections/tasks/table.ts';
import type { EndReason, GivenUp } from '../../wording/given-up.ts';
import type { ReadContext } from './context.ts';

/** A task of an execution has no dead letter that keeps the reason. */
const reasonOfFailed = ({ redrives, failures, retry }: TaskRow, error: AttemptError): EndReason => {
  if (!error.retryable) return 'not_retryable';
  return redrives === 0 && failures < retry.maxAttempts ? 'execution_aborting' : 'attempts_exhausted';
};

const reasonOf = (task: TaskRow, error: AttemptError): EndReason | undefined => {
  switch (task.status) {
    case 'dead_lettered':
      return task.deadLetterReason as EndReason;
    case 'indeterminate':
      return 'outcome_unknown';
    case 'failed':
      return reasonOfFailed(task, error);
    default:
      return undefined;
  }
};

export type TaskGivenUp = GivenUp & Pick<TaskRow, 'taskId'>;

/** Why a task ended without a result; null for every other task. */
export const givenUpOf = (task: TaskRow): TaskGivenUp | null => {
  const reason = task.error === null ? undefined : reasonOf(task, task.error);
  if (reason === undefined || task.error === null) return null;
  return { ...task, reason, error: task.error, attempts: task.deadLetterAttempts ?? task.failures };
};

/** The end of a deadline is no failure of its own. */
export const lastFailure = async (
  taskId: string,
  { reads }: Pick<ReadContext, 'reads'>,
): Promise<TaskAttemptRow | null> => {
  const attempts = await reads.attempts.load(taskId);
  return attempts.findLast(({ error }) => error !== null && error.code !== 'DEADLINE_PASSED') ?? null;
};
