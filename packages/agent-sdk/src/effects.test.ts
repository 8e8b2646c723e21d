import { describe, expect, it } from 'vitest';
import { Effects } from './effects.ts';

describe('the work of an effect key', () => {
  it('is done once, also for a call that comes while it is done', async () => {
    const effects = new Effects();
    let done = 0;
    const work = async () => {
      await Promise.resolve();
      done += 1;
      return done;
    };
    expect(await Promise.all([effects.once('a', work), effects.once('a', work)])).toEqual([1, 1]);
    expect(await effects.once('a', work)).toBe(1);
    expect(await effects.once('b', work)).toBe(2);
  });

  it('is done again after it failed, by one of those that waited', async () => {
    const effects = new Effects();
    let calls = 0;
    const work = async () => {
      calls += 1;
      await Promise.resolve();
      if (calls === 1) throw new Error('not today');
      return calls;
    };
    const [first, second, third] = await Promise.allSettled([1, 2, 3].map(() => effects.once('a', work)));
    expect(first).toMatchObject({ status: 'rejected' });
    expect([second, third]).toEqual([
      { status: 'fulfilled', value: 2 },
      { status: 'fulfilled', value: 2 },
    ]);
  });
});
