import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';

/** A queue over a connection that fails fast and is not closed with it. */
export const openQueue = <Data>(name: string, redis: Redis, prefix: string): Queue<Data, void, string> => {
  const queue = new Queue<Data, void, string>(name, {
    connection: redis,
    prefix,
    // Commands fail at once while Redis is unreachable; the caller tries again.
    skipWaitingForReady: true,
    skipVersionCheck: true,
    skipMetasUpdate: true,
  });
  // The connection reports an outage once, and each command's failure reaches its caller.
  queue.on('error', () => {});
  return queue;
};
