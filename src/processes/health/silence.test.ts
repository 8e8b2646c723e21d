import { describe, expect, it } from 'vitest';
import { Silence } from './silence.ts';

const heard = (sign: string) => new Map([['a', sign]]);

/** Listens once a second from `fromMs` on, up to and including `toMs`. */
const listen = (silence: Silence, fromMs: number, toMs: number, sign: string): void => {
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += 1_000) {
    silence.notice(nowMs);
    silence.hear(heard(sign), nowMs);
  }
};

describe('the silence of an agent', () => {
  it('is counted from its last sign of life', () => {
    const silence = new Silence(0);
    listen(silence, 0, 5_000, 'one');
    expect(silence.of('a', 5_000)).toBe(5_000);
    listen(silence, 6_000, 9_000, 'two');
    expect(silence.of('a', 9_000)).toBe(3_000);
  });

  it('starts when the agent is first included', () => {
    const silence = new Silence(0);
    silence.hear(new Map(), 0);
    listen(silence, 1_000, 3_000, 'one');
    expect(silence.of('a', 3_000)).toBe(2_000);
  });

  it('starts again when the agent was not included in between', () => {
    const silence = new Silence(0);
    listen(silence, 0, 5_000, 'one');
    silence.hear(new Map(), 5_000);
    listen(silence, 6_000, 7_000, 'one');
    expect(silence.of('a', 7_000)).toBe(1_000);
  });

  it('starts again after a time in which this process did not listen', () => {
    const silence = new Silence(0);
    listen(silence, 0, 5_000, 'one');
    expect(silence.notice(8_001)).toBe(false);
    silence.hear(heard('one'), 8_001);
    expect(silence.of('a', 8_001)).toBe(0);
    listen(silence, 9_001, 20_001, 'one');
    expect(silence.of('a', 20_001)).toBe(12_000);
  });

  it('continues through a check that is slightly late', () => {
    const silence = new Silence(0);
    listen(silence, 0, 5_000, 'one');
    expect(silence.notice(8_000)).toBe(true);
    expect(silence.of('a', 8_000)).toBe(8_000);
  });
});
