import type { AttemptError } from '../task/events.ts';

/** What Baton itself has to say against a step or an execution; cut to what an event takes. */
export const errorOf = (code: string, message: string): AttemptError => ({
  code,
  message: message.slice(0, 2_000).toWellFormed(),
  source: 'baton',
  retryable: false,
});
