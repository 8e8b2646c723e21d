import { type AttemptError, isUnreachable } from '../task/events.ts';

/**
 * Failures that say something of the destination although an answer came: no task could have got a better one. All others that an agent
 * answers, a result that is too large among them, are about the task.
 */
const BROKEN_ANSWERS: ReadonlySet<string> = new Set([
  'AGENT_PROTOCOL_ERROR',
  'AGENT_REDIRECTED',
  'AGENT_UNAUTHORIZED',
  'AGENT_CARD_INVALID',
  'AGENT_VERSION_UNSUPPORTED',
]);

/**
 * What a failed attempt says of its destination.
 *
 * `unreachable` nobody was there. `failed` the call went wrong: a time limit, a broken connection, HTTP 5xx, an answer of no use. An agent that is busy and says for how long
 * works: its pause is the remedy.
 * `answered` the agent works, and its answer is about the task. `nothing` the agent was not called, or Baton ended the call.
 */
export type Verdict = 'unreachable' | 'failed' | 'answered' | 'nothing';

export const verdictOn = (error: AttemptError, retryAfterMs?: number): Verdict => {
  if (isUnreachable(error)) return 'unreachable';
  switch (error.source) {
    case 'destination':
      return error.code === 'AGENT_BUSY' && retryAfterMs !== undefined ? 'nothing' : 'failed';
    case 'timeout':
      // The deadline of a task may pass a moment after its attempt has begun.
      return error.code === 'DEADLINE_PASSED' ? 'nothing' : 'failed';
    case 'agent':
      return BROKEN_ANSWERS.has(error.code) ? 'failed' : 'answered';
    case 'baton':
      return 'nothing';
  }
};
