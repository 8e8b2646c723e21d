/** A dispatcher that takes one job, says so, and never finishes it: to be killed. */

import { jobIdOf } from '#baton/dispatch/queues/attempt-queue.js';
import { createBullWorkers } from '#baton/dispatch/queues/worker.js';
import { createLogger } from '#baton/platform/logger.js';

const queue = {
  redisUrl: process.env['REDIS'] as string,
  prefix: process.env['PREFIX'] as string,
  logger: createLogger('silent'),
};
createBullWorkers(queue, { lockDurationMs: 2_000, stalledIntervalMs: 500 }).open(process.env['QUEUE'] as string, {
  concurrency: 1,
  handler: ({ job }) => {
    process.send?.(jobIdOf(job));
    return new Promise(() => {});
  },
});
