import type { RunTask } from '../../domain/execution/commands.ts';
import type { ExecutionRejection } from '../../domain/execution/decision.ts';
import { ExecutionId, executionStream, TaskId, taskStream } from '../../domain/ids.ts';
import { ok, type Result } from '../../domain/result.ts';
import type { TaskCommand } from '../../domain/task/commands.ts';
import type { TaskRejection } from '../../domain/task/decision.ts';
import { notFound } from '../../platform/errors.ts';
import type { Outcome } from '../aggregate-handler.ts';
import { type Accepted, type Caller, type Commands, contextOf } from '../context.ts';

/** A task: one of its own, or one that an execution runs, in whose stream it then is. */
export type TaskRef = { readonly taskId: string; readonly executionId?: string | undefined };

const acceptedOf = (
  taskId: string,
  result: Result<Outcome<unknown, unknown>, ExecutionRejection>,
): Result<Accepted, ExecutionRejection> => {
  if (!result.ok && (result.rejection.reason === 'TaskNotFound' || result.rejection.reason === 'ExecutionNotFound'))
    throw notFound('task', taskId);
  if (!result.ok) return result;
  const { position, repeated } = result.value;
  if (position === undefined) throw notFound('task', taskId);
  return ok({ id: taskId, position, repeated });
};

/**
 * Runs a command of an existing task that has a stream of its own.
 *
 * Errors: `AppError` `NOT_FOUND` when there is no such task in the caller's tenant (also for a malformed id).
 */
export const executeTaskCommand = async (
  commands: Commands,
  caller: Caller,
  taskId: string,
  body: unknown,
  toCommand: (now: string) => TaskCommand,
): Promise<Result<Accepted, TaskRejection>> => {
  if (!TaskId.safeParse(taskId).success) throw notFound('task', JSON.stringify(taskId));
  const now = new Date(commands.clock.now()).toISOString();
  const command = toCommand(now);
  const context = contextOf(commands, caller, `${command.type}/${taskId}`, body);
  const result = await commands.tasks.execute({
    stream: taskStream(caller.tenant, taskId),
    command,
    context: { ...context, correlationId: caller.correlationId ?? taskId },
    at: now,
  });
  return acceptedOf(taskId, result) as Result<Accepted, TaskRejection>;
};

/**
 * Runs a command of an attempt, wherever its task is recorded.
 *
 * Errors: as `executeTaskCommand`.
 */
export const executeAttemptCommand = async (
  commands: Commands,
  caller: Caller,
  { taskId, executionId }: TaskRef,
  body: unknown,
  toCommand: (now: string) => RunTask['command'],
): Promise<Result<Accepted, ExecutionRejection>> => {
  if (executionId === undefined) return executeTaskCommand(commands, caller, taskId, body, toCommand);
  if (!TaskId.safeParse(taskId).success || !ExecutionId.safeParse(executionId).success)
    throw notFound('task', JSON.stringify(taskId));
  const now = new Date(commands.clock.now()).toISOString();
  const command = toCommand(now);
  const context = contextOf(commands, caller, `${command.type}/${taskId}`, body);
  const result = await commands.executions.execute({
    stream: executionStream(caller.tenant, executionId),
    command: { type: 'RunTask', taskId, command, now },
    context: { ...context, correlationId: caller.correlationId ?? executionId },
    at: now,
  });
  return acceptedOf(taskId, result);
};
