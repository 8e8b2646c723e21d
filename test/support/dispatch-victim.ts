/** A dispatcher that takes one job, says so, and never finishes it: to be killed. */

import { jobIdOf } from '../../src/dispatch/queues/attempt-queue.ts';
import { createAttemptWorker } from '../../src/dispatch/queues/worker.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createRedis } from '../../src/platform/redis.ts';

const logger = createLogger('silent');
createAttemptWorker(process.env['QUEUE'] as string, {
  redis: createRedis(process.env['REDIS'] as string, logger),
  prefix: process.env['PREFIX'] as string,
  concurrency: 1,
  tuning: { lockDurationMs: 2_000, stalledIntervalMs: 500 },
  handler: ({ job }) => {
    process.send?.(jobIdOf(job));
    return new Promise(() => {});
  },
  logger,
});
