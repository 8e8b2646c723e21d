import type { Server } from 'node:http';
import type { Queue } from 'bullmq';
import express, { type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import type { Commands } from '../commands/context.ts';
import { isIn } from '../domain/ids.ts';
import type { EventStore } from '../eventstore/event-store.ts';
import type { LogFeed } from '../eventstore/log-feed.ts';
import type { Config } from '../platform/config.ts';
import type { Logger } from '../platform/logger.ts';
import { VERSION } from '../platform/version.ts';
import type { PoolOverview } from '../processes/admission/pool-overview.ts';
import type { FleetWatch } from '../processes/fleet/fleet-watch.ts';
import type { Waits } from '../processes/outcomes/waits.ts';
import type { Queryable } from '../projections/database.ts';
import { AgentDirectory } from './edge/agent-directory.ts';
import { type CallerOf, callersOf } from './edge/caller.ts';
import { crossOrigin, fromAllowedOrigin } from './edge/cross-origin.ts';
import { type HeartbeatSink, heartbeat, heartbeats } from './edge/heartbeat.ts';
import { onlyOwnHosts, ownHosts } from './edge/host-guard.ts';
import { noSuchPath, problems } from './edge/http-errors.ts';
import { requestLog } from './edge/request-log.ts';
import type { OperationContext } from './graphql/kit/context.ts';
import { progressOf } from './graphql/kit/progress.ts';
import { GraphQLSockets } from './graphql/kit/websocket.ts';
import { createGraphQL, GRAPHQL_PATH, type GraphQLServer } from './graphql/kit/yoga.ts';
import { createSchema } from './graphql/schema.ts';
import { Hub } from './live/hub.ts';
import { measureBacklog } from './operations/backlog-metrics.ts';
import { healthz, type Readiness, readyz, reportReadiness } from './operations/health.ts';
import { landing, type Offer } from './operations/landing.ts';
import { countEvents, type Metrics, metricsPage } from './operations/metrics.ts';
import { measureParkedCompensations, measureProjections, sharedOverview } from './operations/projection-status.ts';
import { BOARD_PATH, queueBoard } from './operations/queue-board.ts';
import { type Freshness, Reads } from './reads/reads.ts';
import { apiDocument, DOCS_PATH, DOCUMENT_PATH, docsPage } from './rest/docs-page.ts';
import { REST_PATH } from './rest/operation.ts';
import { restRouter } from './rest/router.ts';
import { ExecutionSockets } from './ws/execution-sockets.ts';
import { Upgrades } from './ws/upgrades.ts';

/** What the API works with. It neither opens nor closes any of it. */
export type ApiDependencies = {
  readonly tenant: string;
  readonly config: Pick<
    Config,
    'graphiql' | 'queuesWritable' | 'host' | 'publicUrl' | 'corsOrigins' | 'corsCredentials'
  >;
  readonly logger: Logger;
  /** Also provides clock and ids. */
  readonly commands: Commands;
  readonly store: Pick<EventStore, 'head' | 'readStream' | 'readAll'>;
  readonly feed: Pick<LogFeed, 'read' | 'head'>;
  /** Its queries must not wait forever. */
  readonly pool: Queryable;
  readonly freshness: Freshness;
  /** Queues for the board, read for each request. */
  readonly queues: () => readonly Queue[];
  readonly heartbeats: HeartbeatSink;
  /** Pools in use that no process leads. */
  readonly unledPools: { readonly list: readonly string[]; has(pool: string): boolean };
  /** The agents as this process has them in memory. */
  readonly fleet: Pick<FleetWatch, 'discover'>;
  /** The pools as this process has them in memory. */
  readonly pools: Pick<PoolOverview, 'pools' | 'controlOf' | 'expect'>;
  /** Requests that wait for an outcome. */
  readonly waits: Waits;
  /** What interrupts the projections of this process. */
  readonly interrupted?: () => Readonly<Record<string, string>>;
  readonly readiness: Omit<Readiness, 'unledPools'>;
  readonly metrics: Metrics;
};

export type Api = {
  readonly app: Express;
  /** Handles WebSocket upgrades of this server. */
  attachWebSockets(server: Server): void;
  /** Ends subscriptions and waits, and refuses new ones. The caller closes the server itself. */
  close(): Promise<void>;
};

/** Only the proxy in front of the server knows whether clients use TLS. */
const HEADERS = { strictTransportSecurity: false } as const;
/** For pages with inline scripts; everything they load comes from this server. */
const PAGE_HEADERS = {
  ...HEADERS,
  contentSecurityPolicy: {
    directives: {
      'style-src': ["'self'", "'unsafe-inline'"],
      'script-src': ["'self'", "'unsafe-inline'", 'blob:'],
      'worker-src': ["'self'", 'blob:'],
      'connect-src': ["'self'", 'ws:', 'wss:'],
      'font-src': ["'self'", 'data:'],
      'upgrade-insecure-requests': null,
    },
  },
} as const;

const ENDPOINTS = {
  graphql: GRAPHQL_PATH,
  subscriptions: `${GRAPHQL_PATH} (SSE, or WebSocket with graphql-transport-ws)`,
  alive: '/healthz',
  ready: '/readyz',
  metrics: '/metrics',
  rest: `${REST_PATH}/workflows`,
  openapi: DOCUMENT_PATH,
  docs: DOCS_PATH,
  executionEvents: 'WS /ws/workflows/:executionId?from=<position>',
  queues: BOARD_PATH,
  heartbeat: 'POST /agents/:id/heartbeat',
} as const;

const offersOf = ({ graphiql }: Pick<Config, 'graphiql'>): Offer[] => [
  ...(graphiql ? [{ path: GRAPHQL_PATH, title: 'GraphiQL', about: 'Read and change everything with GraphQL' }] : []),
  { path: DOCS_PATH, title: 'REST API', about: 'Its documentation, to try out' },
  { path: BOARD_PATH, title: 'Queues', about: 'Jobs that wait for agents or run' },
  { path: '/readyz', title: 'Health', about: 'Whether this process can take work' },
  { path: '/metrics', title: 'Metrics', about: 'For Prometheus' },
  { path: DOCUMENT_PATH, title: 'OpenAPI', about: 'The document behind the REST API' },
];

/** The many headers of a page are only for answers that a browser may show as one. */
const getting =
  (handler: RequestHandler): RequestHandler =>
  (request, response, next) =>
    request.method === 'GET' ? handler(request, response, next) : next();

const noSniff: RequestHandler = (_request, response, next) => {
  response.setHeader('x-content-type-options', 'nosniff');
  next();
};

/** One reader of the log for everything here that follows it. */
const startHub = (
  { feed, store, logger, commands, metrics, waits }: ApiDependencies,
  directory: AgentDirectory,
): Hub => {
  const count = countEvents(metrics);
  const hub = new Hub({
    feed,
    store,
    logger,
    onEvent: (event) => {
      count(event);
      directory.observe(event);
      if (isIn('execution', event.stream)) commands.executions.observe(event);
    },
  });
  metrics.addMeasurement({
    name: 'baton_subscriptions',
    help: 'Subscriptions and sockets of executions that are open',
    labelNames: [],
    read: async () => [{ labels: {}, value: hub.subscriptions }],
  });
  metrics.addMeasurement({
    name: 'baton_waiting_requests',
    help: 'Requests that wait for the outcome of a task or execution',
    labelNames: [],
    read: async () => [{ labels: {}, value: waits.size }],
  });
  return hub;
};

const measureUnledPools = ({ metrics, unledPools }: ApiDependencies): void =>
  metrics.addMeasurement({
    name: 'baton_unled_pools',
    help: 'Pools with agents or open work that no process leads, so that nothing in them is assigned; do not sum over processes',
    labelNames: [],
    read: async () => [{ labels: {}, value: unledPools.list.length }],
  });

const startGraphQL = (deps: ApiDependencies, hub: Hub, callerOf: CallerOf) => {
  const { config, logger, commands, metrics, feed, unledPools, fleet, pools, waits } = deps;
  const projectionSource = { ...deps, clock: commands.clock, head: () => feed.head };
  const projections = sharedOverview(projectionSource);
  measureProjections(metrics, projectionSource);
  measureParkedCompensations(metrics, deps);
  measureUnledPools(deps);
  measureBacklog(metrics, pools, commands.clock);
  const contextOf = (request: Request): OperationContext => {
    const caller = callerOf({ header: (name) => request.headers.get(name) ?? undefined });
    const reads = new Reads(deps, caller.tenant);
    return {
      caller,
      commands,
      hub,
      projections,
      progress: progressOf(request),
      reads,
      unledPools,
      fleet,
      pools,
      waits,
      gone: request.signal,
      onCutOff: () => undefined,
    };
  };
  return createGraphQL({ schema: createSchema(), explorable: config.graphiql, logger, contextOf });
};

type Parts = {
  readonly directory: AgentDirectory;
  readonly hub: Hub;
  readonly graphql: GraphQLServer;
  readonly callerOf: CallerOf;
  readonly isOwnHost: ReturnType<typeof ownHosts>;
};

/** The order of these lines is the order in which a request meets them. */
const routes = (deps: ApiDependencies, { directory, hub, graphql, callerOf, isOwnHost }: Parts): Express => {
  const { config, logger, commands, metrics } = deps;
  const { clock } = commands;
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.use(onlyOwnHosts(isOwnHost));
  // Before the headers of pages: every agent calls this once per interval.
  const taking = { callerOf, directory, sink: deps.heartbeats, clock };
  app.post('/agents/:id/heartbeat', metrics.timed('heartbeat'), heartbeat(taking));
  app.post('/agents/heartbeats', metrics.timed('heartbeat'), heartbeats(taking));
  app.get('/healthz', healthz);
  app.use(requestLog(commands, logger));
  app.use([GRAPHQL_PATH, REST_PATH, DOCUMENT_PATH], crossOrigin(config));
  app.use(GRAPHQL_PATH, metrics.timed('graphql'), getting(helmet(PAGE_HEADERS)), noSniff, graphql);
  const board = queueBoard({ queues: deps.queues, writable: config.queuesWritable });
  app.use(BOARD_PATH, metrics.timed('queues'), helmet(PAGE_HEADERS), board);
  app.use(DOCS_PATH, helmet(PAGE_HEADERS), docsPage());
  const report = () => reportReadiness({ ...deps.readiness, unledPools: () => deps.unledPools.list }, clock, logger);
  const page = landing({ version: VERSION, endpoints: ENDPOINTS, offers: offersOf(config), report });
  app.get('/', helmet(PAGE_HEADERS), page);
  app.use(helmet(HEADERS));
  app.use(
    REST_PATH,
    metrics.timed('rest'),
    restRouter({
      callerOf,
      commands,
      readsOf: (tenant) => new Reads(deps, tenant),
      waits: deps.waits,
      unledPools: deps.unledPools,
      fleet: deps.fleet,
      pools: deps.pools,
      head: () => deps.feed.head ?? 0n,
      seen: () => hub.position,
    }),
  );
  app.get(DOCUMENT_PATH, apiDocument());
  app.get('/readyz', readyz(report));
  app.get('/metrics', metricsPage(metrics));
  app.use(noSuchPath);
  app.use(problems(logger));
  return app;
};

/** The HTTP side of Baton: GraphQL, REST, sockets, heartbeats, health, metrics, the board of the queues. */
export const createApi = (deps: ApiDependencies): Api => {
  const { config, logger, commands } = deps;
  const { clock } = commands;
  const directory = new AgentDirectory(commands.agents);
  const hub = startHub(deps, directory);
  const callerOf = callersOf(deps.tenant);
  const graphql = startGraphQL(deps, hub, callerOf);
  const isOwnHost = ownHosts(config);
  const upgrades = new Upgrades({
    endpoints: [
      new GraphQLSockets({ graphql, clock, logger }),
      new ExecutionSockets({ ...deps, callerOf, hub, clock }),
    ],
    isOwnHost,
    isAllowedOrigin: fromAllowedOrigin(config),
    logger,
  });
  return {
    app: routes(deps, { directory, hub, graphql, callerOf, isOwnHost }),
    attachWebSockets: (server) => upgrades.attach(server),
    async close() {
      deps.waits.close();
      upgrades.close();
      await hub.stop();
    },
  };
};
