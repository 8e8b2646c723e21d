import { Redis } from 'ioredis';
import type { Logger } from './logger.ts';

/**
 * What happens to a command while Redis is unreachable. `wait`: it is sent once Redis is back, however long that takes; BullMQ
 * workers need this. `fail`: it fails at once; request paths need this, because they must answer.
 */
export type WhenUnreachable = 'wait' | 'fail';

/** A connection that reconnects by itself. The caller closes it. */
export const createRedis = (url: string, logger: Logger, whenUnreachable: WhenUnreachable = 'wait'): Redis => {
  const redis = new Redis(url, {
    connectionName: 'baton',
    maxRetriesPerRequest: whenUnreachable === 'wait' ? null : 0,
  });
  let isUnreachable = false;
  redis.on('error', (error: Error) => {
    // One line per outage, not per attempt to connect.
    if (!isUnreachable) logger.warn({ err: error }, 'Redis is unreachable');
    isUnreachable = true;
  });
  redis.on('ready', () => {
    if (isUnreachable) logger.info('Redis is reachable again');
    isUnreachable = false;
  });
  return redis;
};
