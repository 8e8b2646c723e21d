import { describe, expect, it } from 'vitest';
import { readableLine } from './readable-log.ts';

const AT = new Date(2026, 0, 2, 3, 4, 5).getTime();
const lineOf = (facts: object): string =>
  readableLine(JSON.stringify({ level: 30, time: AT, pid: 7, msg: 'ready', ...facts }), false);

describe('a line of the log for people', () => {
  it('has time, level, message, and what else it knows by name', () => {
    expect(lineOf({ server: 'redis', ms: 12, parts: ['a'] })).toBe(
      '03:04:05 info  ready  server=redis  ms=12  parts=["a"]\n',
    );
    expect(readableLine(JSON.stringify({ level: 40, time: AT, msg: 'late' }), true)).toContain(
      '\u001b[33mWARN \u001b[0m late',
    );
  });

  it('gives the reason of a failure without its stack', () => {
    const err = { type: 'AppError', message: 'Postgres is away', code: 'UNAVAILABLE', stack: 'AppError: x\n    at f' };
    expect(lineOf({ level: 50, msg: 'no answer', err })).toBe('03:04:05 ERROR no answer: Postgres is away\n');
  });

  it('shows the stack of a bug, which has no code', () => {
    const err = { type: 'TypeError', message: 'x is not a function', stack: 'TypeError: x\n    at f (a.js:1:1)' };
    expect(lineOf({ level: 50, msg: 'ended', err })).toContain('\n    at f (a.js:1:1)\n');
  });

  it('cannot be made to control the terminal, or to look like two lines', () => {
    const line = lineOf({ msg: 'agent\u001b[2J said', error: 'a\nb\u0007' });
    expect(line).toBe('03:04:05 info  agent said  error=a b\ufffd\n');
  });
});
