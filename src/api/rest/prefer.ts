import { badInput } from '../../commands/context.ts';
import { MAX_WAIT_MS } from '../../processes/outcomes/waits.ts';

const SECOND_MS = 1_000;
export const MAX_WAIT_SECONDS = MAX_WAIT_MS / SECOND_MS;

const WAIT = /^\s*wait\s*=\s*(.*?)\s*$/i;

/**
 * How long a client prefers to wait, by RFC 7240 §4.3: of several, the first counts; more than the most is cut to it. Other preferences
 * are ignored.
 *
 * Errors: `AppError` `BAD_USER_INPUT` for a wait that is no number of seconds.
 */
export const waitOf = (prefer: string | undefined): { readonly ms: number; readonly applied?: string } => {
  const [, wanted] = (prefer ?? '').split(/[,;]/).flatMap((preference) => WAIT.exec(preference) ?? []);
  if (wanted === undefined) return { ms: 0 };
  if (!/^\d{1,9}$/.test(wanted))
    throw badInput([
      {
        pointer: '/Prefer',
        code: 'BAD_FORMAT',
        message: `wait is a whole number of seconds up to ${MAX_WAIT_SECONDS}, as in wait=30, got ${JSON.stringify(wanted.slice(0, 20))}`,
      },
    ]);
  const seconds = Math.min(Number(wanted), MAX_WAIT_SECONDS);
  return { ms: seconds * SECOND_MS, applied: `wait=${seconds}` };
};
