import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BEGINNING, EventRing } from './event-ring.ts';
import type { StoredEvent } from './event-store.ts';

const event = (position: bigint, data: string | null = null): StoredEvent => ({ position, data }) as StoredEvent;
const plenty = { events: 1_000, bytes: 1_000_000 };
const positions = (events: readonly StoredEvent[] | undefined) => events?.map(({ position }) => Number(position));

describe('a ring of the newest events', () => {
  it('is empty and complete at its floor', () => {
    const ring = new EventRing(50n, plenty);
    expect([ring.floor, ring.last]).toEqual([50n, 50n]);
    expect(ring.after(50n, 10)).toEqual([]);
    expect(ring.after(70n, 10)).toEqual([]);
    expect(ring.after(49n, 10)).toBeUndefined();
    expect(new EventRing(BEGINNING, plenty).after(BEGINNING, 10)).toEqual([]);
  });

  it('returns the events after a position, even one between two events', () => {
    const ring = new EventRing(0n, plenty);
    for (const position of [10n, 20n, 30n]) ring.push(event(position));
    expect(positions(ring.after(0n, 10))).toEqual([10, 20, 30]);
    expect(positions(ring.after(0n, 2))).toEqual([10, 20]);
    expect(positions(ring.after(10n, 10))).toEqual([20, 30]);
    expect(positions(ring.after(15n, 10))).toEqual([20, 30]);
    expect(positions(ring.after(30n, 10))).toEqual([]);
  });

  it('drops the oldest when there are too many', () => {
    const ring = new EventRing(0n, { ...plenty, events: 2 });
    for (const position of [10n, 20n, 30n]) ring.push(event(position));
    expect(ring.floor).toBe(10n);
    expect(ring.after(9n, 10)).toBeUndefined();
    expect(positions(ring.after(10n, 10))).toEqual([20, 30]);
  });

  it('drops the oldest when they take too many bytes, but keeps the newest however large', () => {
    const ring = new EventRing(0n, { ...plenty, bytes: 1_000 });
    for (const position of [10n, 20n, 30n]) ring.push(event(position, 'x'.repeat(400)));
    expect(positions(ring.after(ring.floor, 10))).toEqual([20, 30]);
    ring.push(event(40n, 'x'.repeat(5_000)));
    expect(positions(ring.after(ring.floor, 10))).toEqual([40]);
    ring.push(event(50n));
    expect(positions(ring.after(ring.floor, 10))).toEqual([50]);
  });

  it('always holds the newest of the pushed events without a gap', () => {
    const pushes = fc.array(fc.record({ step: fc.bigInt(1n, 5n), size: fc.nat(200) }), { maxLength: 60 });
    fc.assert(
      fc.property(pushes, fc.integer({ min: 1, max: 10 }), fc.bigInt(-1n, 310n), (list, capacity, from) => {
        const ring = new EventRing(3n, { events: capacity, bytes: 800 });
        let position = 3n;
        const all = list.map(({ step, size }) => {
          position += step;
          const pushed = event(position, 'x'.repeat(size));
          ring.push(pushed);
          return pushed;
        });
        expect(ring.last).toBe(position);
        const expected = from < ring.floor ? undefined : all.filter((pushed) => pushed.position > from);
        expect(ring.after(from, 100)).toEqual(expected);
        expect(ring.after(ring.floor, 100)?.length).toBeGreaterThanOrEqual(Math.min(1, all.length));
      }),
    );
  });
});
