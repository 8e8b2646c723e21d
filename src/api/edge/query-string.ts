import { z } from 'zod';
import { badInput, parseInput } from '../../commands/context.ts';

const MAX_POSITION = 2n ** 63n - 1n;

/** A position in the log as a string: as a number it would lose digits above 2^53. */
export const PositionText = z
  .string()
  .regex(/^(?:0|[1-9]\d{0,18})$/, { error: 'must be a position that Baton returned, in digits', abort: true })
  .refine((digits) => BigInt(digits) <= MAX_POSITION, 'is larger than any position');

/**
 * Checks the parameters of a URL. Each may appear once.
 *
 * Errors: `AppError` `BAD_USER_INPUT` by parameter.
 */
export const parseQuery = <Schema extends z.ZodType>(schema: Schema, search: URLSearchParams): z.output<Schema> => {
  const names = [...search.keys()];
  const twice = new Set(names.filter((name, index) => names.indexOf(name) !== index));
  if (twice.size > 0)
    throw badInput(
      [...twice].map((name) => ({ pointer: `/${name}`, code: 'GIVEN_TWICE', message: 'appears more than once' })),
    );
  return parseInput(schema, Object.fromEntries(search));
};
