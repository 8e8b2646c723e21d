import type pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/platform/clock.ts';
import { acquireLease, type Lease, type LeaseOptions } from '../../src/platform/lease.ts';
import { fakeClock } from '../support/fake-ports.ts';
import { pause, quiet, until, World } from '../support/projections-support.ts';

let world: World;
const held: Lease[] = [];
beforeEach(async () => {
  world = await World.create();
});
afterEach(async () => {
  await Promise.all(held.splice(0).map((lease) => lease.release()));
  await world.close();
});

const claim = async (options: Partial<LeaseOptions> = {}, pool: pg.Pool = world.pool): Promise<Lease | undefined> => {
  const lease = await acquireLease(pool, {
    name: 'job',
    holder: 'a',
    ttlMs: 1_000,
    clock: systemClock,
    logger: quiet,
    ...options,
  });
  if (lease) held.push(lease);
  return lease;
};

describe('a lease', () => {
  it('is held by one process at a time, for longer than its time-to-live', async () => {
    const lease = await claim();
    expect(await claim({ holder: 'b' })).toBeUndefined();
    expect(await claim({ name: 'another job' })).toBeDefined();
    await pause(2_500);
    expect(await claim({ holder: 'b' })).toBeUndefined();
    expect(lease?.signal.aborted).toBe(false);
  });

  it('goes to one of many processes that request it at once', async () => {
    const claims = await Promise.all(Array.from({ length: 10 }, (_, index) => claim({ holder: `h${index}` })));
    expect(claims.filter(Boolean)).toHaveLength(1);
  });

  it("tells Postgres's time, whatever the clock of its holder shows", async () => {
    const off = { ...systemClock, now: () => systemClock.now() - 3_600_000 };
    const lease = await claim({ clock: off });
    const offByMs = async (): Promise<number> => {
      const askedMs = lease?.now() ?? 0;
      const { rows } = await world.pool.query('SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms');
      return Math.abs(Number(rows[0].ms) - askedMs);
    };
    expect(await offByMs()).toBeLessThan(60_000);
    await lease?.confirm();
    expect(await offByMs()).toBeLessThan(60_000);
  });

  it('is free as soon as it is released, with the next epoch', async () => {
    const first = await claim();
    await first?.release();
    expect(first?.signal.aborted).toBe(true);
    const second = await claim({ holder: 'b' });
    expect(second?.epoch).toBe((first?.epoch ?? 0n) + 1n);
    await first?.release(); // a second release takes nothing from the new holder
    expect(await claim({ holder: 'c' })).toBeUndefined();
    expect(await second?.confirm()).toBe(true);
    expect(await first?.confirm()).toBe(false);
  });

  it('is lost to another process when its holder sleeps past its expiry, and the holder notices', async () => {
    const asleep = { ...systemClock, schedule: () => () => {} };
    const first = await claim({ clock: asleep, ttlMs: 300 });
    await pause(350);
    const second = await claim({ holder: 'b' });
    expect(second).toBeDefined();
    expect(first?.signal.aborted).toBe(false);
    expect(await first?.confirm()).toBe(false);
    expect(first?.signal.aborted).toBe(true);
    expect(second?.signal.aborted).toBe(false);
  });

  it('survives failures to renew that are shorter than its time-to-live, and is lost when they are longer', async () => {
    const clock = fakeClock();
    let fails = false;
    let renewals = 0;
    const pool = {
      query: (...args: [string, unknown[]]) => {
        renewals += 1;
        return fails ? Promise.reject(new Error('Connection terminated')) : world.pool.query(...args);
      },
    } as unknown as pg.Pool;
    const lease = await claim({ clock, ttlMs: 300_000 }, pool);
    /** The renewals that are due, each answered before the clock advances. */
    const advance = async (ms: number): Promise<void> => {
      const before = renewals;
      clock.advance(ms);
      await until(async () => renewals > before && clock.scheduled === 2, 'renewal answered');
    };
    fails = true;
    await advance(100_000);
    fails = false;
    await advance(100_000);
    fails = true;
    await advance(100_000);
    await advance(100_000);
    clock.advance(99_999);
    expect(lease?.signal.aborted).toBe(false);
    clock.advance(1);
    expect(lease?.signal.aborted).toBe(true);
    expect(clock.scheduled).toBe(0);
  });
});
