import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ShardedMap } from './sharded-map.ts';

const action = fc.record({
  kind: fc.constantFrom('set' as const, 'delete' as const),
  id: fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom('', 'a', 'task-1', 'task-2')),
  value: fc.integer(),
});

describe('a sharded map', () => {
  it('holds what a map holds', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 100 }), (actions) => {
        const [sharded, plain] = [new ShardedMap<number>(), new Map<string, number>()];
        for (const { kind, id, value } of actions) {
          if (kind === 'set') {
            sharded.set(id, value);
            plain.set(id, value);
          } else expect(sharded.delete(id)).toBe(plain.delete(id));
          expect(sharded.size).toBe(plain.size);
          expect(sharded.get(id)).toBe(plain.get(id));
        }
        for (const [id, value] of plain) expect(sharded.get(id)).toBe(value);
      }),
    );
  });
});
