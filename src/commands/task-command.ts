import { TaskId, taskStream } from '../domain/ids.ts';
import { ok, type Result } from '../domain/result.ts';
import type { TaskCommand } from '../domain/task/commands.ts';
import type { TaskRejection } from '../domain/task/decider.ts';
import { notFound } from '../platform/errors.ts';
import { type Accepted, type Caller, type Commands, contextOf } from './context.ts';

/**
 * Runs a command of an existing task.
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
  if (!result.ok && result.rejection.reason === 'TaskNotFound') throw notFound('task', taskId);
  if (!result.ok) return result;
  const { position, repeated } = result.value;
  if (position === undefined) throw notFound('task', taskId);
  return ok({ id: taskId, position, repeated });
};
