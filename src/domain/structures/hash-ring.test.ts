import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HashRing, nearest } from './hash-ring.ts';

const ringOf = (ids: Iterable<string>): HashRing => {
  const ring = new HashRing();
  for (const id of ids) ring.add(id);
  return ring;
};
const IDS = Array.from({ length: 200 }, (_, index) => `agent-${index}`);
const KEYS = Array.from({ length: 20_000 }, (_, index) => `key-${index}`);
const ownerOf = (ring: HashRing, key: string): string | undefined => nearest([ring], key)[0];

describe('a hash ring', () => {
  it('moves only the keys of a member that leaves, and gives them back when it returns', () => {
    const ring = ringOf(IDS);
    const before = KEYS.map((key) => ownerOf(ring, key));
    ring.delete('agent-42');
    KEYS.forEach((key, index) => {
      if (before[index] === 'agent-42') expect(ownerOf(ring, key)).not.toBe('agent-42');
      else expect(ownerOf(ring, key)).toBe(before[index]);
    });
    ring.add('agent-42');
    expect(KEYS.map((key) => ownerOf(ring, key))).toEqual(before);
  });

  it('gives nobody much more than the mean', () => {
    const ring = ringOf(IDS);
    const counts = new Map<string, number>();
    for (const key of KEYS)
      counts.set(ownerOf(ring, key) as string, (counts.get(ownerOf(ring, key) as string) ?? 0) + 1);
    expect(Math.max(...counts.values())).toBeLessThan(1.5 * (KEYS.length / IDS.length));
  });

  it('answers for several rings as for one with all their members', () =>
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(1_000)), fc.nat(), fc.string(), (members, cut, key) => {
        const ids = members.map((member) => `m${member}`);
        const at = cut % (ids.length + 1);
        const parts = [ringOf(ids.slice(0, at)), ringOf(ids.slice(at))];
        expect(nearest(parts, key)).toEqual(nearest([ringOf(ids)], key));
      }),
    ));

  it('holds a member once', () => {
    const ring = ringOf(['a', 'a', 'b']);
    expect(ring.size).toBe(2);
    ring.delete('a');
    ring.delete('a');
    expect(nearest([ring], 'key')).toEqual(['b']);
  });
});
