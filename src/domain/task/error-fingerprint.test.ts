import { describe, expect, it } from 'vitest';
import { errorFingerprint, messagePattern } from './error-fingerprint.ts';

const error = (message: string, code = 'BOOM') => ({ code, message });

describe('the pattern of a message', () => {
  it.each([
    ['timed out after 3000 ms', 'timed out after <n> ms'],
    ['order 0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d11 is unknown', 'order <id> is unknown'],
    ['commit deadbeef01 is missing', 'commit <id> is missing'],
    ['no field "amount" in \'a.json\'', 'no field "…" in "…"'],
    ['HTTP 503  from\nhttp://127.0.0.1:4711/', 'HTTP <n> from http://<n>.<n>.<n>.<n>:<n>/'],
    ["it isn't there, and it can't be", "it isn't there, and it can't be"],
    ['a cabbage is not an id', 'a cabbage is not an id'],
  ])('of %j is %j', (message, pattern) => {
    expect(messagePattern(message)).toBe(pattern);
  });

  it('is at most 300 characters long', () => {
    expect(messagePattern('x'.repeat(2_000))).toHaveLength(300);
  });
});

describe('the fingerprint of an error', () => {
  it('is the same when only ids, numbers and quoted text differ', () => {
    expect(errorFingerprint(error('row 17 has no "price"'))).toBe(errorFingerprint(error('row 4 has no "name"')));
  });

  it('differs by the words of the message and by the code', () => {
    const known = errorFingerprint(error('row 17 is empty'));
    expect(errorFingerprint(error('row 17 is full'))).not.toBe(known);
    expect(errorFingerprint(error('row 17 is empty', 'BANG'))).not.toBe(known);
  });

  it('is stored, so it stays what it is', () => {
    expect(errorFingerprint(error('row 17 is empty'))).toBe('2ad457e9f76d');
  });

  it('exists for any text', () => {
    for (const message of ['', 'grün \u{1F600}', 'half of a pair: \ud800', 'x'.repeat(2_000)])
      expect(errorFingerprint(error(message))).toMatch(/^[0-9a-f]{12}$/);
  });
});
