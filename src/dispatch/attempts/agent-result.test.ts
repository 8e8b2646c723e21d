import { describe, expect, it } from 'vitest';
import { acceptResult, attemptError } from './agent-result.ts';

const codeOf = (value: unknown): unknown => {
  try {
    return acceptResult(value);
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
};

/** As of a class that says how it is written. */
const withForm = (toJSON: () => unknown): unknown => Object.create({ toJSON });

const circle: unknown[] = [];
circle.push(circle);

describe('the result of an agent', () => {
  it.each<[string, unknown, unknown]>([
    ['nothing', undefined, null],
    ['a date', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['an object with a form of its own', withForm(() => undefined), null],
    ['an object with a field that is not set', { a: undefined, b: 1 }, { b: 1 }],
  ])('counts as its JSON: %s', (_, value, json) => {
    expect(acceptResult(value)).toEqual(json);
  });

  it.each<[string, unknown]>([
    ['a BigInt', { n: 1n }],
    ['a circle', circle],
    [
      'a form of its own that throws',
      withForm(() => {
        throw new Error('no');
      }),
    ],
    ['a form of its own that the log cannot hold', withForm(() => 'a\u0000')],
    [
      'a field that cannot be read',
      {
        get broken() {
          throw new Error('no');
        },
      },
    ],
    ['a number that is none', Number.NaN],
  ])('is refused by name: %s', (_, value) => {
    expect(codeOf(value)).toBe('AGENT_RESPONSE_INVALID');
  });

  it('is refused when it is too large', () => {
    expect(codeOf('x'.repeat(262_144))).toBe('AGENT_RESPONSE_TOO_LARGE');
  });
});

describe('the error of an attempt', () => {
  it('is cut to what the log accepts, whatever the agent sent instead of text', () => {
    const odd = { code: 42, message: { toString: null }, retryable: 'perhaps', source: 'agent' };
    expect(attemptError(odd as never)).toEqual({ code: 'AGENT_FAILED', message: '', retryable: true, source: 'agent' });
    const long = attemptError({
      code: `no way ${'x'.repeat(200)}`,
      message: `\u0000\ud800${'x'.repeat(3_000)}`,
      retryable: false,
      source: 'agent',
    });
    expect(long.code).toHaveLength(100);
    expect(long.code).toMatch(/^no_way_x+$/);
    expect(long.message.startsWith('\ufffdx')).toBe(true);
    expect(long).toMatchObject({ retryable: false });
  });
});
