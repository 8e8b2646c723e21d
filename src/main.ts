import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { createMetrics, type Metrics } from './api/operations/metrics.ts';
import { createApi } from './api/server.ts';
import { registerAgent } from './commands/agent/register-agent.ts';
import type { Caller, Commands } from './commands/context.ts';
import { startExecution } from './commands/execution/start-execution.ts';
import { createHandlers } from './commands/handlers.ts';
import { submitTask } from './commands/task/submit-task.ts';
import { publishWorkflow } from './commands/workflow/publish-workflow.ts';
import { createAgentCardSource } from './dispatch/agent-cards.ts';
import type { DeadLetter } from './dispatch/dead-letter-queue.ts';
import { keepDeadLetters } from './dispatch/dead-letters.ts';
import { createDispatcher, type Dispatcher } from './dispatch/dispatcher.ts';
import type { EgressPolicy } from './dispatch/egress.ts';
import { LocalHandOver } from './dispatch/local-hand-over.ts';
import { type AttemptOffers, createQueues, type Queues } from './dispatch/queue.ts';
import { A2aTransport } from './dispatch/transports/a2a.ts';
import { type LocalAgentFunction, LocalAgents } from './dispatch/transports/local.ts';
import { DEFAULT_TENANT } from './domain/ids.ts';
import { type EmbeddedStack, startEmbedded } from './embedded/stack.ts';
import { claimDatabase, clusterIdOf } from './eventstore/cluster-identity.ts';
import { type AppendCounters, countAppends } from './eventstore/counted-event-store.ts';
import { createEsdbEventStore } from './eventstore/esdb-event-store.ts';
import type { EventStore } from './eventstore/event-store.ts';
import { LogFeed } from './eventstore/log-feed.ts';
import { systemClock, systemIds, systemRandom } from './platform/clock.ts';
import { type Config, type Role, readConfig } from './platform/config.ts';
import { AppError } from './platform/errors.ts';
import { acquireLease } from './platform/lease.ts';
import { createLogger, type Logger } from './platform/logger.ts';
import { createPool } from './platform/postgres.ts';
import { createRedis } from './platform/redis.ts';
import { Assigner } from './processes/assigner/assigner.ts';
import { createExecutionFollower } from './processes/executions/execution-follower.ts';
import { postgresSnapshots } from './processes/fold-snapshots.ts';
import { createHealthMonitor } from './processes/health/health-monitor.ts';
import { redisHeartbeats } from './processes/health/heartbeats.ts';
import { ExecutionOutcomes } from './processes/outcomes/execution-outcomes.ts';
import { TaskOutcomes } from './processes/outcomes/task-outcomes.ts';
import { type Process, runProcesses } from './processes/run.ts';
import { keepWorkflowCache } from './processes/workflows/workflow-cache.ts';
import { listDeadLetters } from './projections/dead-letters/queries.ts';
import { MAX_PAGE } from './projections/page.ts';
import { prepareDatabase } from './projections/prepare-database.ts';
import { projectors } from './projections/registry.ts';
import { Freshness } from './projections/runner/freshness.ts';
import { ProjectionRunner } from './projections/runner/runner.ts';

/** This process, for people who read leases. */
const holder = `${hostname()}:${process.pid}`;

const ports = { clock: systemClock, ids: systemIds, random: systemRandom };
const tenant = DEFAULT_TENANT;

/** Requests are short; what takes longer is cut so that the dispatcher has the rest of the grace period. */
const HTTP_GRACE_MS = 1_000;

/** Connections and what is built directly on them; shared by all roles of the process. */
type Core = {
  readonly config: Config;
  readonly logger: Logger;
  readonly stack: EmbeddedStack;
  readonly store: EventStore;
  readonly appends: AppendCounters;
  readonly database: Pool;
  readonly redis: Redis;
  readonly feed: LogFeed;
  readonly queues: Queues;
  readonly commands: Commands;
  /** Of everything this cluster keeps in Redis. */
  readonly prefix: string;
  readonly egress: EgressPolicy;
};

/** Undoes what was opened, last first; each step once, whatever the others do. */
class Closing {
  readonly #steps: { readonly what: string; readonly close: () => Promise<unknown> | unknown }[] = [];
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(what: string, close: () => Promise<unknown> | unknown): void {
    this.#steps.push({ what, close });
  }

  async run(): Promise<void> {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step.close();
      } catch (error) {
        this.#logger.warn({ err: error }, `${step.what} did not close cleanly`);
      }
    }
  }
}

