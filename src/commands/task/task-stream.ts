import type { RunTask } from '../../domain/execution/commands.ts';
import type { ExecutionRejection } from '../../domain/execution/decision.ts';
import { ExecutionId, TaskId } from '../../domain/ids.ts';
import type { Result } from '../../domain/result.ts';
import { notFound } from '../../platform/errors.ts';
import { type Accepted, type Caller, type Commands, contextOf } from '../context.ts';
import { EXECUTION, nowOf, run, runOnTask } from '../run.ts';

/** A task. With `executionId` it is one that an execution runs, and is recorded in that execution's stream; without, it has its own. */
export type TaskRef = { readonly taskId: string; readonly executionId?: string | undefined };

/**
 * Runs a command of an attempt in the stream that records its task. Every command that may concern either kind of task goes through here;
 * the others (cancel, redrive, expire) exist only for tasks with a stream of their own and use `runOnTask`.
 *
 * Errors: `AppError` `NOT_FOUND` when there is no such task in the caller's tenant (also for a malformed id).
 */
export const runOnTaskOrExecution = async (
  commands: Commands,
  caller: Caller,
  { taskId, executionId }: TaskRef,
  body: unknown,
  toCommand: (now: string) => RunTask['command'],
): Promise<Result<Accepted, ExecutionRejection>> => {
  if (executionId === undefined) return runOnTask(commands, caller, taskId, body, toCommand);
  if (!TaskId.safeParse(taskId).success || !ExecutionId.safeParse(executionId).success)
    throw notFound('task', JSON.stringify(taskId));
  const now = nowOf(commands);
  const command = toCommand(now);
  return run(commands, caller, EXECUTION, {
    id: executionId,
    command: { type: 'RunTask', taskId, command, now },
    now,
    context: contextOf(commands, caller, `${command.type}/${taskId}`, body),
    subject: { kind: 'task', id: taskId },
  });
};
