import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EdgeError } from '../errors.ts';
import { MAX_BODY_DEPTH, scanJson } from './json-scanner.ts';

const refusalOf = (text: string): { code: string } & Record<string, unknown> => {
  try {
    scanJson(text);
  } catch (error) {
    if (error instanceof EdgeError) return { code: error.code, ...error.details };
    throw error;
  }
  return { code: 'taken' };
};

const OTHER_FAULTS = new Set(['DUPLICATE_KEY', 'NUMBER_OUT_OF_RANGE', 'UNSAFE_INTEGER']);

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

describe('a JSON text that any reader of the log can handle', () => {
  it.each(['null', 'true', '0', '-1.5e3', '""', '"é😀"', '"\\ud83d\\ude00"', '[]', '{}', ' { "a" : [ 1 , {} ] } '])(
    'passes: %s',
    (text) => expect(refusalOf(text)).toEqual({ code: 'taken' }),
  );

  it('may be anything that JSON.stringify makes of plain values', () => {
    const value = fc.jsonValue({ maxDepth: 6, noUnicodeString: false });
    fc.assert(
      fc.property(value, (json) => {
        const text = JSON.stringify(json);
        const { code } = refusalOf(text);
        const known = ['taken', 'INVALID_CHARACTER', 'UNSAFE_INTEGER', 'NUMBER_OUT_OF_RANGE', 'FORBIDDEN_KEY'];
        expect(known).toContain(code);
      }),
    );
  });
});

describe('a text that is not JSON', () => {
  it.each([
    ['', 0],
    ['\ufeff{}', 0],
    ["{'a':1}", 1],
    ['{"a":1,}', 7],
    ['[1,]', 3],
    ['[1 2]', 3],
    ['{"a" 1}', 5],
    ['{} x', 3],
    ['[1', 2],
    ['"abc', 4],
    ['"\\x"', 0],
    ['"\u0001"', 0],
    ['nul', 0],
    ['NaN', 0],
    ['Infinity', 0],
    ['0x10', 1],
    ['1_000', 1],
    ['01', 1],
    ['+1', 0],
    ['.5', 0],
    ['[}', 1],
    ['{]', 1],
  ])('is refused with the place: %j', (text, offset) =>
    expect(refusalOf(text)).toEqual({ code: 'MALFORMED_JSON', offset }),
  );

  it('is refused exactly when JSON.parse refuses it', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"b"',
      '1',
      '-',
      'e',
      '.',
      ' ',
      'true',
      'null',
      '"',
      '\\',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const text = parts.join('');
        let parses = true;
        try {
          JSON.parse(text);
        } catch {
          parses = false;
        }
        const { code } = refusalOf(text);
        // Where a text has two faults, as `[1e111` has, the one that is read first is named.
        if (parses || !OTHER_FAULTS.has(code)) expect(code === 'MALFORMED_JSON', text).toBe(!parses);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('a text with two faults', () => {
  it.each([
    ['[1e111', 'UNSAFE_INTEGER'],
    ['[1e400', 'NUMBER_OUT_OF_RANGE'],
    ['{"a":1,"a"', 'DUPLICATE_KEY'],
    ['[1e,1e111', 'MALFORMED_JSON'],
  ])('is refused for the one that is read first: %s', (text, code) => expect(refusalOf(text).code).toBe(code));
});

describe('JSON that would poison a reader', () => {
  it.each([
    ['{"a":1,"a":2}', 'DUPLICATE_KEY', '/a'],
    ['{"a":{"b":1,"\\u0062":2}}', 'DUPLICATE_KEY', '/a/b'],
    ['{"__proto__":{}}', 'FORBIDDEN_KEY', '/__proto__'],
    ['{"x":[{"\\u005f_proto__":1}]}', 'FORBIDDEN_KEY', '/x/0/__proto__'],
    ['{"constructor":{"prototype":{}}}', 'FORBIDDEN_KEY', '/constructor'],
    ['{"input":{"name":"a\\u0000b"}}', 'INVALID_CHARACTER', '/input/name'],
    ['{"a":"\\ud800"}', 'INVALID_UNICODE', '/a'],
    ['{"a/b":["\\udc00\\ud800"]}', 'INVALID_UNICODE', '/a~1b/0'],
    ['{"a":1e400}', 'NUMBER_OUT_OF_RANGE', '/a'],
    ['[0,-1e200000]', 'NUMBER_OUT_OF_RANGE', '/1'],
    ['{"a":9007199254740993}', 'UNSAFE_INTEGER', '/a'],
    ['[1e20]', 'UNSAFE_INTEGER', '/0'],
  ])('is refused with its pointer: %s', (text, code, pointer) => expect(refusalOf(text)).toEqual({ code, pointer }));

  it('may be as deep as a payload with its envelope, and no deeper', () => {
    expect(refusalOf(nested(MAX_BODY_DEPTH)).code).toBe('taken');
    expect(refusalOf(nested(MAX_BODY_DEPTH + 1)).code).toBe('TOO_DEEP');
  });

  it('is refused quickly, without overflowing the stack', () => {
    expect(refusalOf(nested(200_000)).code).toBe('TOO_DEEP');
    expect(refusalOf('{"a":'.repeat(200_000)).code).toBe('TOO_DEEP');
  });
});
