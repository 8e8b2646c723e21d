import type { Redis } from 'ioredis';
import { type Clock, sleep } from '../../platform/clock.ts';
import type { Logger } from '../../platform/logger.ts';
import { RENEW_OFFER_EVERY_MS, redisOffers } from '../../platform/redis-offers.ts';

/** How many agents over the network the dispatchers of a pool can call at once. */
export type DispatchPlaces = {
  /** A dispatcher has so many places; to be renewed every `RENEW_OFFER_EVERY_MS`. */
  offer(pool: string, dispatcherId: string, places: number): Promise<void>;
  withdraw(pool: string, dispatcherId: string, places: number): Promise<void>;
  /** Over all dispatchers that renew their offer; undefined when none is known. Errors: what Redis throws. */
  of(pool: string): Promise<number | undefined>;
};

/** @param prefix contains the cluster id, so that two clusters can share one Redis */
export const redisDispatchPlaces = (redis: Redis, prefix: string, tenant: string): DispatchPlaces => {
  const keyOf = (pool: string): string => `${prefix}:places:${tenant}.${pool}`;
  const offers = redisOffers(redis);
  return {
    offer: (pool, dispatcherId, places) => offers.offer(keyOf(pool), [`${dispatcherId} ${places}`]),
    withdraw: (pool, dispatcherId, places) => offers.withdraw(keyOf(pool), [`${dispatcherId} ${places}`]),
    async of(pool) {
      const members = await offers.current(keyOf(pool));
      if (members.length === 0) return undefined;
      return members.reduce((sum, member) => sum + Number(member.split(' ')[1]), 0);
    },
  };
};

export type RenewPlaces = {
  readonly places: DispatchPlaces;
  readonly pools: () => readonly string[];
  readonly dispatcherId: string;
  /** Calls at once in each pool. */
  readonly concurrency: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
};

/** Offers a dispatcher's places until the signal aborts, then takes them back. Never rejects: while Redis is unreachable nobody can be notified. */
export const renewPlaces = async (options: RenewPlaces): Promise<void> => {
  const { places, pools, dispatcherId, concurrency, clock, logger, signal } = options;
  while (!signal.aborted) {
    await tell(logger, () => Promise.all(pools().map((pool) => places.offer(pool, dispatcherId, concurrency))));
    await sleep(clock, RENEW_OFFER_EVERY_MS, signal);
  }
  await tell(logger, () => Promise.all(pools().map((pool) => places.withdraw(pool, dispatcherId, concurrency))));
};

const tell = async (logger: Logger, told: () => Promise<unknown>): Promise<void> => {
  try {
    await told();
  } catch (error) {
    logger.debug({ err: error }, 'the places of this dispatcher could not be told');
  }
};
