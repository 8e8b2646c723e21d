import { describe, expect, it } from 'vitest';
import { fakeIds } from '../../test/support/fake-ports.ts';
import { STRATEGY_NAMES } from '../domain/routing/strategies.ts';
import { SubmitTaskInput } from '../domain/task/commands.ts';
import { AppError, type InputIssue } from '../platform/errors.ts';
import { contextOf, parseInput } from './context.ts';

const issuesOf = (input: unknown): readonly InputIssue[] => {
  try {
    parseInput(SubmitTaskInput, input);
    return [];
  } catch (error) {
    if (error instanceof AppError && error.code === 'BAD_USER_INPUT') return error.issues;
    throw error;
  }
};

describe('bad input', () => {
  it.each<[string, object, InputIssue]>([
    [
      'a number beyond its limit',
      { priority: 9 },
      { pointer: '/priority', code: 'OUT_OF_RANGE', message: 'Too big: expected number to be <=5, got 9' },
    ],
    [
      'a number below its limit',
      { retry: { maxAttempts: 0 } },
      { pointer: '/retry/maxAttempts', code: 'OUT_OF_RANGE', message: 'Too small: expected number to be >=1, got 0' },
    ],
    [
      'a value that is none of those allowed',
      { strategy: 'psychic' },
      {
        pointer: '/strategy',
        code: 'NOT_ALLOWED',
        message: `Invalid option: expected one of ${STRATEGY_NAMES.map((name) => `"${name}"`).join('|')}, got "psychic"`,
      },
    ],
    [
      'a value of the wrong type',
      { tags: 'eu' },
      { pointer: '/tags', code: 'WRONG_TYPE', message: 'Invalid input: expected array, received string, got "eu"' },
    ],
    [
      'a malformed value',
      { deadlineAt: 'tomorrow' },
      { pointer: '/deadlineAt', code: 'BAD_FORMAT', message: 'Invalid ISO datetime, got "tomorrow"' },
    ],
    [
      'an unknown field',
      { timeoutSecond: 3 },
      { pointer: '/timeoutSecond', code: 'UNKNOWN_FIELD', message: 'Unrecognized key: "timeoutSecond"' },
    ],
    [
      'an impossible range',
      { versionRange: '>2 <1' },
      { pointer: '/versionRange', code: 'BAD_VERSION_RANGE', message: 'BAD_VERSION_RANGE: no version satisfies it' },
    ],
    [
      'a character that the log cannot hold',
      { tags: ['ok', 'a\u0000'] },
      { pointer: '/tags/1', code: 'INVALID_CHARACTER', message: 'INVALID_CHARACTER: U+0000 is not allowed' },
    ],
    [
      'a poisonous place in a payload',
      { input: { a: [1e5, '\ud800'] } },
      {
        pointer: '/input/a/1',
        code: 'INVALID_UNICODE',
        message: 'INVALID_UNICODE: lone surrogates are not allowed at /a/1',
      },
    ],
    [
      'a key that needs escaping',
      { 'a/b~': 1 },
      { pointer: '/a~1b~0', code: 'UNKNOWN_FIELD', message: 'Unrecognized key: "a/b~"' },
    ],
  ])('is reported with field, limit and value of %s', (_, facts, issue) =>
    expect(issuesOf({ capability: 'c', ...facts })).toEqual([issue]),
  );

  it('is reported with limit and size when a payload is too large', () =>
    expect(issuesOf({ capability: 'c', input: 'x'.repeat(300_000) })).toEqual([
      { pointer: '/input', code: 'TOO_LARGE', message: 'TOO_LARGE: at most 262144 bytes of JSON, got 300002' },
    ]));

  it('is reported when a field is missing', () =>
    expect(issuesOf({})).toEqual([
      {
        pointer: '/capability',
        code: 'WRONG_TYPE',
        message: 'Invalid input: expected string, received undefined, got nothing',
      },
    ]));

  it.each([null, [], 'x', 7, undefined])('is the whole input when it is not an object: %j', (input) =>
    expect(issuesOf(input)).toMatchObject([{ pointer: '', code: 'WRONG_TYPE' }]),
  );

  it('is reported for every field at once', () =>
    expect(issuesOf({ capability: 'a b', priority: 0, timeoutMs: -1 }).map(({ pointer }) => pointer)).toEqual([
      '/capability',
      '/priority',
      '/timeoutMs',
    ]));

  it('is reported with only the beginning of a long value', () => {
    const [issue] = issuesOf({ capability: 'c', strategy: 's'.repeat(10_000) });
    expect(issue?.message.length).toBeLessThan(400);
    expect(issue?.message).toMatch(/s…$/);
  });

  it('is reported in one message', () => {
    expect(() => parseInput(SubmitTaskInput, { capability: 'c', priority: 9, timeoutMs: 0 })).toThrow(
      '/priority: Too big: expected number to be <=5, got 9; /timeoutMs: Too small: expected number to be >=1, got 0',
    );
  });
});

describe('the context of a command', () => {
  const ada = { tenant: 'acme', actor: 'ada' };
  const ids = fakeIds();
  const withKey = (key: string, scope = 'CancelTask/1', body: unknown = {}) =>
    contextOf({ ids }, { ...ada, idempotencyKey: key }, scope, body);

  it('has an id of its own without a key, and no fingerprint', () => {
    const [one, two] = [contextOf({ ids }, ada, 's', {}), contextOf({ ids }, ada, 's', {})];
    expect(one.commandId).not.toBe(two.commandId);
    expect([one.fingerprint, one.idsFrom, one.correlationId]).toEqual([undefined, undefined, one.commandId]);
  });

  it('has the id of the key with one, and names each call', () => {
    expect(withKey('k').commandId).toBe(withKey('k').commandId);
    expect(withKey('k').idsFrom).not.toBe(withKey('k').idsFrom);
    expect(withKey('k').commandId).not.toBe(withKey('k', 'CancelTask/2').commandId);
    expect(withKey('k').commandId).not.toBe(withKey('other').commandId);
  });

  it('differs between bodies, but not with the order of their fields', () => {
    const of = (body: unknown) => withKey('k', 's', body).fingerprint;
    expect(of({ a: 1, b: { c: 2, d: 3 } })).toBe(of({ b: { d: 3, c: 2 }, a: 1 }));
    expect(of({ a: 1 })).not.toBe(of({ a: 2 }));
    expect(of({ a: undefined })).toBe(of({}));
  });
});
