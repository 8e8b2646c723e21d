import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IndexedHeap } from './indexed-heap.ts';

describe('an empty heap', () => {
  it('has no next entry', () => {
    const heap = new IndexedHeap();
    expect([heap.size, heap.peek(), heap.pop(), heap.delete('a')]).toEqual([0, undefined, undefined, false]);
  });
});

describe('a heap with equal keys', () => {
  it('returns them by sequence number, whatever the order of insertion', () => {
    const heap = new IndexedHeap();
    for (const [id, seq] of [
      ['c', 3],
      ['a', 1],
      ['b', 2],
    ] as const)
      heap.set(id, 7, seq);
    expect([heap.pop(), heap.pop(), heap.pop()]).toEqual(['a', 'b', 'c']);
  });
});

describe('an id that is set again', () => {
  it('moves, and is in the heap once', () => {
    const heap = new IndexedHeap();
    heap.set('a', 1, 1);
    heap.set('b', 2, 2);
    heap.set('a', 3, 3);
    expect([heap.size, heap.pop(), heap.pop(), heap.pop()]).toEqual([2, 'b', 'a', undefined]);
  });
});

describe('an id that is deleted', () => {
  it('leaves the order of the others unchanged, even when the entry that replaces it has to rise', () => {
    const heap = new IndexedHeap();
    // The last one, 4, comes to stand below 11 and 10 when 30 goes.
    const keys = [1, 10, 2, 11, 12, 50, 3, 30, 31, 32, 33, 51, 52, 60, 4];
    keys.forEach((key, seq) => {
      heap.set(String(key), key, seq);
    });
    expect(heap.delete('30')).toBe(true);
    const others = keys.filter((key) => key !== 30).sort((a, b) => a - b);
    expect(others.map(() => heap.pop())).toEqual(others.map(String));
  });
});

type Operation =
  | { readonly kind: 'set'; readonly id: string; readonly key: number }
  | { readonly kind: 'delete'; readonly id: string }
  | { readonly kind: 'pop' };

const id = fc.integer({ min: 0, max: 30 }).map(String);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('set' as const), id, key: fc.integer({ min: 0, max: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), id }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'pop' as const }) },
);

describe('any sequence of operations', () => {
  it('behaves like a sorted array', () =>
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
        const heap = new IndexedHeap();
        let model: { id: string; key: number; seq: number }[] = [];
        const sorted = () => [...model].sort((a, b) => a.key - b.key || a.seq - b.seq);
        operations.forEach((step, seq) => {
          if (step.kind === 'pop') {
            const first = sorted()[0]?.id;
            expect(heap.pop()).toBe(first);
            model = model.filter(({ id }) => id !== first);
          } else {
            const known = model.some(({ id }) => id === step.id);
            model = model.filter(({ id }) => id !== step.id);
            if (step.kind === 'delete') expect(heap.delete(step.id)).toBe(known);
            else {
              heap.set(step.id, step.key, seq);
              model.push({ id: step.id, key: step.key, seq });
            }
          }
          expect(heap.size).toBe(model.length);
          const [head] = sorted();
          if (head) expect(heap.peek()).toMatchObject(head);
          else expect(heap.peek()).toBeUndefined();
        });
        expect(Array.from({ length: model.length }, () => heap.pop())).toEqual(sorted().map(({ id }) => id));
      }),
      { numRuns: 300 },
    ));
});
