import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { createHttpServer } from '../api/http-server.ts';
import type { ReadinessPart } from '../api/operations/health.ts';
import type { Metrics } from '../api/operations/metrics.ts';
import { createApi } from '../api/server.ts';
import type { Closing } from '../platform/closing.ts';
import { type Config, exposureOf } from '../platform/config.ts';
import { isUnspecified, urlAt } from '../platform/hosts.ts';
import { withQueryTimeout } from '../platform/postgres.ts';
import { PoolOverview } from '../processes/admission/pool-overview.ts';
import { redisHeartbeats } from '../processes/health/heartbeats.ts';
import type { LeaderStatus } from '../processes/leader.ts';
import type { ExecutionOutcomes } from '../processes/outcomes/execution-outcomes.ts';
import type { TaskOutcomes } from '../processes/outcomes/task-outcomes.ts';
import { Waits } from '../processes/outcomes/waits.ts';
import type { UnledPools } from '../processes/pools/unled-pools.ts';
import type { Queryable } from '../projections/database.ts';
import { Freshness } from '../projections/runner/freshness.ts';
import type { Interruptions } from '../projections/runner/runner.ts';
import { type Core, ports } from './core.ts';
import { cannotListen } from './listening.ts';

/** Requests are short; what takes longer is cut so that the dispatcher has the rest of the grace period. */
const HTTP_GRACE_MS = 1_000;

/** Every way to reach a server on this machine. */
const originsOf = (server: Server, { host }: Config): string[] => {
  const { address, port } = server.address() as AddressInfo;
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses?.map((one) => one.address) ?? []);
  return (isUnspecified(address) ? [...own, hostname(), 'localhost'] : [address, host]).map((each) =>
    urlAt(each, port),
  );
};

const listen = async (server: Server, config: Config): Promise<string> => {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(error.code, config)));
    server.listen(config.port, config.host, resolve);
  });
  const { address, port } = server.address() as AddressInfo;
  return config.publicUrl ?? urlAt(isUnspecified(address) ? address : config.host, port);
};

/** No new connections; requests under way may finish within `graceMs`, then their connections are cut. */
const closeServer = async (server: Server, graceMs: number): Promise<void> => {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cut = ports.clock.schedule(graceMs, () => server.closeAllConnections());
  await closed;
  cut();
};

/** A query that takes longer was not meant for a page of an API, or Postgres is frozen. With the wait for a connection it is 13 s. */
const QUERY_TIMEOUT_MS = 8_000;

/** What the API reports of this process and of the pools, and who can tell it the outcome of its requests. */
type Observed = {
  readonly metrics: Metrics;
  readonly leaders: () => readonly LeaderStatus[];
  readonly unledPools: UnledPools;
  /** What interrupts the projections of this process. */
  readonly interrupted: () => Interruptions;
  readonly outcomes: TaskOutcomes;
  readonly executions: ExecutionOutcomes;
};

const canLead = async ({ blocked }: LeaderStatus): Promise<void> => {
  if (blocked) throw new Error('its stream holds an event that this build cannot read');
};

const works = (trouble: () => string | undefined) => async (): Promise<void> => {
  const reason = trouble();
  if (reason !== undefined) throw new Error(reason);
};

/** On a full disk, reads go on: what is written has parts of its own. */
const partsOf =
  ({ store, redis, appendTrouble }: Core, { leaders, interrupted }: Observed, queries: Queryable) =>
  (): readonly ReadinessPart[] => [
    { name: 'log', check: () => store.head() },
    { name: 'log writes', check: works(appendTrouble) },
    { name: 'postgres', check: () => queries.query('SELECT 1') },
    { name: 'projections', check: works(() => Object.values(interrupted())[0]) },
    { name: 'redis', check: () => redis.ping() },
    ...leaders().map((status) => ({ name: status.fold, check: () => canLead(status) })),
  ];

/** Serves HTTP until it is closed; resolves with the address where it can be reached. */
export const startApi = async (core: Core, observed: Observed, closing: Closing): Promise<string> => {
  const { tenant, config, logger, commands, store, feed, database, redis, queues, pools, fleet } = core;
  const { metrics, leaders, unledPools, interrupted, outcomes, executions } = observed;
  const freshness = new Freshness({ pool: database, clock: ports.clock, logger });
  closing.add('the freshness watch', () => freshness.stop());
  const queries = withQueryTimeout(database, QUERY_TIMEOUT_MS);
  let draining = false;
  const api = createApi({
    tenant,
    config,
    logger,
    commands,
    store,
    feed,
    pool: queries,
    freshness,
    queues: () => [
      ...[...(pools.pools ?? [])].map((pool) => queues.attempts.board(tenant, pool)),
      ...queues.attempts.opened,
      queues.deadLetters.board,
    ],
    heartbeats: redisHeartbeats(redis, core.prefix),
    unledPools,
    fleet,
    pools: new PoolOverview({
      watch: core.backlog,
      inUse: pools,
      unled: unledPools,
      head: () => store.head(),
      clock: ports.clock,
    }),
    interrupted,
    waits: new Waits({ tasks: outcomes, executions, clock: ports.clock }),
    readiness: {
      parts: partsOf(core, observed, queries),
      parked: () => Object.fromEntries(leaders().map(({ fold, parked }) => [fold, parked.length])),
      draining: () => draining,
    },
    metrics,
  });
  const server = createHttpServer(api.app);
  api.attachWebSockets(server);
  const url = await listen(server, config);
  if (exposureOf(config) === 'accepted')
    logger.warn(
      { host: config.host },
      'there is no sign-in: whoever reaches this server can read everything and call agents (BATON_INSECURE)',
    );
  core.origins.add(originsOf(server, config));
  await core.directory.refresh();
  closing.add('the HTTP server', async () => {
    draining = true;
    await api.close();
    await closeServer(server, Math.min(config.graceMs, HTTP_GRACE_MS));
  });
  return url;
};
