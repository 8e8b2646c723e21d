import { join } from 'node:path';
import { spawnEventStoreNode } from 'baton-eventstore-node';
import type { Config } from '../platform/config.ts';
import type { Logger } from '../platform/logger.ts';
import { type DataDir, openDataDir } from './data-dir.ts';
import { startPostgres } from './postgres.ts';
import { identityOf, isRunning } from './process-identity.ts';
import { startRedis } from './redis.ts';
import { startFailure } from './start-failure.ts';
import { type Service, type Supervised, supervise } from './supervise.ts';

export type EmbeddedConfig = Pick<Config, 'eventStoreUrl' | 'databaseUrl' | 'redisUrl' | 'dataDir' | 'allowInstall'>;

export type EmbeddedStack = {
  /** The configured URLs, and those of the embedded servers where none is configured. */
  readonly eventStoreUrl: string;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** The servers that were started; empty when all three stores are configured. */
  readonly processes: readonly { readonly name: string; readonly pid: number }[];
  /** Stops the started servers within 5 s, the event store last. Close all connections first. May be called twice. */
  stop(): Promise<void>;
};

export type EmbeddedOptions = {
  /** `false`: Postgres and Redis may lose data when the machine crashes; for tests. The event store is always durable. */
  readonly durable?: boolean;
};

type Start = (port?: number) => Promise<Service>;

const EVENT_STORE_STOP_MS = 2_400;

const startEventStore = async (dataDir: DataDir, port = 0): Promise<Service> => {
  const node = await spawnEventStoreNode({ dataDir: join(dataDir.path, FOLDERS.eventStore), port, host: '127.0.0.1' });
  dataDir.record('eventstore', node.pid);
  return {
    name: 'eventstore',
    url: node.connectionString,
    port: node.port,
    pid: node.pid,
    exited: node.exited.then(({ code, signal }) => signal ?? `exit code ${code}`),
    async stop() {
      const identity = identityOf(node.pid);
      // Safe, because everything acknowledged is on disk. The node would allow itself longer, but our time is limited.
      const timer = setTimeout(
        () => identity && isRunning(identity) && process.kill(node.pid, 'SIGKILL'),
        EVENT_STORE_STOP_MS,
      );
      await node.stop();
      clearTimeout(timer);
    },
  };
};

const starters = (config: EmbeddedConfig, dataDir: DataDir, logger: Logger, durable: boolean): Record<Store, Start> => {
  const common = { dataDir: dataDir.path, logger, durable };
  return {
    eventStore: (port) => startEventStore(dataDir, port),
    database: (port) => startPostgres({ ...common, port, onSpawn: (pid) => dataDir.record('postgres', pid) }),
    redis: (port) =>
      startRedis({
        ...common,
        port,
        allowInstall: config.allowInstall,
        onSpawn: (pid) => dataDir.record('redis', pid),
      }),
  };
};

/** Where each keeps its data, in the data directory. Postgres may have to keep it elsewhere, see `findPostgresHome`. */
const FOLDERS = { eventStore: 'eventstore', database: 'postgres', redis: 'redis' } as const;

const STORES = ['eventStore', 'database', 'redis'] as const;
type Store = (typeof STORES)[number];

/** Stops what is derived from the log first, and the log last. */
const stopAll = async (services: ReadonlyMap<Store, Supervised>): Promise<void> => {
  await Promise.all([services.get('redis')?.stop(), services.get('database')?.stop()]);
  await services.get('eventStore')?.stop();
};

/**
 * Starts the embedded server of every store that has no URL in the configuration, all at the same time.
 *
 * Errors: `AppError` CONFLICT names the process that already uses this data directory. When a server fails to start, the others are
 * stopped and its error is thrown.
 */
export const startEmbedded = async (
  config: EmbeddedConfig,
  logger: Logger,
  options: EmbeddedOptions = {},
): Promise<EmbeddedStack> => {
  const configured = { eventStore: config.eventStoreUrl, database: config.databaseUrl, redis: config.redisUrl };
  const missing = STORES.filter((store) => configured[store] === undefined);
  const services = new Map<Store, Supervised>();
  const startedAt = performance.now();
  const dataDir =
    missing.length === 0
      ? undefined
      : await openDataDir(config.dataDir, logger).catch((error: unknown) => {
          throw startFailure(error, config.dataDir);
        });

  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= stopAll(services).finally(() => dataDir?.release());
    return stopped;
  };
  if (dataDir !== undefined) {
    const start = starters(config, dataDir, logger, options.durable ?? true);
    const outcomes = await Promise.allSettled(
      missing.map(async (store) => services.set(store, await supervise(start[store], logger))),
    );
    const failed = outcomes.findIndex(({ status }) => status === 'rejected');
    const failure = outcomes[failed];
    if (failure?.status === 'rejected') {
      await stop();
      throw startFailure(failure.reason, join(dataDir.path, FOLDERS[missing[failed] as Store]));
    }
    const ms = Math.round(performance.now() - startedAt);
    logger.info(
      { dataDir: dataDir.path, servers: [...services.values()].map(({ name }) => name), ms },
      'the embedded servers are ready',
    );
  }

  const urlOf = (store: Store): string => {
    const url = configured[store] ?? services.get(store)?.url;
    if (url === undefined) throw new Error(`${store} was neither configured nor started`);
    return url;
  };
  return {
    eventStoreUrl: urlOf('eventStore'),
    databaseUrl: urlOf('database'),
    redisUrl: urlOf('redis'),
    get processes() {
      return [...services.values()].map(({ name, pid }) => ({ name, pid }));
    },
    stop,
  };
};
