import { z } from 'zod';
import { badInput, parseInput } from '../../commands/context.ts';

const MAX_POSITION = 2n ** 63n - 1n;

/** A place in the log, as Baton gave it: digits, because as a number it would lose some above 2^53. */
export const PositionText = z
  .string()
  .regex(/^(?:0|[1-9]\d{0,18})$/, { error: 'must be a position that Baton gave, in digits', abort: true })
  .refine((digits) => BigInt(digits) <= MAX_POSITION, 'is beyond every position');

/**
 * Checks the parameters of a URL. Each may be given once.
 *
 * Errors: `AppError` `BAD_USER_INPUT` by parameter.
 */
export const parseQuery = <Schema extends z.ZodType>(schema: Schema, search: URLSearchParams): z.output<Schema> => {
  const names = [...search.keys()];
  const twice = new Set(names.filter((name, index) => names.indexOf(name) !== index));
  if (twice.size > 0)
    throw badInput(
      [...twice].map((name) => ({ pointer: `/${name}`, code: 'GIVEN_TWICE', message: 'is given more than once' })),
    );
  return parseInput(schema, Object.fromEntries(search));
};
