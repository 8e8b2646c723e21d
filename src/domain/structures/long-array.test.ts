import { describe, expect, it } from 'vitest';
import { LongArray } from './long-array.ts';

const item = (value: number) => ({ value });

describe('a long array', () => {
  it('holds what an array holds, over the bounds of its chunks', () => {
    const [long, plain] = [new LongArray<object>(), [] as object[]];
    for (let value = 0; value < 10_000; value += 1) {
      long.set(long.length, item(value));
      plain.push(item(value));
    }
    for (const at of [0, 4_095, 4_096, 8_191, 8_192, 9_999]) {
      long.set(at, item(-at));
      plain[at] = item(-at);
    }
    expect(Array.from({ length: long.length }, (_, at) => long.get(at))).toEqual(plain);
    while (plain.length > 0) expect(long.pop()).toEqual(plain.pop());
    expect([long.length, long.pop(), long.get(0)]).toEqual([0, undefined, undefined]);
  });

  it('has nothing behind its last item, also where one was', () => {
    const long = new LongArray<object>();
    long.set(0, item(1));
    long.set(1, item(2));
    long.pop();
    expect([long.get(1), long.length]).toEqual([undefined, 1]);
  });
});
