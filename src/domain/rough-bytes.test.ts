import { describe, expect, it } from 'vitest';
import { roughBytes } from './rough-bytes.ts';

describe('the rough size of a value', () => {
  it('counts 16 for each value and the characters of strings and keys', () => {
    expect(roughBytes(null)).toBe(16);
    expect(roughBytes(1n)).toBe(16);
    expect(roughBytes('four')).toBe(20);
    expect(roughBytes(['four', 1])).toBe(52);
    expect(roughBytes({ key: 'four', b: [] })).toBe(16 + 4 + 20 + 16);
  });

  it('is estimated from the first elements of a long list', () => {
    const list = Array.from({ length: 1_000 }, () => 'four');
    expect(roughBytes(list, 10)).toBe(16 + 20_000);
    expect(roughBytes(list)).toBe(16 + 20_000);
    expect(roughBytes([[1, 'a long string', 'a long string']], 4)).toBe(16 + 16 + 48);
  });
});
