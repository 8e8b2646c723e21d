import { Redis } from 'ioredis';
import type { Logger } from './logger.ts';

/**
 * What becomes of a command while Redis is away. `wait`: it is sent when Redis is back, however long that takes; BullMQ
 * workers need this. `fail`: it fails at once, for request paths, which must answer.
 */
export type WhenAway = 'wait' | 'fail';

/** A connection that reconnects by itself. The caller quits it. */
export const createRedis = (url: string, logger: Logger, whenAway: WhenAway = 'wait'): Redis => {
  const redis = new Redis(url, {
    connectionName: 'baton',
    maxRetriesPerRequest: whenAway === 'wait' ? null : 0,
  });
  let away = false;
  redis.on('error', (error: Error) => {
    // One line per outage, not per try.
    if (!away) logger.warn({ err: error }, 'Redis cannot be reached');
    away = true;
  });
  redis.on('ready', () => {
    if (away) logger.info('Redis is back');
    away = false;
  });
  return redis;
};
