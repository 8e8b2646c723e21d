import { createMetrics, type Metrics } from './api/operations/metrics.ts';
import type { Dispatcher } from './dispatch/dispatcher.ts';
import { LocalAgents } from './dispatch/transports/local.ts';
import type { FollowPorts } from './eventstore/follow-log.ts';
import { Closing } from './platform/closing.ts';
import { type Config, type Role, refuseExposed } from './platform/config.ts';
import type { Logger } from './platform/logger.ts';
import type { PoolAssigners } from './processes/assigner/pool-assigners.ts';
import { FunctionAgents } from './processes/functions/function-agents.ts';
import { redisFunctionOffers } from './processes/functions/function-offers.ts';
import type { LeaderStatus } from './processes/leader.ts';
import { ExecutionOutcomes } from './processes/outcomes/execution-outcomes.ts';
import { TaskOutcomes } from './processes/outcomes/task-outcomes.ts';
import { type Process, runProcesses } from './processes/run.ts';
import { keepWorkflowCache } from './processes/workflows/workflow-cache.ts';
import { createAssigners } from './roles/assigner.ts';
import { type Core, holder, openCore, ports } from './roles/core.ts';
import { createHandOver, startDispatcher } from './roles/dispatcher.ts';
import { refuseTakenPort } from './roles/listening.ts';
import { createPools } from './roles/pools.ts';
import { backgroundProcesses } from './roles/processes.ts';
import { startProjector, untilBuilt } from './roles/projector.ts';

/** The roles of one process at work. */
export type Running = {
  readonly core: Core;
  /** Base of the HTTP endpoints; undefined without the role `api`. */
  readonly url: string | undefined;
  readonly localAgents: LocalAgents;
  /** Those functions as the log and other processes know them. */
  readonly functionAgents: FunctionAgents;
  readonly outcomes: TaskOutcomes;
  readonly executions: ExecutionOutcomes;
  /** Counters of what this process did, by role. */
  counters(): Record<string, Record<string, number>>;
  /** Finishes or hands back open work, then closes everything, in order. */
  stop(): Promise<void>;
};

export type StartOptions = { readonly tenant: string; readonly config: Config; readonly logger: Logger };

const followPorts = ({ feed, logger }: Core): FollowPorts => ({ feed, clock: ports.clock, logger });

/** What every process runs, whatever its roles: those who wait for an outcome here are notified, and cached definitions and rules stay valid. */
const followers = ({ core, outcomes, executions }: Pick<Running, 'core' | 'outcomes' | 'executions'>): Process[] => [
  { name: 'task outcomes', run: (signal) => outcomes.run(signal) },
  { name: 'execution outcomes', run: (signal) => executions.run(signal) },
  { name: 'workflow cache', run: (signal) => keepWorkflowCache(followPorts(core), core.commands.workflows, signal) },
  { name: 'routing rules', run: (signal) => core.routing.run(followPorts(core), signal) },
];

type Counted = { readonly assigners: PoolAssigners | undefined; readonly dispatcher: Dispatcher | undefined };

const addCounters = (
  metrics: Metrics,
  { appends, feed, admission }: Core,
  dispatcher: Dispatcher | undefined,
): void => {
  metrics.addCounters({ part: 'appends', read: () => ({ ...appends }) });
  metrics.addCounters({ part: 'admission', read: () => ({ ...admission.counters }) });
  metrics.addCounters({ part: 'log_feed', read: () => ({ ...feed.counters }) });
  if (dispatcher)
    metrics.addCounters({ part: 'dispatcher', read: () => ({ ...dispatcher.counters }), gauges: ['inFlight'] });
};

type Reading = Pick<Running, 'outcomes' | 'executions'> & { readonly leaders: () => readonly LeaderStatus[] };

/** What this process could not read. */
const addUnreadable = (metrics: Metrics, { leaders, outcomes, executions }: Reading): void => {
  metrics.addMeasurement({
    name: 'baton_parked_streams',
    help: 'Streams that wait for a build that can read them, by what follows them; only the leading process knows',
    labelNames: ['fold'],
    read: async () => leaders().map(({ fold, parked }) => ({ labels: { fold }, value: parked.length })),
  });
  metrics.addCounters({ part: 'task_outcomes', read: () => ({ unreadable: outcomes.unreadable }) });
  metrics.addCounters({ part: 'execution_outcomes', read: () => ({ unreadable: executions.unreadable }) });
};

