import { describe, expect, it } from 'vitest';
import { EdgeError } from '../../errors.ts';
import { createSchema } from '../schema.ts';
import { operationCost } from './cost.ts';
import { getOperationAST, parse, validate } from './graphql-js.ts';
import { checkText, LIMITS, shapeRule } from './limits.ts';

const schema = createSchema();

const textCode = (text: string): string | undefined => {
  try {
    checkText(text);
  } catch (error) {
    if (error instanceof EdgeError) return error.code;
    throw error;
  }
  return undefined;
};

const codesOf = (query: string, introspection = true): unknown[] =>
  validate(schema, parse(query), [shapeRule({ introspection })]).map((error) => error.extensions['code']);

const costOf = (query: string, variables: Record<string, unknown> = {}): number => {
  const document = parse(query);
  const operation = getOperationAST(document);
  if (!operation) throw new Error('no operation');
  return operationCost(schema, document, operation, variables);
};

const INTROSPECTION =
  '{ __schema { types { fields { type { ofType { ofType { ofType { ofType { ofType { name } } } } } } } } } }';

describe('the text of a query', () => {
  it('may have a thousand tokens', () => {
    expect(textCode(`{ ${'id '.repeat(998)} }`)).toBeUndefined();
    expect(textCode(`{ ${'id '.repeat(999)} }`)).toBe('QUERY_TOO_LARGE');
  });

  it('is refused at the first excess brace, without being parsed', () => {
    expect(textCode('{a'.repeat(20_000))).toBe('QUERY_TOO_DEEP');
    expect(textCode(`{ f(x: ${'{a:'.repeat(300)}`)).toBeUndefined();
  });
});

describe('the shape of a query', () => {
  it('may be eight levels deep, through fragments too', () => {
    const deep = (inner: string) => `{ tasks(first: 1) { edges { node { agent { ${inner} } } } } }`;
    expect(codesOf(deep('id'))).toEqual([]);
    expect(codesOf(`{a{a{a{a{a{a{a{a}}}}}}}}`)).toEqual([]);
    expect(codesOf(`{a{a{a{a{a{a{a{a{a}}}}}}}}}`)).toEqual(['QUERY_TOO_DEEP']);
    expect(codesOf(`{a{a{a{a{...F}}}}} fragment F on Task {a{a{a{a{a}}}}}`)).toEqual(['QUERY_TOO_DEEP']);
    expect(codesOf(`{a{a{a{a{... on Task {a{a{a{a{a}}}}}}}}}}`)).toEqual(['QUERY_TOO_DEEP']);
  });

  it('terminates for fragments that spread each other, even many times', () => {
    expect(codesOf('{...A} fragment A on Query {a{...B}} fragment B on Query {a{...A}}')).toEqual([]);
    const doubling = Array.from({ length: 40 }, (_, i) => `fragment F${i} on Query {a{...F${i + 1} ...F${i + 1}}}`);
    expect(codesOf(`{...F0} ${doubling.join(' ')} fragment F40 on Query {a}`)).toEqual(['QUERY_TOO_DEEP']);
  });

  it('has few aliases and directives', () => {
    const aliases = (count: number) => `{ ${Array.from({ length: count }, (_, i) => `a${i}: __typename`).join(' ')} }`;
    expect(codesOf(aliases(LIMITS.aliases))).toEqual([]);
    expect(codesOf(aliases(LIMITS.aliases + 1))).toEqual(['TOO_MANY_ALIASES']);
    expect(codesOf(`{ __typename ${'@skip(if: false) '.repeat(60)} }`)).toEqual(['TOO_MANY_DIRECTIVES']);
  });

  it('may query the schema only where that is allowed, with any depth', () => {
    expect(codesOf(INTROSPECTION)).toEqual([]);
    expect(codesOf(INTROSPECTION, false)).toEqual(['INTROSPECTION_OFF']);
    expect(codesOf('{ __type(name: "Task") { name } }', false)).toEqual(['INTROSPECTION_OFF']);
    expect(codesOf('{ __typename }', false)).toEqual([]);
  });

  it('may not contain a string that the log cannot store', () => {
    expect(codesOf('{ task(id: "\\u0000") { id } }')).toEqual(['INVALID_CHARACTER']);
    expect(codesOf('{ tasks(filter: { tags: ["a", "\\u0000"] }) { totalCount } }')).toEqual(['INVALID_CHARACTER']);
  });
});

describe('the cost of a query', () => {
  it('counts a field as often as it may occur in the answer', () => {
    expect(costOf('{ __typename }')).toBe(1);
    expect(costOf('{ task(id: "x") { id status } }')).toBe(3);
    expect(costOf('{ tasks(first: 100) { nodes { id status } } }')).toBe(1 + 1 + 100 * 2);
    expect(costOf('{ tasks(first: 100) { totalCount edges { cursor node { id } } } }')).toBe(1 + 1 + 1 + 100 * 3);
    expect(costOf('{ tasks(first: 100) { nodes { timeline { type } } } }')).toBe(1 + 1 + 100 * (1 + 10));
  });

  it('reads page sizes from variables and defaults, and counts fragments where they are spread', () => {
    const query = 'query ($n: Int!) { tasks(first: $n) { nodes { ...F } } } fragment F on Task { id status }';
    expect(costOf(query, { n: 50 })).toBe(102);
    expect(costOf('{ tasks { nodes { id } } }')).toBe(22);
  });

  it('is computed quickly for fragments that spread each other many times', () => {
    const doubling = Array.from({ length: 60 }, (_, i) => `fragment F${i} on Query {...F${i + 1} ...F${i + 1}}`);
    expect(costOf(`{...F0} ${doubling.join(' ')} fragment F60 on Query {__typename}`)).toBe(2 ** 60);
  });

  it.each([0, -1, 201, 100_000_000, 1.5])('refuses a page of %d', (n) => {
    expect(() => costOf('query ($n: Int!) { tasks(first: $n) { nodes { id } } }', { n })).toThrow(
      /first must be 1 to 200/,
    );
  });
});