const openCore = async (config: Config, logger: Logger, closing: Closing): Promise<Core> => {
  const stack = await startEmbedded(config, logger);
  closing.add('the embedded servers', () => stack.stop());
  await prepareDatabase(stack.databaseUrl, logger);
  const database = createPool(stack.databaseUrl, config.pgPoolSize, logger);
  closing.add('Postgres', () => database.end());
  const { store, appends } = countAppends(createEsdbEventStore(stack.eventStoreUrl, { logger, clock: systemClock }));
  closing.add('the event store', () => store.close());
  const clusterId = await clusterIdOf(store, ports, tenant);
  await claimDatabase(database, clusterId);
  const redis = createRedis(stack.redisUrl, logger, 'fail');
  closing.add('Redis', () => redis.disconnect());
  const prefix = `baton:${clusterId}`;
  const queues = createQueues({ redisUrl: stack.redisUrl, prefix, logger });
  closing.add('the queues', () => queues.close());
  const feed = await LogFeed.start({ store, clock: systemClock, logger });
  closing.add('the log feed', () => feed.stop());
  const embedded = config.eventStoreUrl === undefined;
  const egress = { allowLoopback: embedded || config.allowPrivateAgents, allowPrivate: config.allowPrivateAgents };
  const cards = createAgentCardSource({ egress, logger });
  closing.add('the agent cards', () => cards.close());
  const commands: Commands = {
    ...ports,
    ...createHandlers(store, ports),
    cards,
  };
  return { config, logger, stack, store, appends, database, redis, feed, queues, commands, prefix, egress };
};

const lease =
  ({ database, config, logger }: Core, name: string) =>
  () =>
    acquireLease(database, {
      name,
      holder,
      ttlMs: config.leaseMs,
      clock: systemClock,
      logger,
    });

const createAssigners = (core: Core, offers: AttemptOffers): Assigner[] =>
  core.config.pools.map(
    (pool) =>
      new Assigner({
        ...ports,
        tenant,
        pool,
        store: core.store,
        feed: core.feed,
        commands: core.commands,
        queue: offers,
        snapshots: postgresSnapshots(core.database),
        acquireLease: lease(core, `assigner:${tenant}.${pool}`),
        logger: core.logger,
      }),
  );

const healthMonitor = (core: Core) =>
  createHealthMonitor({
    tenant,
    snapshots: postgresSnapshots(core.database),
    feed: core.feed,
    commands: core.commands,
    heartbeats: redisHeartbeats(core.redis, core.prefix),
    acquireLease: lease(core, `health:${tenant}`),
    clock: systemClock,
    logger: core.logger,
  });

/** From the assigners of this process to its dispatcher. */
const handOverOf = ({ queues, config, logger }: Core, localAgents: LocalAgents): LocalHandOver =>
  new LocalHandOver({
    queue: queues.attempts,
    isHere: (agent) => localAgents.find(agent) !== undefined,
    concurrency: config.dispatchConcurrency,
    clock: systemClock,
    logger,
  });

const executionFollower = (core: Core) =>
  createExecutionFollower({
    tenant,
    feed: core.feed,
    commands: core.commands,
    snapshots: postgresSnapshots(core.database),
    acquireLease: lease(core, `executions:${tenant}`),
    clock: systemClock,
    logger: core.logger,
  });

const dispatcherOf = (core: Core, localAgents: LocalAgents, handOver: LocalHandOver): Dispatcher =>
  createDispatcher({
    commands: core.commands,
    queueOptions: { redisUrl: core.stack.redisUrl, prefix: core.prefix, logger: core.logger },
    feed: core.feed,
    localAgents,
    handOver,
    a2a: new A2aTransport({ egress: core.egress, clock: systemClock, logger: core.logger }),
    config: core.config,
    tuning: { lockDurationMs: core.config.jobLockMs, stalledIntervalMs: Math.ceil(core.config.jobLockMs / 3) },
    clock: systemClock,
    logger: core.logger,
  });

/** All open dead letters as of one moment; those that come or go between two pages are in the log after the first page's position. */
const openDeadLetters = async ({ database }: Core) => {
  const letters: DeadLetter[] = [];
  let page = await listDeadLetters(database, tenant, { statuses: ['open'] }, { first: MAX_PAGE });
  const { position } = page;
  for (;;) {
    letters.push(...page.edges.map(({ node }) => node));
    const last = page.edges.at(-1);
    if (!page.hasNextPage || !last) return { letters, position };
    page = await listDeadLetters(database, tenant, { statuses: ['open'] }, { first: MAX_PAGE, after: last.cursor });
  }
};

