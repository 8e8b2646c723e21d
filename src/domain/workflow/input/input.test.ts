import { describe, expect, it } from 'vitest';
import type { Json } from '../../json.ts';
import { mismatchesOf } from './check-input.ts';
import { checkInputSchema } from './check-schema.ts';
import type { SchemaObject } from './keywords.ts';

const issuesOf = (schema: Json): string[] => {
  const found: string[] = [];
  checkInputSchema(schema, '', (pointer, code, message) => void found.push(`${pointer} ${code}: ${message}`));
  return found;
};
const misfits = (schema: SchemaObject, input: Json): string[] => {
  expect(issuesOf(schema)).toEqual([]);
  return mismatchesOf(schema, input).map(({ pointer, message }) => `${pointer}: ${message}`);
};

const ORDER = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'An order',
  type: 'object',
  required: ['sku', 'count'],
  additionalProperties: false,
  properties: {
    sku: { type: 'string', minLength: 1, maxLength: 5 },
    count: { type: 'integer', minimum: 1, maximum: 100 },
    when: { type: 'string', format: 'date-time' },
    to: { $ref: '#/$defs/address' },
    tags: { type: 'array', items: { enum: ['a', 'b'] }, uniqueItems: true, maxItems: 3 },
  },
  $defs: { address: { type: 'object', required: ['city'], properties: { city: { type: 'string' } } } },
} as const satisfies SchemaObject;

describe('an input', () => {
  it.each<[string, SchemaObject, Json, string[]]>([
    ['fits', ORDER, { sku: 'A-1', count: 2, when: '2026-01-01T00:00:00Z', to: { city: 'Ulm' }, tags: ['b', 'a'] }, []],
    [
      'has a mismatch for each field',
      ORDER,
      { sku: 'ABCDEF', count: 1.5, when: 'noon', to: {}, tags: ['a', 'a'], more: 1 },
      [
        '/sku: must have at most 5 characters, got 6',
        '/count: must be of type integer, got 1.5',
        '/when: must be of format date-time, got "noon"',
        '/to/city: is missing',
        '/tags: must not have the same item twice',
        '/more: is not one of sku, count, when, to, tags',
      ],
    ],
    ['is of another type', ORDER, null, [': must be of type object, got null']],
    ['lacks what is required', ORDER, { sku: 'A' }, ['/count: is missing']],
    ['is one of several values', { enum: [1, { a: [1], b: 2 }] }, { b: 2, a: [1] }, []],
    ['is none of them', { const: 'x' }, 'y', [': must be "x", got "y"']],
    ['is a number in its bounds', { exclusiveMinimum: 0, exclusiveMaximum: 1, multipleOf: 0.1 }, 0.3, []],
    [
      'is a number outside',
      { exclusiveMinimum: 0, multipleOf: 0.1 },
      -0.25,
      [': must be above 0, got -0.25', ': must be a multiple of 0.1, got -0.25'],
    ],
    [
      'has the items of a tuple',
      { prefixItems: [{ type: 'string' }], items: false },
      ['a', 1],
      ['/1: is not allowed here'],
    ],
    [
      'has members of any name',
      { additionalProperties: { type: 'number' }, maxProperties: 1 },
      { a: 1, 'b/c': '2' },
      [': must have at most 1 members, got 2', '/b~1c: must be of type number, got "2"'],
    ],
    ['matches one alternative', { anyOf: [{ type: 'string' }, { type: 'number' }] }, 1, []],
    [
      'matches no alternative',
      { oneOf: [{ type: 'string' }, { properties: { a: { type: 'null' } } }] },
      { a: 1 },
      [
        ': matches none of the 2 schemas of oneOf: must be of type string, got an object; or /a must be of type null, got 1',
      ],
    ],
    [
      'matches too many alternatives',
      { oneOf: [true, { type: 'number' }] },
      1,
      [': matches 2 schemas of oneOf, and may match only one'],
    ],
    [
      'matches what it must not',
      { not: { type: 'null' }, allOf: [{ type: 'null' }] },
      null,
      [': must not match the schema of `not`'],
    ],
    [
      'is a tree',
      {
        $ref: '#/$defs/tree',
        $defs: { tree: { properties: { left: { $ref: '#/$defs/tree' }, size: { type: 'integer' } } } },
      },
      { left: { left: { size: 'x' } } },
      ['/left/left/size: must be of type integer, got "x"'],
    ],
  ])('%s', (_, schema, input, expected) => expect(misfits(schema, input)).toEqual(expected));

  it('that takes too long to check is refused, however small its schema is', () => {
    const $defs: Record<string, Json> = { d30: { type: 'object' } };
    for (let at = 0; at < 30; at += 1) {
      const next = { $ref: `#/$defs/d${at + 1}` };
      $defs[`d${at}`] = { allOf: [next, next] };
    }
    const tooMuch = [': its check against the schema takes more than 250000 steps: let it, or the schema, be smaller'];
    expect(misfits({ $ref: '#/$defs/d0', $defs }, {})).toEqual(tooMuch);
    const chain: Record<string, Json> = { d700: true };
    for (let at = 0; at < 700; at += 1) chain[`d${at}`] = { $ref: `#/$defs/d${at + 1}` };
    expect(misfits({ $ref: '#/$defs/d0', $defs: chain }, 1)).toEqual(tooMuch);
  });

  it('of the largest size is checked item by item', () => {
    const input = Array.from({ length: 60_000 }, (_, index) => index % 10);
    expect(misfits({ items: { type: 'integer', maximum: 9 }, maxItems: 60_000 }, input)).toEqual([]);
  });
});

