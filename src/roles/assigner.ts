import type { AttemptOffers } from '../dispatch/queues/attempt-queue.ts';
import { redisDispatchPlaces } from '../dispatch/queues/dispatch-places.ts';
import { Assigner } from '../processes/assigner/assigner.ts';
import { postgresSnapshots } from '../processes/fold-snapshots.ts';
import { type Core, leaseOf, ports } from './core.ts';

export type PoolAssigner = { readonly pool: string; readonly assigner: Assigner };

/** One assigner per pool; each leads its pool while it holds the pool's lease. */
export const createAssigners = (core: Core, offers: AttemptOffers): PoolAssigner[] =>
  core.config.pools.map((pool) => ({
    pool,
    assigner: new Assigner({
      ...ports,
      tenant: core.tenant,
      pool,
      store: core.store,
      feed: core.feed,
      commands: core.commands,
      queue: offers,
      places: redisDispatchPlaces(core.redis, core.prefix, core.tenant),
      snapshots: postgresSnapshots(core.database),
      acquireLease: leaseOf(core, `assigner:${core.tenant}.${pool}`),
      logger: core.logger,
    }),
  }));
