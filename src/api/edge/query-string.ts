import { z } from 'zod';
import { badInput, parseInput } from '../../commands/context.ts';

const MAX_POSITION = 2n ** 63n - 1n;

/** A position in the log as a string: as a number it would lose digits above 2^53. */
export const PositionText = z
  .string()
  .regex(/^(?:0|[1-9]\d{0,18})$/, { error: 'must be a position that Baton returned, in digits', abort: true })
  .refine((digits) => BigInt(digits) <= MAX_POSITION, 'is larger than any position');

const isList = (schema: unknown): boolean =>
  schema instanceof z.ZodOptional ? isList(schema.unwrap()) : schema instanceof z.ZodArray;

/**
 * Checks the parameters of a URL. Each may appear once, but that of a list once per item.
 *
 * Errors: `AppError` `BAD_USER_INPUT` by parameter.
 */
export const parseQuery = <Schema extends z.ZodObject>(schema: Schema, search: URLSearchParams): z.output<Schema> => {
  const names = [...search.keys()];
  const lists = new Set(Object.keys(schema.shape).filter((name) => isList(schema.shape[name])));
  const twice = new Set(names.filter((name, index) => !lists.has(name) && names.indexOf(name) !== index));
  if (twice.size > 0)
    throw badInput(
      [...twice].map((name) => ({ pointer: `/${name}`, code: 'GIVEN_TWICE', message: 'appears more than once' })),
    );
  return parseInput(
    schema,
    Object.fromEntries(names.map((name) => [name, lists.has(name) ? search.getAll(name) : search.get(name)])),
  );
};
