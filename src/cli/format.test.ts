import { describe, expect, it } from 'vitest';
import { duration, facts, oneLine, paint, quantile, status, table } from './format.ts';

describe('a table', () => {
  const columns = [{ title: 'ID' }, { title: 'COUNT', align: 'right' as const }, { title: 'NOTE' }];

  it('aligns columns and leaves no trailing spaces', () => {
    const rows = [
      ['a', '5', ''],
      ['longer', '1000', 'x'],
    ];
    expect(table(columns, rows)).toBe('ID      COUNT  NOTE\na           5\nlonger   1000  x\n');
  });

  it('does not count colour as width', () => {
    const rows = [
      [paint('red', 'red', true), '1', 'a'],
      ['green', '1', 'b'],
    ];
    const [, first = '', second = ''] = table(columns, rows).split('\n');
    expect(first).toContain('\u001b[31mred\u001b[0m  ');
    expect(second.indexOf('1')).toBe(11);
  });

  it('is only a header line when there are no rows', () => {
    expect(table(columns, [])).toBe('ID  COUNT  NOTE\n');
  });
});

describe('text of third parties', () => {
  it('cannot steer the terminal or forge a line', () => {
    expect(oneLine('a\u001b[2Jb\nc\u202ed\u0007')).toBe('ab c\ufffdd\ufffd');
  });

  it('is cut by characters, not in the middle of one', () => {
    expect(oneLine('😀😀😀', 2)).toBe('😀…');
  });
});

describe('colour', () => {
  it('is omitted where it is not wanted', () => {
    expect(status('completed', false)).toBe('completed');
    expect(status('completed', true)).toBe('\u001b[32mcompleted\u001b[0m');
    expect(status('unheard-of', true)).toBe('unheard-of');
  });
});

describe('figures', () => {
  it('shows durations in the unit that fits', () => {
    expect([3.4, 999, 1_500, 185_000].map(duration)).toEqual(['3 ms', '999 ms', '1.5 s', '3 min 5 s']);
  });

  it('computes quantiles by nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, index) => index + 1);
    expect([quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1), quantile([7], 0.5)]).toEqual([
      50, 99, 100, 7,
    ]);
    expect(quantile([], 0.5)).toBeUndefined();
  });

  it('omits unknown values', () => {
    expect(
      facts([
        ['id', '1'],
        ['agent', undefined],
        ['status', 'ready'],
      ]),
    ).toBe('id      1\nstatus  ready\n');
  });
});
