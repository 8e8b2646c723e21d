import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { type Clock, type Random, sleep } from './clock.ts';
import type { Logger } from './logger.ts';

/** A turn that was not given back by then is over: its process has died or was paused. Others wait for that long, once. */
const TURN_MS = 2_000;
/** Whoever has waited for this long goes without a turn. */
const PATIENCE_MS = 5_000;
/** Time between two questions whether the turn is free, with a random part so that they do not come at the same time. */
const ASK_EVERY_MS = 15;

/** For how long nobody asks for turns after Redis did not answer: the question takes as long as its timeout. */
const AWAY_MS = 10_000;

/** Ends the turn if it is still this one. KEYS[1] the turn, ARGV[1] whose. */
const GIVE_BACK = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

/**
 * Turns at something that several processes want to do one after the other, by its name. Never rejects: without Redis there are no turns.
 *
 * @param prefix contains the cluster's id, so that two clusters can share one Redis
 */
export const redisTurns = (
  redis: Redis,
  { prefix, clock, random, logger }: { prefix: string; clock: Clock; random: Random; logger: Logger },
): { take(name: string): Promise<{ readonly waited: boolean; end(): void }> } => {
  let awayUntilMs = 0;
  const giveBack = (key: string, token: string): void => {
    redis
      .eval(GIVE_BACK, 1, key, token)
      .catch((error: unknown) => logger.debug({ err: error }, 'a turn could not be given back; it runs out'));
  };
  return {
    async take(name) {
      const key = `${prefix}:turn:${name}`;
      const token = randomUUID();
      const giveUpMs = clock.monotonic() + PATIENCE_MS;
      let waited = false;
      try {
        while (clock.monotonic() < giveUpMs && clock.monotonic() >= awayUntilMs) {
          if ((await redis.set(key, token, 'PX', TURN_MS, 'NX')) === 'OK')
            return { waited, end: () => giveBack(key, token) };
          waited = true;
          await sleep(clock, ASK_EVERY_MS * (1 + random()));
        }
      } catch (error) {
        awayUntilMs = clock.monotonic() + AWAY_MS;
        logger.debug({ err: error }, 'no turns can be had while Redis does not answer');
      }
      return { waited, end: () => {} };
    },
  };
};
