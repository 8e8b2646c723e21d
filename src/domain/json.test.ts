import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteLengthOf, findJsonIssue, JsonPayload, MAX_DEPTH, MAX_PAYLOAD_BYTES, text } from './json.ts';

const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));

describe('a value that the log can hold', () => {
  it.each([null, true, 0, -1.5, '', 'ünï😀', [], {}, { a: [1, { b: null }] }, Number.MAX_SAFE_INTEGER, 1.5e-300])(
    '%j has no issue',
    (value) => expect(findJsonIssue(value)).toBeUndefined(),
  );

  it('may have undefined members, which JSON drops', () => expect(findJsonIssue({ a: undefined })).toBeUndefined());

  it('may be 64 levels deep', () => expect(findJsonIssue(nested(MAX_DEPTH))).toBeUndefined());

  it('is exactly what JSON can represent', () =>
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const issue = findJsonIssue(value);
        if (issue)
          expect(['FORBIDDEN_KEY', 'INVALID_UNICODE', 'INVALID_CHARACTER', 'UNSAFE_INTEGER']).toContain(issue.code);
        else expect(JSON.parse(JSON.stringify(value))).toEqual(JSON.parse(JSON.stringify(JsonPayload.parse(value))));
      }),
    ));
});

describe('a value that would poison a reader of the log', () => {
  it.each([
    { of: 'U+0000 in a string', value: { name: ['ok', 'a\u0000b'] }, code: 'INVALID_CHARACTER', pointer: '/name/1' },
    { of: 'U+0000 in a key', value: { 'a\u0000': 1 }, code: 'INVALID_CHARACTER', pointer: '/a\u0000' },
    { of: 'a lone high surrogate', value: ['\ud800'], code: 'INVALID_UNICODE', pointer: '/0' },
    { of: 'a lone low surrogate in a key', value: { '\udc00': 1 }, code: 'INVALID_UNICODE', pointer: '/\udc00' },
    {
      of: 'an own __proto__ key',
      value: JSON.parse('{"a":{"__proto__":{}}}'),
      code: 'FORBIDDEN_KEY',
      pointer: '/a/__proto__',
    },
    { of: 'a constructor key', value: { constructor: {} }, code: 'FORBIDDEN_KEY', pointer: '/constructor' },
    { of: 'a prototype key', value: { prototype: 1 }, code: 'FORBIDDEN_KEY', pointer: '/prototype' },
    { of: 'an unsafe integer', value: JSON.parse('{"n":9007199254740993}'), code: 'UNSAFE_INTEGER', pointer: '/n' },
    { of: 'a negative unsafe integer', value: [-(2 ** 53)], code: 'UNSAFE_INTEGER', pointer: '/0' },
    { of: 'Infinity', value: JSON.parse('[1e400]'), code: 'NUMBER_OUT_OF_RANGE', pointer: '/0' },
    { of: 'NaN', value: { n: Number.NaN }, code: 'NUMBER_OUT_OF_RANGE', pointer: '/n' },
    { of: 'a bigint', value: { n: 1n }, code: 'NOT_JSON', pointer: '/n' },
    { of: 'a function', value: { f: () => 1 }, code: 'NOT_JSON', pointer: '/f' },
    { of: 'an undefined item', value: [1, undefined], code: 'NOT_JSON', pointer: '/1' },
    {
      of: 'a key that needs escaping on the way',
      value: { 'a/b~c': '\ud800' },
      code: 'INVALID_UNICODE',
      pointer: '/a~1b~0c',
    },
  ])('with $of is reported as $code at $pointer', ({ value, code, pointer }) =>
    expect(findJsonIssue(value)).toMatchObject({ code, pointer }),
  );

  it('is one level too deep', () => expect(findJsonIssue(nested(MAX_DEPTH + 1))).toMatchObject({ code: 'TOO_DEEP' }));

  it('is 200,000 levels deep, and does not overflow the stack', () =>
    expect(findJsonIssue(nested(200_000))).toMatchObject({ code: 'TOO_DEEP' }));

  it('refers to itself', () => {
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    expect(findJsonIssue(loop)).toMatchObject({ code: 'TOO_DEEP' });
  });
});

describe('a payload', () => {
  const messageOf = (value: unknown): string | undefined => JsonPayload.safeParse(value).error?.issues[0]?.message;

  it('is null when absent', () => expect(JsonPayload.parse(undefined)).toBeNull());

  it('may be as large as the limit', () => expect(messageOf('x'.repeat(MAX_PAYLOAD_BYTES - 2))).toBeUndefined());

  it('reports limit and size when it is larger', () =>
    expect(messageOf('x'.repeat(MAX_PAYLOAD_BYTES - 1))).toBe(
      `TOO_LARGE: at most ${MAX_PAYLOAD_BYTES} bytes of JSON, got ${MAX_PAYLOAD_BYTES + 1}`,
    ));

  it('is measured in bytes of UTF-8, not in characters', () => {
    expect(byteLengthOf('€')).toBe(5);
    expect(messageOf('€'.repeat(MAX_PAYLOAD_BYTES / 2))).toMatch(/^TOO_LARGE/);
    const fitting = Math.floor((MAX_PAYLOAD_BYTES - 2) / 3);
    expect(messageOf('€'.repeat(fitting))).toBeUndefined();
    expect(messageOf('€'.repeat(fitting + 1))).toMatch(/^TOO_LARGE.* got 262145$/);
  });

  it('reports what it must not contain, and where', () =>
    expect(messageOf({ a: ['\u0000'] })).toBe('INVALID_CHARACTER: U+0000 is not allowed at /a/0'));
});

describe('a text', () => {
  const codeOf = (value: unknown): unknown => text({ min: 1, max: 5 }).safeParse(value).error?.issues[0]?.code;

  it('may contain any Unicode', () => expect(text({ max: 9 }).parse('ünï😀')).toBe('ünï😀'));
  it.each(['a\u0000', '\ud800'])('is refused with %j', (value) => expect(codeOf(value)).toBe('custom'));
  it('has limits', () => expect([codeOf(''), codeOf('abcdef')]).toEqual(['too_small', 'too_big']));
});
