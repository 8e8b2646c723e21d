import type pg from 'pg';
import { expect, it } from 'vitest';
import { fakeClock } from '../../test/support/fake-ports.ts';
import { acquireLease } from './lease.ts';
import { createLogger } from './logger.ts';

const HOUR_MS = 3_600_000;

/** Postgres, whose clock is an hour ahead of ours, and which takes this long until it looks at its clock, and then until its answer comes. */
const leaseOver = async () => {
  const clock = fakeClock();
  const delays = { beforeMs: 0, afterMs: 0 };
  let offMs = HOUR_MS;
  const query = async () => {
    clock.advance(delays.beforeMs);
    const nowMs = clock.now() + offMs;
    clock.advance(delays.afterMs);
    return { rows: [{ epoch: 1n, nowMs }] };
  };
  const pool = { query } as unknown as pg.Pool;
  const logger = createLogger('silent');
  const lease = await acquireLease(pool, { name: 'job', holder: 'a', ttlMs: 60_000, clock, logger });
  const aheadMs = (): number => (lease?.now() ?? Number.NaN) - clock.now() - offMs;
  const confirm = async (beforeMs: number, afterMs: number): Promise<number> => {
    Object.assign(delays, { beforeMs, afterMs });
    await lease?.confirm();
    return aheadMs();
  };
  const set = (byMs: number): void => {
    offMs += byMs;
  };
  return { clock, aheadMs, confirm, set };
};

it('a lease tells the time of Postgres, and keeps it when an answer takes long, on whichever way', async () => {
  const { clock, aheadMs, confirm } = await leaseOver();
  expect(aheadMs()).toBe(0);
  clock.advance(7_000);
  expect(aheadMs()).toBe(0);
  expect(await confirm(4_000, 0)).toBe(0);
  expect(await confirm(0, 4_000)).toBe(0);
});

it.each([-600_000, 600_000])('a lease follows when the clock of Postgres is set by %i ms', async (byMs) => {
  const { confirm, set, aheadMs } = await leaseOver();
  set(byMs);
  expect(aheadMs()).toBe(-byMs);
  expect(await confirm(0, 0)).toBe(0);
});
