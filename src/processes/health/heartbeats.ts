import type { Redis } from 'ioredis';

/** The last heartbeat of each agent, in Redis: never an event, and no harm is done when it is lost. */
export type Heartbeats = {
  beat(tenant: string, agentId: string, nowMs: number): Promise<void>;
  /** The time of each agent's last heartbeat, in milliseconds since the epoch. */
  last(tenant: string): Promise<ReadonlyMap<string, number>>;
  forget(tenant: string, agentId: string): Promise<void>;
};

/** @param prefix contains the cluster id, so that two clusters can share one Redis */
export const redisHeartbeats = (redis: Redis, prefix: string): Heartbeats => {
  const keyOf = (tenant: string): string => `${prefix}:heartbeats:${tenant}`;
  return {
    async beat(tenant, agentId, nowMs) {
      await redis.zadd(keyOf(tenant), nowMs, agentId);
    },
    async last(tenant) {
      // Pairs or a flat list, depending on the negotiated protocol version.
      const flat: unknown[] = [await redis.zrange(keyOf(tenant), 0, '-1', 'WITHSCORES')].flat(2);
      const beats = new Map<string, number>();
      for (let i = 0; i + 1 < flat.length; i += 2) beats.set(String(flat[i]), Number(flat[i + 1]));
      return beats;
    },
    async forget(tenant, agentId) {
      await redis.zrem(keyOf(tenant), agentId);
    },
  };
};
