import { describe, expect, it } from 'vitest';
import { fakeClock } from '../../test/support/fake-ports.ts';
import type { StoredEvent } from './event-store.ts';
import { SharedPages } from './shared-pages.ts';

/** A log of events at positions 1 to `size`. */
const logOf = (size: number) => {
  const clock = fakeClock();
  const log = { size, reads: 0, fails: false };
  const pages = new SharedPages(async ({ after = 0n, limit }) => {
    log.reads += 1;
    if (log.fails) throw new Error('the store is away');
    const count = Math.min(limit, log.size - Number(after));
    const events = Array.from(
      { length: count },
      (_, index) => ({ position: after + BigInt(index) + 1n }) as StoredEvent,
    );
    return { events, next: Number(after) + count < log.size ? after + BigInt(count) : undefined };
  }, clock);
  const follow = async (after: bigint, limit = 10): Promise<bigint[]> => {
    const seen: bigint[] = [];
    for (let next: bigint | undefined = after; next !== undefined; ) {
      const page = await pages.after(next, limit);
      seen.push(...page.events.map(({ position }) => position));
      next = page.next;
    }
    return seen;
  };
  return { clock, log, pages, follow };
};

const range = (from: number, to: number): bigint[] =>
  Array.from({ length: to - from + 1 }, (_, at) => BigInt(from + at));

describe('pages of the log', () => {
  it('are read once for followers that start together', async () => {
    const { log, follow } = logOf(95);
    const seen = await Promise.all(Array.from({ length: 50 }, () => follow(-1n)));
    for (const positions of seen) expect(positions).toEqual(range(1, 95));
    expect(log.reads).toBe(10);
  });

  it('are shared by followers that start a few events apart', async () => {
    const { log, follow } = logOf(95);
    const seen = await Promise.all(Array.from({ length: 10 }, (_, index) => follow(BigInt(index))));
    for (const [index, positions] of seen.entries()) expect(positions).toEqual(range(index + 1, 95));
    expect(log.reads).toBeLessThan(25);
  });

  it('hold no more than was asked for', async () => {
    const { pages } = logOf(95);
    await pages.after(-1n, 50);
    const { events, next } = await pages.after(20n, 10);
    expect(events.map(({ position }) => position)).toEqual(range(21, 30));
    expect(next).toBe(30n);
  });

  it('are read again after a while, and at the end of the log', async () => {
    const { clock, log, follow } = logOf(15);
    expect(await follow(0n)).toEqual(range(1, 15));
    log.size = 20;
    expect(await follow(10n)).toEqual(range(11, 20));
    const { reads } = log;
    clock.advance(10_000);
    await follow(0n);
    expect(log.reads).toBe(reads + 2);
  });

  it('are read again after a failure', async () => {
    const { log, follow } = logOf(5);
    log.fails = true;
    await expect(follow(0n)).rejects.toThrow('the store is away');
    log.fails = false;
    expect(await follow(0n)).toEqual(range(1, 5));
  });
});
