import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { OriginDirectory } from '../../src/dispatch/egress/origin-directory.ts';
import { OwnOrigins } from '../../src/dispatch/egress/own-origins.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { freshRedisPrefix } from '../support/servers.ts';

let redis: Redis;
let prefix: string;
beforeEach(() => {
  redis = new Redis(inject('redisUrl'));
  prefix = freshRedisPrefix();
});
afterEach(() => redis.disconnect());

const processWith = (...own: string[]) => {
  const origins = new OwnOrigins(own);
  const directory = new OriginDirectory({ origins, redis, prefix, clock: systemClock, logger: createLogger('silent') });
  return { origins, directory };
};

it('a dispatcher without an API knows where the APIs of its cluster are, until they stop', async () => {
  const [api, other, dispatcher] = [processWith('http://10.0.0.4:4000'), processWith('http://api:80'), processWith()];
  for (const { directory } of [api, other, dispatcher]) await directory.start();
  expect(dispatcher.origins.has('10.0.0.4', 4000)).toBe(true);
  expect(dispatcher.origins.has('api', 443)).toBe(true);
  expect(dispatcher.origins.has('10.0.0.4', 4001)).toBe(false);
  await api.directory.stop();
  await dispatcher.directory.refresh();
  expect(dispatcher.origins.has('10.0.0.4', 4000)).toBe(false);
  expect(dispatcher.origins.has('api', 80)).toBe(true);
  await Promise.all([other.directory.stop(), dispatcher.directory.stop()]);
});

it('an API that was killed is forgotten, and one that lives is published again after Redis was emptied', async () => {
  const [killed, alive] = [processWith('http://10.0.0.4:4000'), processWith('http://10.0.0.5:4000')];
  await killed.directory.refresh();
  await redis.zadd(`${prefix}:api-origins`, 1, 'http://10.0.0.4:4000'); // its time is over
  await alive.directory.refresh();
  expect(await redis.zrange(`${prefix}:api-origins`, 0, '-1')).toEqual(['http://10.0.0.5:4000']);
  await redis.del(`${prefix}:api-origins`);
  await alive.directory.refresh();
  expect(await redis.zrange(`${prefix}:api-origins`, 0, '-1')).toEqual(['http://10.0.0.5:4000']);
});

it('what was learnt stays known while Redis is away', async () => {
  const [api, dispatcher] = [processWith('http://10.0.0.4:4000'), processWith()];
  await api.directory.refresh();
  await dispatcher.directory.refresh();
  redis.disconnect();
  await dispatcher.directory.refresh();
  expect(dispatcher.origins.has('10.0.0.4', 4000)).toBe(true);
});
