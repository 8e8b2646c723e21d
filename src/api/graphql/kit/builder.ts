import SchemaBuilder from '@pothos/core';
import type { Json } from '../../../domain/json.ts';
import type { Position } from '../../../eventstore/event-store.ts';
import type { ApiContext } from './context.ts';
import {
  jsonOfLiteral,
  parseDateTime,
  parsePosition,
  parseSafeInt,
  serializeDateTime,
  serializeSafeInt,
} from './scalars.ts';

type SchemaShape = {
  Context: ApiContext;
  DefaultFieldNullability: false;
  Scalars: {
    ID: { Input: string; Output: string };
    JSON: { Input: Json; Output: unknown };
    DateTime: { Input: string; Output: string | Date };
    Position: { Input: Position; Output: Position };
    SafeInt: { Input: number; Output: number | bigint };
  };
};

export type SchemaTypes = PothosSchemaTypes.ExtendDefaultTypes<SchemaShape>;
export type Builder = PothosSchemaTypes.SchemaBuilder<SchemaTypes>;
/** What declares the fields of a type over such rows; for types whose fields are declared in groups. */
export type FieldsOf<Row> = PothosSchemaTypes.ObjectFieldBuilder<SchemaTypes, Row>;

const addScalars = (builder: Builder): void => {
  builder.scalarType('JSON', {
    description: 'Any JSON value, at most 256 KiB and 64 levels.',
    serialize: (value) => value,
    parseValue: (value) => value as Json,
    parseLiteral: (node, variables) => jsonOfLiteral(node, variables ?? {}),
  });
  builder.scalarType('DateTime', {
    description: 'An instant, RFC 3339 with a time zone; answers are in UTC.',
    serialize: serializeDateTime,
    parseValue: parseDateTime,
  });
  builder.scalarType('Position', {
    description:
      'A position in the log, as a string of digits. Later events have higher positions; the number has no other meaning.',
    // A read model that has seen no event yet is at position 0.
    serialize: (position) => String((position as Position) < 0n ? 0n : position),
    parseValue: parsePosition,
  });
  builder.scalarType('SafeInt', {
    description: 'A whole number up to ±(2^53-1).',
    serialize: serializeSafeInt,
    parseValue: parseSafeInt,
  });
};

/** A builder with the scalars and empty roots; each feature adds its own types and root fields. */
export const createBuilder = (): Builder => {
  const builder: Builder = new SchemaBuilder<SchemaShape>({ plugins: [], defaultFieldNullability: false });
  addScalars(builder);
  builder.queryType({});
  builder.mutationType({});
  builder.subscriptionType({});
  return builder;
};
