import type { Redis } from 'ioredis';

/** An offer that was not renewed for this long no longer counts. */
export const OFFER_TTL_MS = 5_000;
export const RENEW_OFFER_EVERY_MS = 1_500;
/** Members older than this are removed when somebody reads. */
const FORGOTTEN_AFTER_MS = 60_000;

/** What processes offer for as long as they live: texts that each renews. Kept like heartbeats, and no harm is done when they are lost. */
export type RenewedOffers = {
  /** Makes or renews offers. */
  offer(key: string, members: readonly string[]): Promise<void>;
  withdraw(key: string, members: readonly string[]): Promise<void>;
  /** Those that were renewed within `OFFER_TTL_MS`, by the one clock of the store. */
  current(key: string): Promise<readonly string[]>;
};

export const redisOffers = (redis: Redis): RenewedOffers => {
  const nowMs = async (): Promise<number> => {
    const [seconds, micros] = await redis.time();
    return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
  };
  return {
    async offer(key, members) {
      const now = await nowMs();
      if (members.length > 0) await redis.zadd(key, ...members.flatMap((member) => [now, member]));
    },
    async withdraw(key, members) {
      if (members.length > 0) await redis.zrem(key, ...members);
    },
    async current(key) {
      const now = await nowMs();
      await redis.zremrangebyscore(key, '-inf', now - FORGOTTEN_AFTER_MS);
      return (await redis.zrangebyscore(key, now - OFFER_TTL_MS, '+inf')).map(String);
    },
  };
};
