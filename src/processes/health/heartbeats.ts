import type { Redis } from 'ioredis';
import { conditionOf, loadOf, type Signs } from '../../domain/agent/health.ts';
import type { Clock } from '../../platform/clock.ts';

export type Beat = { readonly agentId: string; readonly signs?: Signs | undefined };

/** An agent's last heartbeat: its time in milliseconds since the epoch, and the condition that it reported. */
export type LastBeat = { readonly atMs: number; readonly condition: number };

/** One answer serves everybody who asks within this time. */
const SHARED_MS = 1_000;

/** The last heartbeat of each agent, in Redis: never an event, and no harm is done when it is lost. */
export type Heartbeats = {
  beat(tenant: string, beats: readonly Beat[], nowMs: number): Promise<void>;
  last(tenant: string): Promise<ReadonlyMap<string, LastBeat>>;
  /** The newest load that each agent has reported, as a share of what it can bear. */
  loads(tenant: string): Promise<ReadonlyMap<string, number>>;
  forget(tenant: string, agentId: string): Promise<void>;
};

/** @param prefix contains the cluster id, so that two clusters can share one Redis */
export const redisHeartbeats = (redis: Redis, prefix: string): Heartbeats => {
  const timesOf = (tenant: string): string => `${prefix}:heartbeats:${tenant}`;
  const conditionsOf = (tenant: string): string => `${prefix}:conditions:${tenant}`;
  const loadsOf = (tenant: string): string => `${prefix}:loads:${tenant}`;
  const scores = async (key: string): Promise<Map<string, number>> => {
    // Pairs or a flat list, depending on the negotiated protocol version.
    const flat: unknown[] = [await redis.zrange(key, 0, '-1', 'WITHSCORES')].flat(2);
    const found = new Map<string, number>();
    for (let i = 0; i + 1 < flat.length; i += 2) found.set(String(flat[i]), Number(flat[i + 1]));
    return found;
  };
  return {
    async beat(tenant, beats, nowMs) {
      if (beats.length === 0) return;
      const loads = beats.flatMap(({ agentId, signs = {} }) => {
        const load = loadOf(signs);
        return load === undefined ? [] : [load, agentId];
      });
      await Promise.all([
        loads.length === 0 ? undefined : redis.zadd(loadsOf(tenant), ...loads),
        redis.zadd(timesOf(tenant), ...beats.flatMap(({ agentId }) => [nowMs, agentId])),
        redis.zadd(
          conditionsOf(tenant),
          ...beats.flatMap(({ agentId, signs }) => [signs ? conditionOf(signs) : 1, agentId]),
        ),
      ]);
    },
    async last(tenant) {
      const [times, conditions] = await Promise.all([scores(timesOf(tenant)), scores(conditionsOf(tenant))]);
      return new Map([...times].map(([id, atMs]) => [id, { atMs, condition: conditions.get(id) ?? 1 }]));
    },
    loads: (tenant) => scores(loadsOf(tenant)),
    async forget(tenant, agentId) {
      await Promise.all([timesOf, conditionsOf, loadsOf].map((keyOf) => redis.zrem(keyOf(tenant), agentId)));
    },
  };
};

/** What all agents of a tenant report of their load; one answer serves all pools that ask at about the same time. */
export const sharedLoads = (heartbeats: Pick<Heartbeats, 'loads'>, tenant: string, clock: Clock) => {
  let askedMs = Number.NEGATIVE_INFINITY;
  let answer: Promise<ReadonlyMap<string, number>> = Promise.resolve(new Map());
  return {
    all: () => {
      if (clock.monotonic() - askedMs >= SHARED_MS) {
        askedMs = clock.monotonic();
        answer = heartbeats.loads(tenant);
      }
      return answer;
    },
  };
};
