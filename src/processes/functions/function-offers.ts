import type { Redis } from 'ioredis';
import { redisOffers } from '../../platform/redis-offers.ts';

/** One process offers a function as an agent, with so many places for calls at once. */
export type FunctionOffer = { readonly agentId: string; readonly processId: string; readonly places: number };

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
  const renewed = redisOffers(redis);
  return {
    offer: (tenant, offers) => renewed.offer(keyOf(tenant), offers.map(memberOf)),
    withdraw: (tenant, offers) => renewed.withdraw(keyOf(tenant), offers.map(memberOf)),
    current: async (tenant) => (await renewed.current(keyOf(tenant))).map(offerOf),
  };
};

/** The places of each agent, over all processes that offer it. */
export const placesOf = (offers: readonly FunctionOffer[]): ReadonlyMap<string, number> => {
  const places = new Map<string, number>();
  for (const offer of offers) places.set(offer.agentId, (places.get(offer.agentId) ?? 0) + offer.places);
  return places;
};
