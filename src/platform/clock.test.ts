import { getEventListeners } from 'node:events';
import { validate, version } from 'uuid';
import { describe, expect, it } from 'vitest';
import { fakeClock } from '../../test/support/fake-ports.ts';
import { createIds, orAborted, sleep, systemIds } from './clock.ts';

const control = () => {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
};

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

describe('a pause', () => {
  it('ends when its time is over, or when its signal aborts', async () => {
    const clock = fakeClock();
    const { signal, abort } = control();
    const pauses = [sleep(clock, 10), sleep(clock, 10, signal), sleep(clock, 1_000, signal)];
    clock.advance(10);
    await Promise.all(pauses.slice(0, 2));
    abort();
    await pauses[2];
    await sleep(clock, 1_000, signal);
    expect(clock.scheduled).toBe(0);
  });

  it('adds no listener per wait on the same signal, and leaves none behind', async () => {
    const clock = fakeClock();
    const { signal } = control();
    const pauses = Array.from({ length: 1_000 }, () => sleep(clock, 10, signal));
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    clock.advance(10);
    await Promise.all(pauses);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});

describe('work that need not be finished', () => {
  it('is awaited until the signal aborts', async () => {
    const { signal, abort } = control();
    await orAborted(Promise.resolve(), signal);
    await expect(orAborted(Promise.reject(new Error('failed')), signal)).rejects.toThrow('failed');
    const waiting = orAborted(new Promise(() => {}), signal);
    abort();
    await waiting;
    await orAborted(new Promise(() => {}), signal);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});
