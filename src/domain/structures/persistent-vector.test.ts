import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PersistentVector } from './persistent-vector.ts';

const length = fc.oneof(fc.constantFrom(0, 1, 63, 64, 65, 128, 1_000), fc.nat(300));
const writes = fc.array(fc.tuple(fc.nat(1_000), fc.nat(3)), { maxLength: 60 });

describe('a persistent vector', () => {
  it('reads and writes like an array, and leaves earlier versions unchanged', () =>
    fc.assert(
      fc.property(length, writes, (size, changes) => {
        let vector = PersistentVector.from(size, (index) => index % 3);
        let array = Array.from({ length: size }, (_, index) => index % 3);
        const versions = [{ vector, array }];
        for (const [at, value] of size === 0 ? [] : changes) {
          vector = vector.with(at % size, value);
          array = array.with(at % size, value);
          versions.push({ vector, array });
        }
        for (const version of versions) {
          expect([...version.vector]).toEqual(version.array);
          expect(version.vector.length).toBe(size);
          expect(version.array.map((_, index) => version.vector.get(index))).toEqual(version.array);
        }
      }),
    ));

  it('is the same object when nothing changes', () => {
    const vector = PersistentVector.from(100, (index) => index);
    expect(vector.with(70, 70)).toBe(vector);
  });

  it.each([-1, 100, 0.5, Number.NaN, Number.POSITIVE_INFINITY])('has no index %s', (index) => {
    const vector = PersistentVector.from(100, (at) => at);
    expect(() => vector.get(index)).toThrow(RangeError);
    expect(() => vector.with(index, 1)).toThrow(RangeError);
  });
});
