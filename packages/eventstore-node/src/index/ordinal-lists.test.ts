import fc from 'fast-check';
import { expect, it } from 'vitest';
import { OrdinalLists } from './ordinal-lists.ts';

it('behaves like an array of arrays', () => {
  const operation = fc.oneof(
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('add' as const), expected: fc.nat(9) }) },
    {
      weight: 8,
      arbitrary: fc.record({ kind: fc.constant('push' as const), list: fc.nat(), value: fc.nat(2 ** 32 - 1) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('pop' as const), list: fc.nat() }) },
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 400 }), (operations) => {
      const lists = new OrdinalLists();
      const model: number[][] = [];
      for (const step of operations) {
        if (step.kind === 'add') {
          expect(lists.add(step.expected)).toBe(model.push([]) - 1);
          continue;
        }
        if (model.length === 0) continue;
        const list = step.list % model.length;
        if (step.kind === 'push') {
          lists.push(list, step.value);
          model[list]?.push(step.value);
        } else if (model[list]?.pop() !== undefined) {
          lists.pop(list);
        }
      }
      expect(model.map((_, list) => [...lists.view(list)])).toEqual(model);
    }),
  );
});

it('stores one long list beside many short ones', () => {
  const lists = new OrdinalLists();
  const long = lists.add();
  for (let i = 0; i < 20_000; i++) {
    lists.push(long, i);
    lists.push(lists.add(), i);
  }
  expect(lists.length(long)).toBe(20_000);
  expect([...lists.view(long)].every((value, i) => value === i)).toBe(true);
  expect(lists.get(20_000, 0)).toBe(19_999);
});
