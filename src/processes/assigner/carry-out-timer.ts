import type { Caller, Commands } from '../../commands/context.ts';
import { expireTask, giveUpAttempt } from '../../commands/task/close-attempt.ts';
import { releaseTask } from '../../commands/task/release-task.ts';
import type { DueTimer } from '../../domain/pool/timers.ts';
import type { AttemptError } from '../../domain/task/events.ts';

const TIMED_OUT: AttemptError = {
  code: 'ATTEMPT_EXPIRED',
  message: 'the attempt did not close within its timeout',
  source: 'timeout',
  retryable: true,
  outcomeUnknown: true,
};

const AGENT_GONE: AttemptError = {
  code: 'AGENT_GONE',
  message: 'the last process that offered the agent ended before the attempt did',
  source: 'baton',
  retryable: true,
  outcomeUnknown: true,
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
      return (await giveUpAttempt(commands, caller, timer, timer.lost ? AGENT_GONE : TIMED_OUT)).ok;
  }
};
