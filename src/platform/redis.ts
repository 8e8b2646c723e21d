import { Redis } from 'ioredis';
import type { Logger } from './logger.ts';

/**
 * What happens to a command while Redis is unreachable. `wait`: it is sent once Redis is back, however long that takes; BullMQ
 * workers need this. `fail`: it fails at once, or after a time when no answer comes; request paths need this, because they must answer.
 */
export type WhenUnreachable = 'wait' | 'fail';

/**
 * A command that gets no answer for this long fails: a Redis that is frozen keeps its connections open and says nothing. It may have been
 * carried out all the same. Commands of BullMQ workers wait for jobs, so theirs have no limit.
 */
export const COMMAND_TIMEOUT_MS = 2_000;

/** A connection that reconnects by itself. The caller closes it. */
export const createRedis = (url: string, logger: Logger, whenUnreachable: WhenUnreachable = 'wait'): Redis => {
  const redis = new Redis(url, {
    connectionName: 'baton',
    ...(whenUnreachable === 'wait'
      ? { maxRetriesPerRequest: null }
      : { maxRetriesPerRequest: 0, commandTimeout: COMMAND_TIMEOUT_MS }),
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
