import type { Json } from '../../json.ts';

/** A JSON Schema as `check-schema.ts` accepts it. */
export type SchemaObject = { readonly [keyword: string]: Json };
export type Schema = boolean | SchemaObject;

export const TYPES = ['null', 'boolean', 'object', 'array', 'number', 'integer', 'string'] as const;
export const FORMATS = ['date-time', 'date', 'uuid', 'email', 'uri'] as const;

/**
 * What each keyword holds. `pattern` and `patternProperties` are not among them: they would hand a caller's regular expression to an engine that
 * backtracks (ADR 0014). Annotations say nothing about what is valid.
 */
export const KEYWORDS = {
  $schema: 'annotation',
  $comment: 'annotation',
  title: 'annotation',
  description: 'annotation',
  default: 'annotation',
  examples: 'annotation',
  deprecated: 'annotation',
  $defs: 'schemas by name',
  $ref: 'reference',
  type: 'types',
  enum: 'values',
  const: 'value',
  properties: 'schemas by name',
  required: 'names',
  additionalProperties: 'schema',
  minProperties: 'count',
  maxProperties: 'count',
  prefixItems: 'schemas',
  items: 'schema',
  minItems: 'count',
  maxItems: 'count',
  uniqueItems: 'flag',
  minimum: 'number',
  maximum: 'number',
  exclusiveMinimum: 'number',
  exclusiveMaximum: 'number',
  multipleOf: 'positive number',
  minLength: 'count',
  maxLength: 'count',
  format: 'format',
  allOf: 'schemas',
  anyOf: 'schemas',
  oneOf: 'schemas',
  not: 'schema',
} as const;
export type Keyword = keyof typeof KEYWORDS;

export const isKeyword = (name: string): name is Keyword => Object.hasOwn(KEYWORDS, name);

export const isObject = (value: Json | undefined): value is { readonly [key: string]: Json } =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

const REFERENCE = /^#\/\$defs\/([^/~]{1,128})$/;

/** The definition that a `$ref` names; undefined for any other reference. */
export const referredName = (reference: Json | undefined): string | undefined =>
  typeof reference === 'string' ? REFERENCE.exec(reference)?.[1] : undefined;
