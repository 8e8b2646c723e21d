import type { Metrics } from '../api/operations/metrics.ts';
import type { AttemptOffers } from '../dispatch/queues/attempt-queue.ts';
import { redisDispatchPlaces } from '../dispatch/queues/dispatch-places.ts';
import { Assigner } from '../processes/assigner/assigner.ts';
import { PoolAssigners } from '../processes/assigner/pool-assigners.ts';
import { postgresPoolLeases } from '../processes/assigner/pool-leases.ts';
import { type FoldSnapshots, postgresSnapshots } from '../processes/fold-snapshots.ts';
import { redisHeartbeats, sharedLoads } from '../processes/health/heartbeats.ts';
import type { LeaderDeps } from '../processes/leader.ts';
import { snapshotsFromBeginnings } from '../processes/pools/beginnings.ts';
import type { ServedPools } from '../processes/pools/served-pools.ts';
import { type Core, holder, ports } from './core.ts';

type AssignerParts = {
  readonly offers: AttemptOffers;
  readonly served: ServedPools;
  readonly metrics: Metrics;
};

const assignerOf = (core: Core, offers: AttemptOffers, snapshots: FoldSnapshots) => {
  const { tenant, store, feed, commands, logger } = core;
  const places = redisDispatchPlaces(core.redis, core.prefix, tenant);
  const loads = sharedLoads(redisHeartbeats(core.redis, core.prefix), tenant, ports.clock);
  const { unreachableMs: unreachableLimitMs } = core.config;
  const shared = { ...ports, tenant, store, feed, commands, queue: offers, places, loads, unreachableLimitMs, logger };
  return (pool: string, acquireLease: LeaderDeps['acquireLease']): Assigner =>
    new Assigner({ ...shared, pool, snapshots: snapshotsFromBeginnings(snapshots, core.pools, pool), acquireLease });
};

const addWithoutReason = (metrics: Metrics, assigners: PoolAssigners): void =>
  metrics.addMeasurement({
    name: 'baton_tasks_without_reason',
    help: 'Waiting tasks that nothing known keeps from an agent and that nobody looks at: 0 unless Baton has a defect; by the process that leads the pool',
    labelNames: ['pool'],
    read: async () =>
      assigners.list().flatMap(({ pool, assigner }) => {
        const value = assigner.tasksWithoutReason();
        return value === undefined ? [] : [{ labels: { pool }, value }];
      }),
  });

/** Leads its share of the pools in use. */
export const createAssigners = (core: Core, { offers, served, metrics }: AssignerParts): PoolAssigners => {
  const { tenant, config, database, logger } = core;
  const processId = `${holder}:${ports.ids.next()}`;
  const identity = { processId, clock: ports.clock, logger };
  const assigners = new PoolAssigners({
    ...identity,
    pools: served,
    leases: postgresPoolLeases({ ...identity, database, tenant, only: config.pools, ttlMs: config.leaseMs }),
    create: assignerOf(core, offers, postgresSnapshots(database)),
    onCreated: (pool, { counters }) =>
      metrics.addCounters({ part: 'assigner', labels: { pool }, read: () => ({ ...counters }) }),
  });
  addWithoutReason(metrics, assigners);
  return assigners;
};
