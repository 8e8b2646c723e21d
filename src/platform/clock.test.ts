import { validate, version } from 'uuid';
import { describe, expect, it } from 'vitest';
import { createIds, systemIds } from './clock.ts';

describe('a new id', () => {
  it('is a UUID of version 7 that starts with its millisecond', () => {
    const id = createIds(() => 0x0123_4567_89ab).next();
    expect(validate(id)).toBe(true);
    expect(version(id)).toBe(7);
    expect(id.slice(0, 13)).toBe('01234567-89ab');
  });

  it('is unique and sorts after all earlier ones, even within a millisecond and when the clock steps back', () => {
    let nowMs = 1_795_000_000_000;
    const ids = createIds(() => nowMs);
    const made: string[] = [];
    for (let step = 0; step < 20; step += 1) {
      for (let count = 0; count < 3_000; count += 1) made.push(ids.next());
      nowMs += step % 3 === 0 ? -2 : 1;
    }
    expect(made).toEqual([...made].sort());
    expect(new Set(made).size).toBe(made.length);
    expect(made.every((id) => validate(id) && version(id) === 7)).toBe(true);
  });

  it('carries the current time in the real process', () => {
    const before = Date.now();
    const ms = Number.parseInt(systemIds.next().replace('-', '').slice(0, 12), 16);
    expect(ms).toBeGreaterThanOrEqual(before);
    expect(ms).toBeLessThanOrEqual(Date.now() + 1);
  });
});
