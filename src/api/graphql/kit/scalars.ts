import type { ValueNode } from 'graphql';
import type { Json } from '../../../domain/json.ts';
import { PositionText } from '../../edge/query-string.ts';
import { TimestampText } from '../../edge/timestamp.ts';
import { GraphQLError, Kind } from './graphql-js.ts';

const badValue = (message: string, code = 'WRONG_TYPE'): GraphQLError =>
  new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT', issue: code, http: { status: 400 } } });

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};

/** The instant in UTC with milliseconds, so that equal instants are equal strings. */
export const parseDateTime = (value: unknown): string => {
  const timestamp = TimestampText.safeParse(value);
  if (!timestamp.success)
    throw badValue(
      `${shown(value)} is not an RFC 3339 timestamp with a zone, such as 2026-11-21T09:30:00Z`,
      'BAD_TIMESTAMP',
    );
  return timestamp.data;
};

export const serializeDateTime = (value: unknown): string =>
  value instanceof Date ? value.toISOString() : new Date(String(value)).toISOString();

/** A position is a string of digits: as a number it would lose digits above 2^53. */
export const parsePosition = (value: unknown): bigint => {
  const position = PositionText.safeParse(value);
  if (!position.success)
    throw badValue(`${shown(value)} is not a position; pass one that Baton returned, as a string`, 'BAD_POSITION');
  return BigInt(position.data);
};

/** A whole number up to ±(2^53-1): money and counts outgrow Int. */
export const parseSafeInt = (value: unknown): number => {
  if (typeof value !== 'number' || !Number.isSafeInteger(value))
    throw badValue(`${shown(value)} is not a whole number up to ±${Number.MAX_SAFE_INTEGER}`);
  return value;
};

export const serializeSafeInt = (value: unknown): number =>
  parseSafeInt(typeof value === 'bigint' ? Number(value) : value);

/** A JSON value written in the text of the query. The command's schema checks what it may contain. */
export const jsonOfLiteral = (node: ValueNode, variables: Readonly<Record<string, unknown>> = {}): Json => {
  switch (node.kind) {
    case Kind.STRING:
    case Kind.ENUM:
    case Kind.BOOLEAN:
      return node.value;
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value);
    case Kind.NULL:
      return null;
    case Kind.LIST:
      return node.values.map((item) => jsonOfLiteral(item, variables));
    case Kind.OBJECT:
      // Entries define own properties: a field called __proto__ stays a field, which the schema then refuses.
      return Object.fromEntries(node.fields.map(({ name, value }) => [name.value, jsonOfLiteral(value, variables)]));
    case Kind.VARIABLE:
      return (variables[node.name.value] ?? null) as Json;
  }
};
