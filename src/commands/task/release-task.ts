import { type Caller, type Commands, contextOf } from '../context.ts';
import { EXECUTION, nowOf, run } from '../run.ts';

/**
 * Tells an execution that is aborting whether an agent holds one of its tasks. Sent by the pool's writer, the only one that knows. Nothing
 * is recorded when that changes nothing.
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
  const now = nowOf(commands);
  await run(commands, caller, EXECUTION, {
    id: executionId,
    command: { type: 'ReleaseTask', taskId, attempt, held, now },
    now,
    context: contextOf(commands, caller, `ReleaseTask/${taskId}`, { attempt, held }),
  });
};
