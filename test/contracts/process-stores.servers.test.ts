import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type pg from 'pg';
import { afterAll, beforeAll, inject } from 'vitest';
import { createQueues } from '../../src/dispatch/queues/attempt-queue.ts';
import { createBullWorkers } from '../../src/dispatch/queues/worker.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { acquireLease } from '../../src/platform/lease.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createPool } from '../../src/platform/postgres.ts';
import { createRedis } from '../../src/platform/redis.ts';
import { postgresSnapshots } from '../../src/processes/fold-snapshots.ts';
import { freshDatabase } from '../support/servers.ts';
import { describeAttemptQueue } from './attempt-queue.contract.ts';
import { describeFoldSnapshots, describeLeases, describeRenewedRecords } from './process-stores.contract.ts';

const logger = createLogger('silent');
let redis: Redis;
let database: Awaited<ReturnType<typeof freshDatabase>>;
let pool: pg.Pool;

beforeAll(async () => {
  redis = createRedis(inject('redisUrl'), logger, 'fail');
  database = await freshDatabase();
  pool = createPool(database.url, 2, logger);
});
afterAll(async () => {
  redis.disconnect();
  await pool.end();
  await database.drop();
});

const deleteAll = async (prefix: string): Promise<void> => {
  const keys = await redis.keys(`${prefix}:*`);
  if (keys.length > 0) await redis.del(...keys);
};

describeAttemptQueue('BullMQ', async () => {
  const options = { redisUrl: inject('redisUrl'), prefix: `contract-${randomUUID()}`, logger };
  const queues = createQueues(options);
  const workers = createBullWorkers(options);
  return {
    offers: queues.attempts,
    workers,
    flush: () => deleteAll(options.prefix),
    close: async () => {
      workers.close();
      await queues.close();
      await deleteAll(options.prefix);
    },
  };
});

describeRenewedRecords('Redis', () => ({ redis, prefix: `contract-${randomUUID()}` }));

describeLeases('Postgres', () => {
  const claim = (name: string, holder: string, clock = systemClock) =>
    acquireLease(pool, { name, holder, ttlMs: 1_000, clock, logger });
  return {
    acquire: claim,
    acquireAndSleep: (name, holder) => claim(name, holder, { ...systemClock, schedule: () => () => {} }),
  };
});

describeFoldSnapshots('Postgres', () => postgresSnapshots(pool));