const countersOf = (
  { appends, feed }: Core,
  { assigners, dispatcher }: Counted,
): Record<string, Record<string, number>> => ({
  appends: { ...appends },
  logFeed: { ...feed.counters },
  ...Object.fromEntries(
    (assigners?.list() ?? []).map(({ pool, assigner }) => [`assigner.${pool}`, { ...assigner.counters }]),
  ),
  ...(dispatcher ? { dispatcher: { ...dispatcher.counters } } : {}),
});

const createFunctionAgents = (core: Core, localAgents: LocalAgents): FunctionAgents => {
  const { tenant, commands, redis, prefix } = core;
  return new FunctionAgents({
    ...followPorts(core),
    tenant,
    processId: `${holder}:${ports.ids.next()}`,
    commands,
    offers: redisFunctionOffers(redis, prefix),
    onShared: (agentId, shared) => localAgents.setShared({ tenant, agentId }, shared),
  });
};

type ApiRole = typeof import('./roles/api.ts');

/**
 * GraphQL and HTTP take a third of the time that loading a server takes; the other roles start without them. It is loaded while the
 * stores start and before any lease is taken: on a busy machine loading keeps a process from renewing one.
 */
const loadApi = async ({ roles }: Config): Promise<ApiRole | undefined> =>
  roles.includes('api') ? import('./roles/api.ts') : undefined;

/** Last started, first stopped: requests end before the dispatcher, and the dispatcher before what follows the log. */
const startRoles = async (core: Core, api: ApiRole | undefined, closing: Closing): Promise<Running> => {
  const { config, commands, logger, store } = core;
  const has = (role: Role): boolean => config.roles.includes(role);
  const localAgents = new LocalAgents();
  const functionAgents = createFunctionAgents(core, localAgents);
  const handOver = createHandOver(core, localAgents);
  const outcomes = new TaskOutcomes({ ...followPorts(core), store, tasks: commands.tasks });
  const executions = new ExecutionOutcomes({ ...followPorts(core), executions: commands.executions });
  const interrupted = has('projector') ? startProjector(core, closing) : () => ({});
  const metrics = createMetrics({ clock: ports.clock, logger });
  const { served, unled: unledPools, processes: watching } = createPools(core);
  const assigners = has('assigner') ? createAssigners(core, { offers: handOver, served, metrics }) : undefined;
  const background = has('processes') ? backgroundProcesses(core) : { processes: [], leaders: [] };
  const leaders = () => [
    ...(assigners?.list() ?? []).map(({ assigner }) => assigner.status()),
    ...background.leaders.map((status) => status()),
  ];
  const processes = runProcesses(
    [
      ...followers({ core, outcomes, executions }),
      ...watching,
      ...(assigners ? [{ name: 'assigners', run: (signal: AbortSignal) => assigners.run(signal) }] : []),
      ...background.processes,
      { name: 'function agents', run: (signal) => functionAgents.run(signal) },
    ],
    logger,
  );
  closing.add('the processes', () => processes.stop());
  closing.add('the function agents', () => functionAgents.leave());
  const dispatcher = has('dispatcher') ? startDispatcher(core, { localAgents, handOver, served }, closing) : undefined;
  const counted = { assigners, dispatcher };
  addCounters(metrics, core, dispatcher);
  addUnreadable(metrics, { leaders, outcomes, executions });
  const observed = { metrics, outcomes, executions };
  if (has('projector') && api) await untilBuilt(core);
  const url = await api?.startApi(core, { ...observed, leaders, unledPools, interrupted }, closing);
  closing.add('the offers of function agents', () => functionAgents.withdraw());
  let stopped: Promise<void> | undefined;
  return {
    core,
    url,
    localAgents,
    functionAgents,
    outcomes,
    executions,
    counters: () => countersOf(core, counted),
    stop() {
      stopped ??= closing.run(logger);
      return stopped;
    },
  };
};

/**
 * Opens the connections, then starts the roles of the configuration in this process.
 *
 * Errors: throws `AppError` or `ConfigError` with what to do; whatever was started is stopped again.
 */
export const start = async (options: StartOptions): Promise<Running> => {
  refuseExposed(options.config);
  await refuseTakenPort(options.config);
  const closing = new Closing();
  try {
    const [core, api] = await Promise.all([openCore({ ...options, closing }), loadApi(options.config)]);
    return await startRoles(core, api, closing);
  } catch (error) {
    await closing.run(options.logger);
    throw error;
  }
};
