import type { AttemptError } from '../task/events.ts';

/** An error that Baton itself found in a step or an execution; its message is cut to what an event takes. */
export const errorOf = (code: string, message: string): AttemptError => ({
  code,
  message: message.slice(0, 2_000).toWellFormed(),
  source: 'baton',
  retryable: false,
});
