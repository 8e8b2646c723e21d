import { InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import * as parse from './parse.ts';

const refuses = (parser: (text: string) => unknown, ...texts: string[]): void => {
  for (const text of texts) expect(() => parser(text), JSON.stringify(text)).toThrow(InvalidArgumentError);
};

describe('values of options', () => {
  it('accepts whole numbers within their limits and names the limits otherwise', () => {
    expect(parse.integer(1, 5)('3')).toBe(3);
    refuses(parse.integer(1, 5), '0', '6', '-1', 'ten', '1.5', '1e0', '0x1', '', ' 3', '٣', '9'.repeat(400));
    expect(() => parse.integer(1, 5)('6')).toThrow('from 1 to 5');
  });

  it('accepts only RFC 3339 instants with a zone', () => {
    expect(parse.instant('2026-01-31T12:00:00+02:00')).toBe('2026-01-31T12:00:00+02:00');
    refuses(parse.instant, 'yesterday', '2026-02-30T12:00:00Z', '2026-01-31', '2026-01-31T12:00:00', '1/2/26');
  });

  it('takes how long ago an instant was', () => {
    const before = Date.now() - 5_400_000;
    const instant = Date.parse(parse.instantOrAgo('1.5h'));
    expect(instant).toBeGreaterThanOrEqual(before);
    expect(instant).toBeLessThanOrEqual(Date.now() - 5_400_000);
    expect(parse.instantOrAgo('2026-01-31T12:00:00Z')).toBe('2026-01-31T12:00:00Z');
    refuses(parse.instantOrAgo, '1', 'h', '-1h', '1 h', '1w', '0s', '999999999d', 'yesterday');
  });

  it('takes durations', () => {
    expect(['250ms', '90s', '5m', '1h', '1d'].map(parse.durationMs)).toEqual([
      250, 90_000, 300_000, 3_600_000, 86_400_000,
    ]);
    refuses(parse.durationMs, '', '5', '5 s', '1e3s', '0s', '25d', '-5s', 'PT5S');
  });

  it('accepts only http and https URLs', () => {
    expect(parse.httpUrl('http://127.0.0.1:4000')).toBe('http://127.0.0.1:4000');
    refuses(parse.httpUrl, 'file:///etc/passwd', 'localhost:4000', '', 'ftp://x');
  });

  it('refuses JSON that the server would refuse', () => {
    expect(parse.json('{"kWh":1}')).toEqual({ kWh: 1 });
    refuses(parse.json, '{', "{'a':1}", '{"a":1,"a":2}', '{"__proto__":1}', '"\\u0000"', '9007199254740993', '1e400');
  });

  it('reads a capability with and without a version', () => {
    expect(parse.capability('footprint')).toEqual({ name: 'footprint' });
    expect(parse.capability('footprint@1.2.0')).toEqual({ name: 'footprint', version: '1.2.0' });
    refuses(parse.capability, '', '@1', 'footprint@');
  });

  it('reads labels up to the first equals sign', () => {
    expect(parse.label('region=eu=west')).toEqual(['region', 'eu=west']);
    refuses(parse.label, 'region', '=eu');
  });

  it('reads money exactly', () => {
    expect(parse.money('0.00025USD')).toEqual({ currency: 'USD', micros: 250 });
    expect(parse.money('12EUR')).toEqual({ currency: 'EUR', micros: 12_000_000 });
    expect(parse.money('4.35EUR')).toEqual({ currency: 'EUR', micros: 4_350_000 });
    refuses(parse.money, '1', 'USD', '1.0000001USD', '-1USD', '1usd');
  });

  it('reads positions', () => {
    expect(parse.position('18446744073709551')).toBe(18446744073709551n);
    refuses(parse.position, '', '-1', '1.0', 'head');
  });
});
