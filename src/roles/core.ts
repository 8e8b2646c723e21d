import { hostname } from 'node:os';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import type { Commands } from '../commands/context.ts';
import { createHandlers } from '../commands/handlers.ts';
import { createAgentCardSource } from '../dispatch/egress/agent-cards.ts';
import { cardSignaturesOf } from '../dispatch/egress/card-signatures.ts';
import type { EgressPolicy } from '../dispatch/egress/egress.ts';
import { OriginDirectory } from '../dispatch/egress/origin-directory.ts';
import { OwnOrigins } from '../dispatch/egress/own-origins.ts';
import { egressOf } from '../dispatch/egress/policy.ts';
import { createQueues, type Queues } from '../dispatch/queues/attempt-queue.ts';
import { databaseOfCluster } from '../embedded/cluster-database.ts';
import { type EmbeddedStack, startEmbedded } from '../embedded/stack.ts';
import { claimDatabase, clusterIdOf } from '../eventstore/cluster-identity.ts';
import { type AppendCounters, type CountedStore, countAppends } from '../eventstore/counted-event-store.ts';
import { createEsdbEventStore } from '../eventstore/esdb-event-store.ts';
import type { EventStore } from '../eventstore/event-store.ts';
import { LogFeed } from '../eventstore/log-feed.ts';
import { systemClock, systemIds, systemRandom } from '../platform/clock.ts';
import type { Closing } from '../platform/closing.ts';
import type { Config } from '../platform/config.ts';
import { acquireLease, type Lease } from '../platform/lease.ts';
import type { Logger } from '../platform/logger.ts';
import { createPool, startFailure } from '../platform/postgres.ts';
import { createRedis } from '../platform/redis.ts';
import { redisTurns } from '../platform/redis-turns.ts';
import { BacklogAdmission } from '../processes/admission/backlog-admission.ts';
import { BacklogWatch } from '../processes/admission/backlog-watch.ts';
import { FleetWatch } from '../processes/fleet/fleet-watch.ts';
import { postgresSnapshots } from '../processes/fold-snapshots.ts';
import type { OwnFoldDeps } from '../processes/own-fold.ts';
import { PoolRoom } from '../processes/pools/pool-room.ts';
import { PoolWatch } from '../processes/pools/pool-watch.ts';
import { RulesInForce } from '../processes/rules/rules-in-force.ts';
import { prepareDatabase } from '../projections/prepare-database.ts';
import { PROJECTION_NAMES } from '../projections/registry.ts';
import { hideUnbuilt } from '../projections/runner/checkpoint.ts';

/** The real clock, ids and randomness; tests and the simulation bring others. */
export const ports = { clock: systemClock, ids: systemIds, random: systemRandom };

/** This process, for people who read leases. */
export const holder = `${hostname()}:${process.pid}`;

/** Connections and what is built directly on them; shared by all roles of the process. */
export type Core = {
  readonly tenant: string;
  readonly config: Config;
  readonly logger: Logger;
  readonly stack: EmbeddedStack;
  readonly store: EventStore;
  readonly appends: AppendCounters;
  readonly appendTrouble: CountedStore['trouble'];
  readonly database: Pool;
  readonly redis: Redis;
  readonly feed: LogFeed;
  readonly queues: Queues;
  /** Watches once it runs. */
  readonly pools: PoolWatch;
  /** Runs where questions about agents are answered. */
  readonly fleet: FleetWatch;
  /** Runs where tasks are accepted. */
  readonly backlog: BacklogWatch;
  readonly admission: BacklogAdmission;
  readonly commands: Commands;
  /** Follows the log once it runs. */
  readonly routing: RulesInForce;
  /** Of every key that this cluster keeps in Redis. */
  readonly prefix: string;
  readonly egress: EgressPolicy;
  readonly origins: OwnOrigins;
  readonly directory: OriginDirectory;
};

export type CoreOptions = {
  readonly tenant: string;
  readonly config: Config;
  readonly logger: Logger;
  readonly closing: Closing;
};

type Watching = Pick<Core, 'tenant' | 'config' | 'logger' | 'database' | 'feed'>;

const watchDeps = (core: Watching, name: string): OwnFoldDeps => ({
  tenant: core.tenant,
  feed: core.feed,
  snapshots: postgresSnapshots(core.database),
  acquireLease: leaseOf(core, `${name}:${core.tenant}`),
  clock: ports.clock,
  logger: core.logger,
});

