import { executionStream } from '../../domain/ids.ts';
import { type Caller, type Commands, contextOf } from '../context.ts';

/**
 * Tells an execution that aborts whether an agent holds one of its tasks. Said by the pool's writer, who alone knows. Nothing is recorded
 * when that changes nothing.
 */
export const releaseTask = async (
  commands: Commands,
  caller: Caller,
  task: {
    readonly taskId: string;
    readonly executionId: string;
    readonly attempt: number;
    readonly held: boolean;
  },
): Promise<void> => {
  const { taskId, executionId, attempt, held } = task;
  const now = new Date(commands.clock.now()).toISOString();
  const context = contextOf(commands, caller, `ReleaseTask/${taskId}`, { attempt, held });
  await commands.executions.execute({
    stream: executionStream(caller.tenant, executionId),
    command: { type: 'ReleaseTask', taskId, attempt, held, now },
    context: { ...context, correlationId: executionId },
    at: now,
  });
};
