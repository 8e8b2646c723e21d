import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { systemClock } from '../../src/platform/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createRedis } from '../../src/platform/redis.ts';
import { redisTurns } from '../../src/platform/redis-turns.ts';
import { freshRedisPrefix } from '../support/servers.ts';

const logger = createLogger('silent');
const redis = createRedis(inject('redisUrl'), logger, 'fail');
const prefix = freshRedisPrefix();
const turnsOf = (connection = redis) =>
  redisTurns(connection, { prefix, clock: systemClock, random: Math.random, logger });
afterAll(() => redis.disconnect());

describe('turns', () => {
  it('are had by one process at a time', async () => {
    let atOnce = 0;
    let most = 0;
    const process = async (): Promise<boolean> => {
      const turn = await turnsOf().take('one');
      atOnce += 1;
      most = Math.max(most, atOnce);
      await sleep(10);
      atOnce -= 1;
      turn.end();
      return turn.waited;
    };
    const waited = await Promise.all([process(), process(), process()]);
    expect(most).toBe(1);
    expect(waited.filter(Boolean)).toHaveLength(2);
  });

  it('pass to the next when their process has died', async () => {
    const dead = await turnsOf().take('dead');
    const startedAt = performance.now();
    const turn = await turnsOf().take('dead');
    expect(turn.waited).toBe(true);
    expect(performance.now() - startedAt).toBeGreaterThan(1_000);
    // It was only paused, and ends what is no longer its turn.
    dead.end();
    expect(await redis.exists(`${prefix}:turn:dead`)).toBe(1);
    turn.end();
    expect(await redis.exists(`${prefix}:turn:dead`)).toBe(0);
  });

  it('of different names do not wait for each other', async () => {
    await turnsOf().take('red');
    expect((await turnsOf().take('blue')).waited).toBe(false);
  });

  it('are not waited for while Redis is away', async () => {
    const away = createRedis('redis://127.0.0.1:1', logger, 'fail');
    const turns = turnsOf(away);
    expect((await turns.take('one')).waited).toBe(false);
    away.disconnect();
  });
});
