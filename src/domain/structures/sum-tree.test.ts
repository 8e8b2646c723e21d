import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SumTree } from './sum-tree.ts';

const change = fc.record({ id: fc.integer({ min: 0, max: 40 }), weight: fc.option(fc.nat(4), { nil: undefined }) });

describe('a sum tree', () => {
  it('finds what a list of intervals would, after any changes', () =>
    fc.assert(
      fc.property(fc.array(change, { maxLength: 120, size: 'max' }), fc.nat(50), (changes, from) => {
        const tree = new SumTree<number>();
        const model = new Map<string, number>();
        for (const { id, weight } of changes) {
          if (weight === undefined) {
            tree.delete(`${id}`);
            model.delete(`${id}`);
          } else {
            tree.set(`${id}`, id, weight);
            model.set(`${id}`, weight);
          }
        }
        const line = [...model].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([id, weight]) => Array(weight).fill(id));
        expect(tree.total).toBe(line.length);
        expect(line.map((_, point) => tree.at(point)?.id)).toEqual(line);
        expect(tree.after(`${from}`)?.id).toBe(line.find((id) => id > `${from}`));
        expect(tree.after(undefined)?.id).toBe(line[0]);
      }),
    ));

  it('draws alike whatever the order in which its items came', () =>
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(1_000), { minLength: 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (ids, share) => {
          const [one, other] = [new SumTree<number>(), new SumTree<number>()];
          for (const id of ids) one.set(`${id}`, id, 1 / (id + 3));
          for (const id of [...ids].reverse()) other.set(`${id}`, id, 1 / (id + 3));
          expect(other.total).toBe(one.total);
          expect(other.at(share * other.total)?.id).toBe(one.at(share * one.total)?.id);
        },
      ),
    ));

  it('finds the last item for a point at the end', () => {
    const tree = new SumTree<string>();
    for (const id of ['a', 'b', 'c']) tree.set(id, id, 0.1);
    tree.set('c', 'c', 0);
    expect(tree.at(tree.total)?.id).toBe('b');
  });

  it('stays shallow where ids come in order', () => {
    const tree = new SumTree<number>();
    for (let id = 0; id < 50_000; id += 1) tree.set(`agent-${String(id).padStart(6, '0')}`, id, 1);
    expect(tree.depth).toBeLessThan(60);
  });
});
