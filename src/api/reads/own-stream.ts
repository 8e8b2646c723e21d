import type { Accepted } from '../../commands/context.ts';
import { type Result, rejected } from '../../domain/result.ts';
import type { TaskRejection } from '../../domain/task/decision.ts';
import { AppError } from '../../platform/errors.ts';
import type { TaskRow } from '../../projections/tasks/table.ts';
import type { TaskRefusal } from '../../wording/rejections.ts';
import type { Reads } from './reads.ts';

/** The task's row in the read model. If that cannot be read, the first error stands. */
const rowOf = (reads: Reads, taskId: string, found: unknown): Promise<TaskRow | null> =>
  reads.tasks.load(taskId).catch(() => {
    throw found;
  });

/** Runs a command of a task with a stream of its own. If there is no such stream, the task may belong to an execution, which the refusal then names. */
export const ofOwnStream = async (
  reads: Reads,
  taskId: string,
  instead: string,
  command: () => Promise<Result<Accepted, TaskRejection>>,
): Promise<Result<Accepted, TaskRefusal>> => {
  try {
    return await command();
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'NOT_FOUND') throw error;
    const row = await rowOf(reads, taskId, error);
    if (row?.executionId == null) throw error;
    const { executionId, unit } = row;
    return rejected({ reason: 'TaskOfExecution', executionId, unit, instead });
  }
};
