import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type pg from 'pg';
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';
import { type AttemptJob, createQueues, localQueueName } from '../../src/dispatch/queues/attempt-queue.ts';
import { createBullWorkers } from '../../src/dispatch/queues/worker.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { acquireLease } from '../../src/platform/lease.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createPool } from '../../src/platform/postgres.ts';
import { createRedis } from '../../src/platform/redis.ts';
import { postgresSnapshots } from '../../src/processes/fold-snapshots.ts';
import { freezableProxy } from '../support/freezable-proxy.ts';
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

describeAttemptQueue('BullMQ on demand', async () => {
  const options = { redisUrl: inject('redisUrl'), prefix: `contract-${randomUUID()}`, logger };
  const queues = createQueues(options);
  const workers = createBullWorkers(options);
  return {
    offers: queues.attempts,
    workers: { ...workers, open: workers.openOnDemand },
    transport: 'local',
    flush: () => deleteAll(options.prefix),
    close: async () => {
      workers.close();
      await queues.close();
      await deleteAll(options.prefix);
    },
  };
});

it('a thousand workers on demand share two connections, and each gets its work', { timeout: 60_000 }, async () => {
  const proxy = await freezableProxy(inject('redisUrl'));
  const prefix = `contract-${randomUUID()}`;
  const queues = createQueues({ redisUrl: inject('redisUrl'), prefix, logger });
  const workers = createBullWorkers({ redisUrl: proxy.url, prefix, logger });
  const agentIds = Array.from({ length: 1_000 }, (_, index) => `agent-${index}`);
  const attemptFor = (agentId: string): AttemptJob => ({
    tenant: 'acme',
    pool: 'default',
    taskId: `task-of-${agentId}`,
    attempt: 1,
    agentId,
    transport: 'local',
  });
  const worked = new Set<string>();
  // The first half waits for its dispatcher, the others come while it listens.
  await queues.attempts.offer(agentIds.slice(0, 500).map(attemptFor));
  const open = agentIds.map((agentId) =>
    workers.openOnDemand(localQueueName('acme', agentId), {
      concurrency: 1,
      handler: async ({ job }) => {
        if (job.agentId === agentId) worked.add(job.taskId);
        return 'done';
      },
    }),
  );
  await vi.waitFor(() => expect(worked.size).toBe(500), { timeout: 40_000, interval: 50 });
  await queues.attempts.offer(agentIds.slice(500).map(attemptFor));
  await vi.waitFor(() => expect(worked.size).toBe(1_000), { timeout: 40_000, interval: 50 });
  expect(proxy.connections).toBe(2);
  await Promise.all(open.map((worker) => worker.close({ abandon: false })));
  workers.close();
  await queues.close();
  await proxy.close();
  await deleteAll(prefix);
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
