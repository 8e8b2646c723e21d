import { describe, expect, it } from 'vitest';
import { parseDateTime, parsePosition, parseSafeInt } from './scalars.ts';

describe('an instant', () => {
  it.each([
    ['2026-11-21T09:30:00Z', '2026-11-21T09:30:00.000Z'],
    ['2026-11-21t09:30:00.123456z', '2026-11-21T09:30:00.123Z'],
    ['2026-11-21T09:30:00+02:00', '2026-11-21T07:30:00.000Z'],
    ['2024-02-29T23:59:59-14:30', '2024-03-01T14:29:59.000Z'],
  ])('is converted to UTC: %s', (text, utc) => expect(parseDateTime(text)).toBe(utc));

  it.each([
    '2026-02-30T00:00:00Z',
    '2025-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-10T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:60:00Z',
    '2026-01-01T00:00:60Z',
    '2026-01-01T00:00:00',
    '2026-01-01',
    '+275761-01-01T00:00:00Z',
    '0000-01-01T00:00:00Z',
    '2026-01-01T00:00:00+24:00',
    '1/2/26',
    '',
    'now',
    1_700_000_000,
    null,
    {},
  ])('is refused: %j', (value) => expect(() => parseDateTime(value)).toThrow(/RFC 3339/));
});

describe('a position', () => {
  it('keeps every digit', () => expect(parsePosition('9007199254740993')).toBe(9_007_199_254_740_993n));

  it.each(['', '-1', '01', '1.0', '1e3', ' 1', '0x1', '9223372036854775808', '1'.repeat(40), 5, null, true])(
    'is refused: %j',
    (value) => expect(() => parsePosition(value)).toThrow(/is not a position/),
  );
});

describe('a whole number', () => {
  it.each([0, -5, Number.MAX_SAFE_INTEGER])('is accepted: %d', (value) => expect(parseSafeInt(value)).toBe(value));
  it.each([1.5, Number.MAX_SAFE_INTEGER + 1, Number.NaN, Number.POSITIVE_INFINITY, '5', null])(
    'is refused: %j',
    (value) => expect(() => parseSafeInt(value)).toThrow(/whole number/),
  );
});
