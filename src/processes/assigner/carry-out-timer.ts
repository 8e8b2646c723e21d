import type { Caller, Commands } from '../../commands/context.ts';
import { expireTask, failAttempt, markOutcomeUnknown } from '../../commands/task/close-attempt.ts';
import { releaseTask } from '../../commands/task/release-task.ts';
import { taskOf } from '../../domain/execution/find.ts';
import { executionStream, taskStream } from '../../domain/ids.ts';
import type { DueTimer } from '../../domain/pool/timers.ts';
import type { AttemptError } from '../../domain/task/events.ts';

const TIMED_OUT: AttemptError = {
  code: 'ATTEMPT_EXPIRED',
  message: 'the attempt did not close within its timeout',
  source: 'timeout',
  retryable: true,
  outcomeUnknown: true,
};

const giveUp = async (
  commands: Commands,
  caller: Caller,
  timer: Extract<DueTimer, { kind: 'attemptExpired' }>,
): Promise<boolean> => {
  const { taskId, executionId } = timer;
  const { tenant } = caller;
  const task =
    executionId === undefined
      ? await commands.tasks.load(taskStream(tenant, taskId), { fresh: true })
      : taskOf(await commands.executions.load(executionStream(tenant, executionId), { fresh: true }), taskId);
  // Recorded only before calls that must not be made twice: failing the attempt would make another.
  const called = task?.status === 'open' && task.started;
  const result = called
    ? await markOutcomeUnknown(commands, caller, timer, TIMED_OUT)
    : await failAttempt(commands, caller, timer, { error: TIMED_OUT });
  return result.ok;
};

/**
 * Does what a pool's timer asks for. Returns whether an attempt was given up by it.
 *
 * Errors: whatever keeps the command from being recorded; the timer is then due again.
 */
export const carryOutTimer = async (commands: Commands, caller: Caller, timer: DueTimer): Promise<boolean> => {
  switch (timer.kind) {
    case 'deadlinePassed':
      await expireTask(commands, caller, timer.taskId, timer.assigned);
      return false;
    case 'release':
      await releaseTask(commands, caller, timer);
      return false;
    case 'attemptExpired':
      return giveUp(commands, caller, timer);
  }
};
