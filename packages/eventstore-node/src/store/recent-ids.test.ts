import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecentIds } from './recent-ids.ts';

const GENERATION = 16;

describe('recent ids', () => {
  it('are known per stream, with their newest revision, and forgotten on request', () => {
    const id = fc.oneof(
      fc.uuid(),
      fc.nat(5).map((n) => `00000000-0000-0000-0000-00000000000${n}`),
    );
    const step = fc.record({
      kind: fc.constantFrom('remember', 'remember', 'forget'),
      stream: fc.nat(2),
      id,
      revision: fc.oneof(fc.nat(9), fc.constant(2 ** 63)),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: GENERATION }), (steps) => {
        const recent = new RecentIds(GENERATION);
        const model = new Map<string, number>();
        for (const { kind, stream, id, revision } of steps) {
          if (kind === 'remember') {
            recent.remember(stream, id, revision);
            model.set(`${stream} ${id}`, revision);
          } else {
            recent.forget(stream, id);
            model.delete(`${stream} ${id}`);
          }
        }
        for (const { id } of steps) {
          for (const stream of [0, 1, 2]) expect(recent.find(stream, id)).toBe(model.get(`${stream} ${id}`));
        }
      }),
    );
  });

  it('are dropped half at a time: the newest generation is always kept, and at most two', () => {
    const recent = new RecentIds(GENERATION);
    const ids = Array.from(
      { length: 10 * GENERATION },
      (_, n) => `00000000-0000-0000-0000-${`${n}`.padStart(12, '0')}`,
    );
    for (const [n, id] of ids.entries()) {
      recent.remember(7, id, n);
      const from = Math.max(0, n + 1 - GENERATION);
      expect(ids.slice(from, n + 1).map((recentId) => recent.find(7, recentId))).not.toContain(undefined);
      if (n >= 2 * GENERATION) expect(recent.find(7, ids[n - 2 * GENERATION] as string)).toBeUndefined();
    }
  });
});