const deadLetterBoard =
  (core: Core) =>
  (signal: AbortSignal): Promise<void> => {
    const { queues, feed, logger } = core;
    const openOnes = () => openDeadLetters(core);
    return keepDeadLetters(
      { queue: queues.deadLetters, attempts: queues.attempts, feed, openOnes, clock: systemClock, logger },
      signal,
    );
  };

/** The work of the roles that are neither API nor dispatcher. */
const processesOf = (core: Core, roles: readonly Role[], assigners: readonly Assigner[]): Process[] => [
  ...assigners.map((assigner, index) => ({
    name: `assigner ${core.config.pools[index]}`,
    run: (signal: AbortSignal) => assigner.run(signal),
  })),
  ...(roles.includes('processes')
    ? [
        { name: 'health monitor', run: (signal: AbortSignal) => healthMonitor(core).run(signal) },
        { name: 'executions', run: (signal: AbortSignal) => executionFollower(core).run(signal) },
        { name: 'dead letter board', run: deadLetterBoard(core) },
      ]
    : []),
];

const listen = async (server: Server, config: Config): Promise<string> => {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new AppError(
              'CONFLICT',
              `port ${config.port} on ${config.host} is in use; set BATON_PORT to another, or 0 for a free one`,
              { cause: error },
            )
          : error,
      ),
    );
    server.listen(config.port, config.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return config.publicUrl ?? `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
};

/** A running Baton, for the server command and for programs that embed it. */
export type Baton = {
  /** Base of the HTTP endpoints; undefined without the role `api`. */
  readonly url: string | undefined;
  readonly urls: Pick<EmbeddedStack, 'eventStoreUrl' | 'databaseUrl' | 'redisUrl'>;
  /** Embedded servers that were started. */
  readonly processes: EmbeddedStack['processes'];
  readonly commands: Commands;
  readonly feed: LogFeed;
  /** Registers a function of this process as an agent. Needs the role `dispatcher`. */
  agent(input: object & { readonly agentId: string }, run: LocalAgentFunction): Promise<void>;
  /** Errors: throws `AppError` for input that is refused. */
  submit(input: object, caller?: Partial<Caller>): Promise<{ readonly taskId: string }>;
  /** Resolves when the task has ended. */
  readonly outcomes: TaskOutcomes;
  /** Publishes a version of a workflow. Errors: throws `AppError` for a definition that is refused. */
  publish(definition: object): Promise<{ readonly name: string; readonly version: string }>;
  /** Starts an execution. Errors: throws `AppError` for input that is refused. */
  start(input: object, caller?: Partial<Caller>): Promise<{ readonly executionId: string }>;
  /** Resolves when the execution has ended, or waits for a person. */
  readonly executions: ExecutionOutcomes;
  /** Counters of what this process did, by role. */
  counters(): Record<string, Record<string, number>>;
  /** Finishes or hands back what is in work, then closes everything, in order. */
  stop(): Promise<void>;
};

/**
 * Starts the roles of the configuration in this process, and the embedded default of each store that has no URL.
 *
 * Errors: throws `AppError` (also `ConfigError`) with what to do; whatever was started is stopped again.
 */
export const startBaton = async (
  config: Config = readConfig(),
  options: { readonly logger?: Logger } = {},
): Promise<Baton> => {
  const logger = options.logger ?? createLogger(config.logLevel);
  const closing = new Closing(logger);
  try {
    return await startRoles(await openCore(config, logger, closing), closing);
  } catch (error) {
    await closing.run();
    throw error;
  }
};

const createRunner = ({ database, store, feed, config, logger }: Core): ProjectionRunner =>
  new ProjectionRunner({
    pool: database,
    store,
    feed,
    projectors,
    clock: systemClock,
    logger,
    holder,
    leaseMs: config.leaseMs,
  });

/** Serves HTTP until it is closed; the address is where it can be reached. */
const startApi = async (core: Core, metrics: Metrics, closing: Closing): Promise<string> => {
  const { config, logger, commands, store, feed, database, redis, queues } = core;
  const freshness = new Freshness({ pool: database, clock: systemClock, logger });
  closing.add('the freshness watch', () => freshness.stop());
  let draining = false;
  const api = createApi({
    config,
    logger,
    commands,
    store,
    feed,
    pool: database,
    freshness,
    queues: () => [
      ...config.pools.map((pool) => queues.attempts.board(tenant, pool)),
      ...queues.attempts.opened,
      queues.deadLetters.board,
    ],
    heartbeats: redisHeartbeats(redis, core.prefix),
    readiness: {
      parts: [
        { name: 'log', check: () => store.head() },
        { name: 'postgres', check: () => database.query('SELECT 1') },
        { name: 'redis', check: () => redis.ping() },
      ],
      draining: () => draining,
    },
    metrics,
  });
  const server = createServer(api.app);
  api.attachWebSockets(server);
  const url = await listen(server, config);
  closing.add('the HTTP server', async () => {
    draining = true;
    await api.close();
    await closeServer(server, Math.min(config.graceMs, HTTP_GRACE_MS));
  });
  return url;
};

/** No new connections; requests under way may finish within `graceMs`, then their connections are cut. */
const closeServer = async (server: Server, graceMs: number): Promise<void> => {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cut = systemClock.schedule(graceMs, () => server.closeAllConnections());
  await closed;
  cut();
};

const startRoles = async (core: Core, closing: Closing): Promise<Baton> => {
  const { config, logger, stack, commands } = core;
  const has = (role: Role): boolean => config.roles.includes(role);
  const metrics = createMetrics({ clock: systemClock, logger });
  metrics.addCounters({ part: 'appends', read: () => ({ ...core.appends }) });
  const localAgents = new LocalAgents();
  const outcomes = new TaskOutcomes({ feed: core.feed, store: core.store, tasks: commands.tasks });
  if (has('projector')) {
    const runner = createRunner(core);
    runner.start();
    closing.add('the projections', () => runner.stop());
  }
  const handOver = handOverOf(core, localAgents);
  const assigners = has('assigner') ? createAssigners(core, handOver) : [];
  const executions = new ExecutionOutcomes({ feed: core.feed, executions: commands.executions });
  const running = runProcesses(
    [
      { name: 'task outcomes', run: (signal) => outcomes.run(signal) },
      { name: 'execution outcomes', run: (signal) => executions.run(signal) },
      { name: 'workflow cache', run: (signal) => keepWorkflowCache(core.feed, commands.workflows, signal) },
      ...processesOf(core, config.roles, assigners),
    ],
    logger,
  );
  closing.add('the processes', () => running.stop());
  const dispatcher = has('dispatcher') ? dispatcherOf(core, localAgents, handOver) : undefined;
  dispatcher?.start();
  closing.add('the dispatcher', () => dispatcher?.stop(config.graceMs));
  for (const [index, { counters }] of assigners.entries())
    metrics.addCounters({
      part: 'assigner',
      labels: { pool: config.pools[index] ?? '' },
      read: () => ({ ...counters }),
    });
  if (dispatcher)
    metrics.addCounters({ part: 'dispatcher', read: () => ({ ...dispatcher.counters }), gauges: ['inFlight'] });
  const url = has('api') ? await startApi(core, metrics, closing) : undefined;
  let stopped: Promise<void> | undefined;
  return {
    url,
    urls: stack,
    get processes() {
      return stack.processes;
    },
    commands,
    feed: core.feed,
    outcomes,
    executions,
    async publish(definition) {
      const result = await publishWorkflow(commands, { tenant, actor: 'embedded' }, definition);
      if (!result.ok) throw new AppError('REJECTED', result.rejection.reason, { details: result.rejection });
      return { name: result.value.name, version: result.value.version };
    },
    async start(input, caller = {}) {
      const result = await startExecution(commands, { tenant, actor: 'embedded', ...caller }, input);
      if (!result.ok) throw new AppError('REJECTED', result.rejection.reason, { details: result.rejection });
      return { executionId: result.value.id };
    },
    async agent(input, run) {
      localAgents.register(input.agentId, run);
      const result = await registerAgent(commands, { tenant, actor: 'embedded' }, { replace: true, ...input });
      if (!result.ok) throw new AppError('REJECTED', result.rejection.reason, { details: result.rejection });
    },
    async submit(input, caller = {}) {
      const result = await submitTask(commands, { tenant, actor: 'embedded', ...caller }, input);
      if (!result.ok) throw new AppError('REJECTED', result.rejection.reason, { details: result.rejection });
      return { taskId: result.value.id };
    },
    counters: () => ({
      appends: { ...core.appends },
      ...Object.fromEntries(
        assigners.map(({ counters }, index) => [`assigner.${config.pools[index]}`, { ...counters }]),
      ),
      ...(dispatcher ? { dispatcher: { ...dispatcher.counters } } : {}),
    }),
    stop() {
      stopped ??= closing.run();
      return stopped;
    },
  };
};
