import type { Redis } from 'ioredis';

/** One process offers a function as an agent, with so many places for calls at once. */
export type FunctionOffer = { readonly agentId: string; readonly processId: string; readonly places: number };

/** An offer that was not renewed for this long no longer counts. */
export const OFFER_TTL_MS = 5_000;
export const RENEW_OFFER_EVERY_MS = 1_500;
/** Members older than this are removed when somebody reads. */
const FORGOTTEN_AFTER_MS = 60_000;

/** Which processes offer which function agents now. Kept like heartbeats: never events, and no harm is done when they are lost. */
export type FunctionOffers = {
  /** Makes or renews offers. */
  offer(tenant: string, offers: readonly FunctionOffer[]): Promise<void>;
  withdraw(tenant: string, offers: readonly FunctionOffer[]): Promise<void>;
  /** Those that were renewed within `OFFER_TTL_MS`, by the one clock of the store. */
  current(tenant: string): Promise<readonly FunctionOffer[]>;
};

/** No id contains a blank. */
const memberOf = ({ agentId, processId, places }: FunctionOffer): string => `${agentId} ${processId} ${places}`;

const offerOf = (member: string): FunctionOffer => {
  const [agentId = '', processId = '', places] = member.split(' ');
  return { agentId, processId, places: Number(places) };
};

/** @param prefix contains the cluster id, so that two clusters can share one Redis */
export const redisFunctionOffers = (redis: Redis, prefix: string): FunctionOffers => {
  const keyOf = (tenant: string): string => `${prefix}:offers:${tenant}`;
  const nowMs = async (): Promise<number> => {
    const [seconds, micros] = await redis.time();
    return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
  };
  return {
    async offer(tenant, offers) {
      const now = await nowMs();
      if (offers.length > 0) await redis.zadd(keyOf(tenant), ...offers.flatMap((offer) => [now, memberOf(offer)]));
    },
    async withdraw(tenant, offers) {
      if (offers.length > 0) await redis.zrem(keyOf(tenant), ...offers.map(memberOf));
    },
    async current(tenant) {
      const now = await nowMs();
      await redis.zremrangebyscore(keyOf(tenant), '-inf', now - FORGOTTEN_AFTER_MS);
      return (await redis.zrangebyscore(keyOf(tenant), now - OFFER_TTL_MS, '+inf')).map((member) =>
        offerOf(String(member)),
      );
    },
  };
};

/** The places of each agent, over all processes that offer it. */
export const placesOf = (offers: readonly FunctionOffer[]): ReadonlyMap<string, number> => {
  const places = new Map<string, number>();
  for (const offer of offers) places.set(offer.agentId, (places.get(offer.agentId) ?? 0) + offer.places);
  return places;
};
