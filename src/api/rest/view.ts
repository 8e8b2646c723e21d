import { z } from 'zod';
import type { AnyTable, Column, Table } from '../../projections/define-table.ts';
import { PositionText } from '../edge/query-string.ts';

type Row<Of> = Of extends Table<infer R> ? R : never;

/** What a view of a table shows: all of its columns but these. */
export type ViewOptions<R extends object> = {
  readonly hides: readonly (keyof R & string)[];
  /** Schemas of the columns that hold JSON. */
  readonly json: { readonly [Name in keyof R]?: z.ZodType };
};

const TYPES: { readonly [Type in Column['type']]: (column: Column) => z.ZodType } = {
  text: ({ values }) => (values === undefined ? z.string() : z.enum(values as readonly [string, ...string[]])),
  'text[]': () => z.array(z.string()),
  uuid: () => z.uuid(),
  integer: () => z.int(),
  bigint: () => PositionText,
  'bigint[]': () => z.array(PositionText),
  'double precision': () => z.number(),
  boolean: () => z.boolean(),
  timestamptz: () => z.iso.datetime(),
  jsonb: () => z.unknown(),
};

/** Rows are listed by `position`; what callers pass as `atLeast` is the position of the last event. */
const nameOf = (column: string): string => (column === 'updatedPosition' ? 'position' : column);

/**
 * Rows of a read model as REST shows them: derived from the table's columns.
 *
 * Shape: a column without a value is absent; positions are strings of digits.
 */
export const viewOf = <Of extends AnyTable>(table: Of, { hides, json }: ViewOptions<Row<Of>>) => {
  const hidden = new Set<string>(['tenant', ...('updatedPosition' in table.columns ? ['position'] : []), ...hides]);
  const shown = Object.entries(table.columns).filter(([name]) => !hidden.has(name));
  const fields = shown.map(([name, column]) => {
    const schema = (json as Readonly<Record<string, z.ZodType>>)[name] ?? TYPES[column.type](column);
    return [nameOf(name), column.nullable ? schema.optional() : schema];
  });
  return {
    schema: z.strictObject(Object.fromEntries(fields) as Record<string, z.ZodType>),
    of: (row: Row<Of>): Record<string, unknown> =>
      Object.fromEntries(
        shown.flatMap(([name]) => {
          const value = (row as Readonly<Record<string, unknown>>)[name];
          return value === null ? [] : [[nameOf(name), typeof value === 'bigint' ? String(value) : value]];
        }),
      ),
  };
};
