import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PersistentQueue } from './persistent-queue.ts';

const drain = (queue: PersistentQueue<number>): number[] => {
  const values: number[] = [];
  for (let rest = queue; rest.head !== undefined; rest = rest.rest()) values.push(rest.head);
  return values;
};

describe('a persistent queue', () => {
  it('returns what was added, in order, and is immutable', () =>
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.nat(), fc.constant('take' as const))), (operations) => {
        let queue = PersistentQueue.of<number>();
        let expected: number[] = [];
        for (const operation of operations) {
          const before = { queue, expected };
          queue = operation === 'take' ? queue.rest() : queue.added(operation);
          expected = operation === 'take' ? expected.slice(1) : [...expected, operation];
          expect(before.queue.head).toBe(before.expected[0]);
        }
        expect(drain(queue)).toEqual(expected);
        expect(drain(queue)).toEqual(expected);
      }),
    ));
});
