import { describe, expect, it } from 'vitest';
import { instant, instantOrNull, msBetween } from './instant.ts';

describe('an instant', () => {
  it.each([
    ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.000Z'],
    ['2026-01-01T00:00:00.1Z', '2026-01-01T00:00:00.100Z'],
    ['2026-01-01T00:00:00.123456Z', '2026-01-01T00:00:00.123Z'],
    ['2026-01-01T02:00:00.123+02:00', '2026-01-01T00:00:00.123Z'],
    ['2026-01-01T00:00:00.123Z', '2026-01-01T00:00:00.123Z'],
  ])('%s is kept as %s', (iso, kept) => expect(instant(iso)).toBe(kept));

  it('is refused when it is not a date', () => expect(() => instant('yesterday')).toThrow(RangeError));
  it('may be absent', () => expect(instantOrNull(undefined)).toBeNull());
  it('is never before the previous one, even if clocks differ', () => {
    expect(msBetween('2026-01-01T00:00:01.500Z', '2026-01-01T00:00:03.000Z')).toBe(1_500);
    expect(msBetween('2026-01-01T00:00:03.000Z', '2026-01-01T00:00:01.500Z')).toBe(0);
  });
});
