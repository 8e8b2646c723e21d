import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { findJsonIssue } from '../../domain/json.ts';
import { EdgeError } from '../errors.ts';
import { MAX_YAML_BYTES, parseYaml } from './yaml-body.ts';

const refusalOf = (text: string): { code: string; details: Readonly<Record<string, unknown>> } => {
  try {
    parseYaml(text);
  } catch (error) {
    if (error instanceof EdgeError) return { code: error.code, details: error.details };
    throw error;
  }
  throw new Error('it was taken');
};

describe('YAML', () => {
  it('means the same as the corresponding JSON', () =>
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        // JSON has no negative zero, and what no reader of the log could hold is refused in both.
        const json = JSON.parse(JSON.stringify(value)) as unknown;
        fc.pre(findJsonIssue(json) === undefined);
        expect(JSON.stringify(parseYaml(stringify(json)))).toBe(JSON.stringify(json));
      }),
    ));

  it('may repeat parts by aliases', () =>
    expect(parseYaml('a: &x {n: 1}\nb: *x\nc: [*x, *x]')).toEqual({
      a: { n: 1 },
      b: { n: 1 },
      c: [{ n: 1 }, { n: 1 }],
    }));

  it.each([
    ['a: yes', { a: 'yes' }],
    ['a: 2026-01-01', { a: '2026-01-01' }],
    ['%YAML 1.1\n---\na: yes', { a: 'yes' }],
    ['a: 1.10', { a: 1.1 }],
    ['a: |\n  two\n  lines\n', { a: 'two\nlines\n' }],
    ['# nothing', null],
  ])('is read by the rules of YAML 1.2: %s', (text, value) => expect(parseYaml(text)).toEqual(value));
});

describe('YAML that is refused', () => {
  it.each([
    ['a key twice', 'a: 1\nb: {c: 1, "c": 2}', 'DUPLICATE_KEY'],
    ['a forbidden key', '__proto__: {admin: true}', 'FORBIDDEN_KEY'],
    ['a forbidden key inside', 'a: [{constructor: 1}]', 'FORBIDDEN_KEY'],
    ['NUL', 'a: "\\0"', 'INVALID_CHARACTER'],
    ['a lone surrogate', 'a: "\\ud800"', 'INVALID_UNICODE'],
    ['infinity', 'a: .inf', 'NUMBER_OUT_OF_RANGE'],
    ['no number', 'a: .nan', 'NUMBER_OUT_OF_RANGE'],
    ['an unsafe integer', 'a: 9007199254740993', 'UNSAFE_INTEGER'],
    ['a tag', 'a: !!js/function "x"', 'MALFORMED_YAML'],
    ['bytes', 'a: !!binary aGk=', 'MALFORMED_YAML'],
    ['a set', '!!set {a, b}', 'MALFORMED_YAML'],
    ['a key that is no string', '1: x', 'MALFORMED_YAML'],
    ['a key that is a list', '? [a]\n: b', 'MALFORMED_YAML'],
    ['two documents', 'a: 1\n---\nb: 2', 'MALFORMED_YAML'],
    ['an alias of nothing', 'a: *nope', 'MALFORMED_YAML'],
    ['an anchor twice', 'a: &x 1\nb: &x 2', 'MALFORMED_YAML'],
    ['an alias of itself', '&a [*a, *a]', 'TOO_DEEP'],
    ['more than a hundred aliases', `- &a x\n${'- *a\n'.repeat(101)}`, 'MALFORMED_YAML'],
    ['much text repeated', `a: &a ${'x'.repeat(60_000)}\nb: [${'*a,'.repeat(50)}]`, 'BODY_TOO_LARGE'],
    ['an indentation by tabs', 'a:\n\t- b', 'MALFORMED_YAML'],
    ['an end before a beginning', 'a: ]', 'MALFORMED_YAML'],
  ])('%s', (_, text, code) => expect(refusalOf(text).code).toBe(code));

  it('is reported with line and column', () =>
    expect(refusalOf('a: 1\nb: *nope').details).toEqual({ offset: 8, line: 2, column: 4 }));

  it.each(
    ['[', '{', '- ', '? ', '{a: ', 'a: b: ', ': ', '[]', '"', ',', '---\n', '&a ', '!a ', '* ', ']', '\n', '%'].map(
      (part) => [part],
    ),
  )('is refused in time when it is nothing but %j', (part) => {
    const start = performance.now();
    const text = part.repeat(Math.floor(MAX_YAML_BYTES / part.length));
    if (part === '\n') expect(parseYaml(text)).toBeNull();
    else expect(refusalOf(text).code).toMatch(/^(?:TOO_DEEP|MALFORMED_YAML)$/);
    expect(performance.now() - start).toBeLessThan(3_000);
  });

  it('never causes any other error, whatever the text', () => {
    const parts = [
      '[',
      ']',
      '{',
      '}',
      ',',
      ': ',
      '- ',
      '? ',
      '\n',
      '  ',
      '"',
      "'",
      '&a',
      '*a',
      '!t',
      '|',
      '>',
      '#',
      '%',
      'a',
      '---',
      '...',
      '\t',
      '<<',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...parts), { maxLength: 300 }), (some) => {
        try {
          parseYaml(some.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(EdgeError);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
