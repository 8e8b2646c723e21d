import type { ExecutionCommand, RunTask, StartExecution } from '../../domain/execution/commands.ts';
import type { ExecutionRejection } from '../../domain/execution/decision.ts';
import { ExecutionId, executionStream } from '../../domain/ids.ts';
import { ok, type Result } from '../../domain/result.ts';
import { notFound } from '../../platform/errors.ts';
import { type Accepted, type Caller, type Commands, contextOf } from '../context.ts';

/** Commands that name an execution and nothing else. */
type PlainCommand = Exclude<ExecutionCommand, StartExecution | RunTask>;

/**
 * Runs a command of an existing execution.
 *
 * Errors: `AppError` `NOT_FOUND` when there is no such execution in the caller's tenant (also for a malformed id).
 */
export const executeExecutionCommand = async (
  commands: Commands,
  caller: Caller,
  executionId: string,
  body: unknown,
  toCommand: (now: string) => PlainCommand,
): Promise<Result<Accepted, ExecutionRejection>> => {
  if (!ExecutionId.safeParse(executionId).success) throw notFound('execution', JSON.stringify(executionId));
  const now = new Date(commands.clock.now()).toISOString();
  const command = toCommand(now);
  const context = contextOf(commands, caller, `${command.type}/${executionId}`, body);
  const result = await commands.executions.execute({
    stream: executionStream(caller.tenant, executionId),
    command,
    context: { ...context, correlationId: caller.correlationId ?? executionId },
    at: now,
  });
  if (!result.ok && result.rejection.reason === 'ExecutionNotFound') throw notFound('execution', executionId);
  if (!result.ok) return result;
  const { position, repeated } = result.value;
  if (position === undefined) throw notFound('execution', executionId);
  return ok({ id: executionId, position, repeated });
};