/** What a process knows of the log, where it is to know it. */
const watchesOf = (watching: Watching): Pick<Core, 'pools' | 'fleet' | 'backlog' | 'admission'> => {
  const backlog = new BacklogWatch(watchDeps(watching, 'backlog'));
  return {
    pools: new PoolWatch(watchDeps(watching, 'pools')),
    fleet: new FleetWatch(watchDeps(watching, 'fleet')),
    backlog,
    admission: new BacklogAdmission({ watch: backlog, clock: ports.clock, limit: watching.config.maxWaiting }),
  };
};

const openPostgres = async ({ config, logger, closing }: CoreOptions, url: string): Promise<Pool> => {
  await prepareDatabase(url, logger).catch((error: unknown) => {
    throw startFailure(error, url);
  });
  const database = createPool(url, config.pgPoolSize, logger);
  closing.add('Postgres', () => database.end());
  return database;
};

const withDatabase = (embedded: EmbeddedStack, databaseUrl: string): EmbeddedStack => ({
  ...embedded,
  databaseUrl,
  get processes() {
    return embedded.processes; // changes when one is restarted
  },
});

/** From here on nobody is shown a read model that knows nothing of the log. */
const claim = async (database: Pool, clusterId: string, store: EventStore): Promise<void> => {
  await claimDatabase(database, clusterId);
  await hideUnbuilt(database, (await store.head()) ?? 0n, PROJECTION_NAMES);
};

/** The database that belongs to the event store's cluster. The embedded Postgres makes one where it is missing. */
const openDatabase = async (options: CoreOptions, embedded: EmbeddedStack, store: EventStore) => {
  const { config, logger, tenant } = options;
  if (config.databaseUrl !== undefined) {
    const database = await openPostgres(options, config.databaseUrl);
    const clusterId = await clusterIdOf(store, ports, tenant);
    await claim(database, clusterId, store);
    return { stack: embedded, database, clusterId };
  }
  const clusterId = await clusterIdOf(store, ports, tenant);
  const databaseUrl = await databaseOfCluster(embedded.databaseUrl, clusterId, logger);
  const database = await openPostgres(options, databaseUrl);
  await claim(database, clusterId, store);
  return { stack: withDatabase(embedded, databaseUrl), database, clusterId };
};

/** Connects to the three stores, starting the embedded default of each that has no URL. What it opens is added to `closing`. */
export const openCore = async (options: CoreOptions): Promise<Core> => {
  const { tenant, config, logger, closing } = options;
  const embedded = await startEmbedded(config, logger);
  closing.add('the embedded servers', () => embedded.stop());
  const esdb = createEsdbEventStore(embedded.eventStoreUrl, { logger, clock: ports.clock });
  const { store, appends, trouble: appendTrouble } = countAppends(esdb, ports.clock);
  closing.add('the event store', () => store.close());
  const { stack, database, clusterId } = await openDatabase(options, embedded, store);
  const redis = createRedis(stack.redisUrl, logger, 'fail');
  closing.add('Redis', () => redis.disconnect());
  const prefix = `baton:${clusterId}`;
  const queues = createQueues({ redisUrl: stack.redisUrl, prefix, logger });
  closing.add('the queues', () => queues.close());
  const feed = await LogFeed.start({ store, clock: ports.clock, logger });
  closing.add('the log feed', () => feed.stop());
  const origins = new OwnOrigins(config.publicUrl === undefined ? [] : [config.publicUrl]);
  const directory = new OriginDirectory({ origins, redis, prefix, clock: ports.clock, logger });
  await directory.start();
  closing.add('the directory of origins', () => directory.stop());
  const egress = egressOf(config, origins);
  const cards = createAgentCardSource({ egress, logger, signatures: await cardSignaturesOf(config) });
  closing.add('the agent cards', () => cards.close());
  const watching = { tenant, config, logger, database, feed };
  const watches = watchesOf(watching);
  const { admission } = watches;
  const room = new PoolRoom({ watch: watches.pools, clock: ports.clock });
  const turns = redisTurns(redis, { prefix, ...ports, logger });
  const handlers = createHandlers(store, { ...ports, turns });
  const routing = new RulesInForce(handlers.rules);
  const commands: Commands = { ...ports, ...handlers, cards, pools: room, admission, routing };
  const connections = { store, appends, appendTrouble, database, redis, feed, queues, ...watches };
  return { tenant, config, logger, stack, ...connections, commands, routing, prefix, egress, origins, directory };
};

/** Asks for the lease of that name; undefined while another process holds it. */
export const leaseOf =
  ({ database, config, logger }: Pick<Core, 'database' | 'config' | 'logger'>, name: string) =>
  (): Promise<Lease | undefined> =>
    acquireLease(database, { name, holder, ttlMs: config.leaseMs, clock: ports.clock, logger });
