import { z } from 'zod';
import { parseInput } from '../../../commands/context.ts';
import { MAX_WAIT_MS, type Patience, WaitMs } from '../../../processes/outcomes/waits.ts';
import type { ApiContext } from './context.ts';

/** The argument of mutations whose caller may wait for the outcome. */
export const WAIT_MS = {
  description: `Wait up to so many milliseconds for the outcome, at most ${MAX_WAIT_MS}; not at all when absent.`,
} as const;

const WaitArguments = z.strictObject({ waitMs: WaitMs });

/** Errors: `AppError` `BAD_USER_INPUT` at `/waitMs`. */
export const patienceOf = ({ gone }: ApiContext, waitMs: number | null | undefined): Patience => ({
  ms: parseInput(WaitArguments, { waitMs: waitMs ?? 0 }).waitMs,
  gone,
});
