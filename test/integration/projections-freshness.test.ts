import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/platform/clock.ts';
import { createPool } from '../../src/platform/postgres.ts';
import { Freshness } from '../../src/projections/runner/freshness.ts';
import { getTask } from '../../src/projections/tasks/queries.ts';
import { event, newTaskId, quiet, TENANT, until, World } from '../support/projections-support.ts';

let world: World;
let freshness: Freshness;
beforeEach(async () => {
  world = await World.create();
  freshness = new Freshness({ pool: world.pool, clock: systemClock, logger: quiet });
});
afterEach(async () => {
  await freshness.stop();
  await world.close();
});

describe('freshness', () => {
  it('lets every reader see what it wrote, even while the runner is replaced', async () => {
    let runner = await world.runner();
    for (let round = 0; round < 200; round += 1) {
      const id = newTaskId();
      const position = await world.append(event.submitted(id));
      await freshness.waitFor(position, { timeoutMs: 5_000 });
      const { value, position: reflected } = await getTask(world.pool, TENANT, id);
      expect(value?.taskId).toBe(id);
      expect(reflected).toBeGreaterThanOrEqual(position);
      if (round % 50 === 49) {
        const next = await world.runner();
        await runner.stop();
        runner = next;
      }
    }
  });

  it('answers many readers that wait for different positions', async () => {
    await world.runner();
    const waits: Promise<void>[] = [];
    for (let count = 0; count < 50; count += 1)
      waits.push(freshness.waitFor(await world.append(event.submitted(newTaskId())), { timeoutMs: 5_000 }));
    await Promise.all(waits);
  });

  it('answers STALE_READ when the projections do not get there in time', async () => {
    await world.append(event.submitted(newTaskId()));
    await world.project();
    const startedAt = performance.now();
    await expect(freshness.waitFor(1_000_000n, { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'STALE_READ',
      retryable: true,
      details: { position: '16', atLeast: '1000000' },
    });
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  it('waits only for the requested projections', async () => {
    const position = await world.append(event.registered('a1'));
    await world.project({
      projectors: (await world.runnerOptions()).projectors.filter(({ name }) => name === 'agents'),
    });
    await freshness.waitFor(position, { timeoutMs: 2_000, projections: ['agents'] });
    await expect(freshness.waitFor(position, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'STALE_READ' });
    expect(await freshness.currentPosition(['agents'])).toBe(position);
    expect(await freshness.currentPosition()).toBe(-1n);
  });

  it('continues when its connection is lost', async () => {
    await world.runner();
    await freshness.waitFor(await world.append(event.submitted(newTaskId())), { timeoutMs: 5_000 });
    await world.pool.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()",
    );
    await freshness.waitFor(await world.append(event.submitted(newTaskId())), { timeoutMs: 5_000 });
    await until(async () => {
      const { rows } = await world.pool.query<{ n: bigint }>(
        "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()",
      );
      return rows[0]?.n === 1n;
    }, 'listening again');
  });

  it('sees a new position within milliseconds, without polling', async () => {
    await world.runner();
    await freshness.waitFor(await world.append(event.submitted(newTaskId())), { timeoutMs: 5_000 });
    const times: number[] = [];
    for (let round = 0; round < 20; round += 1) {
      const startedAt = performance.now();
      await freshness.waitFor(await world.append(event.submitted(newTaskId())), { timeoutMs: 5_000 });
      times.push(performance.now() - startedAt);
    }
    times.sort((a, b) => a - b);
    expect(times[10]).toBeLessThan(200); // the poll comes every 250 ms
  });

  it('ends waits when it is stopped', async () => {
    const waiting = expect(freshness.waitFor(1_000n, { timeoutMs: 60_000 })).rejects.toMatchObject({
      code: 'STALE_READ',
    });
    await freshness.stop();
    await waiting;
  });

  it('listens on one connection only', async () => {
    const pool = createPool(world.url, 2, quiet);
    const narrow = new Freshness({ pool, clock: systemClock, logger: quiet });
    await world.runner();
    const position = await world.append(event.submitted(newTaskId()));
    await Promise.all(Array.from({ length: 20 }, () => narrow.waitFor(position, { timeoutMs: 5_000 })));
    await narrow.stop();
    await pool.end();
  });
});