describe('a schema', () => {
  it.each<[string, Json, RegExp[]]>([
    ['that is no object', 'x', [/^ WRONG_TYPE: must be a JSON Schema/]],
    [
      'with a regular expression',
      { properties: { a: { pattern: '(a+)+$' } } },
      [/^\/properties\/a\/pattern KEYWORD_NOT_ALLOWED: allowed keywords are \$defs, \$ref, type, .*, not$/],
    ],
    ['with another server', { $ref: 'https://example.org/a.json' }, [/^\/\$ref REFERENCE_NOT_ALLOWED/]],
    ['with an unknown reference', { $ref: '#/$defs/a' }, [/^\/\$ref UNKNOWN_REFERENCE: there is no a in/]],
    [
      'that refers to itself',
      { $defs: { a: { anyOf: [{ $ref: '#/$defs/b' }] }, b: { $ref: '#/$defs/a' } } },
      [/^\/\$defs\/a CIRCULAR_REFERENCE/],
    ],
    [
      'with definitions inside',
      { items: { $defs: {} } },
      [/^\/items\/\$defs KEYWORD_NOT_ALLOWED: \$defs is only allowed at the top/],
    ],
    [
      'with several mistakes',
      {
        type: 'int',
        minimum: '1',
        multipleOf: 0,
        required: 'a',
        anyOf: [],
        items: 3,
        format: 'ipv4',
        properties: [],
        minLength: -1,
        uniqueItems: 1,
        enum: {},
      },
      Array.from({ length: 11 }, () => /^\/\w+ (NOT_ALLOWED|WRONG_TYPE|OUT_OF_RANGE): must be /),
    ],
    ['that is too large', { description: 'x'.repeat(40_000) }, [/^ TOO_LARGE: at most 32768 bytes/]],
    ['that is too deep', JSON.parse(`${'{"not":'.repeat(40)}true${'}'.repeat(40)}`), [/^ TOO_DEEP/]],
  ])('%s is refused with its place', (_, schema, expected) => {
    const issues = issuesOf(schema);
    expect(issues).toHaveLength(expected.length);
    for (const [at, pattern] of expected.entries()) expect(issues[at]).toMatch(pattern);
  });
});
