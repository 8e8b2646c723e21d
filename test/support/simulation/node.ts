import type { AgentCardSource, Commands } from '../../../src/commands/context.ts';
import { createHandlers } from '../../../src/commands/handlers.ts';
import { createDispatcher } from '../../../src/dispatch/dispatcher.ts';
import { redisDispatchPlaces, renewPlaces } from '../../../src/dispatch/queues/dispatch-places.ts';
import { LocalAgents } from '../../../src/dispatch/transports/local.ts';
import type { EventStore } from '../../../src/eventstore/event-store.ts';
import { LogFeed } from '../../../src/eventstore/log-feed.ts';
import { sleep } from '../../../src/platform/clock.ts';
import { createLogger } from '../../../src/platform/logger.ts';
import { Assigner } from '../../../src/processes/assigner/assigner.ts';
import { createExecutionFollower } from '../../../src/processes/executions/execution-follower.ts';
import { redisFunctionOffers } from '../../../src/processes/functions/function-offers.ts';
import { createHealthMonitor } from '../../../src/processes/health/health-monitor.ts';
import { redisHeartbeats, sharedLoads } from '../../../src/processes/health/heartbeats.ts';
import { ExecutionOutcomes } from '../../../src/processes/outcomes/execution-outcomes.ts';
import { TaskOutcomes } from '../../../src/processes/outcomes/task-outcomes.ts';
import { fakeIds, fakeRandom } from '../fake-ports.ts';
import { SimProcess } from './process.ts';
import type { SimAgents } from './sim-agents.ts';
import type { SimLog } from './sim-event-store.ts';
import type { SimPostgres } from './sim-postgres.ts';
import type { SimRedis } from './sim-redis.ts';
import type { Timeline } from './timeline.ts';

export const TENANT = 'acme';
export const POOL = 'default';
const PREFIX = 'sim';
const LEASE_MS = 5_000;
/** Events and states that a process keeps: few, so that it is made quickly, and often has to read. */
const KEPT = 64;
const RETRY_START_MS = 1_000;
const logger = createLogger('silent');

/** What all processes of a world share. */
export type Shared = {
  readonly timeline: Timeline;
  readonly log: SimLog;
  readonly postgres: SimPostgres;
  readonly redis: SimRedis;
  readonly agents: SimAgents;
};

export type NodeOptions = { readonly name: string; readonly seed: number; readonly dispatchConcurrency: number };

const cards: AgentCardSource = {
  fetch: async () => ({ name: 'simulated', description: undefined, skills: [], card: {} }),
};

/** A process of Baton with all background roles: the product's own parts over simulated stores. */
export class SimNode {
  readonly process: SimProcess;
  readonly commands: Commands;
  readonly heartbeats;
  readonly #shared: Shared;
  readonly #options: NodeOptions;
  readonly #store: EventStore;
  readonly #redis;

  constructor(shared: Shared, options: NodeOptions) {
    const { timeline, log, redis } = shared;
    this.#shared = shared;
    this.#options = options;
    this.process = new SimProcess(options.name, timeline);
    this.#store = log.for(this.process);
    const { clock } = this.process;
    const random = fakeRandom(options.seed);
    this.commands = {
      clock,
      random,
      ids: fakeIds(options.seed),
      cards,
      ...createHandlers(this.#store, { clock, random, cachedStreams: KEPT }),
    };
    this.#redis = redis.clientFor(this.process);
    this.heartbeats = redisHeartbeats(this.#redis, PREFIX);
  }

  /** Never rejects, and never ends unless the process does. */
  async run(): Promise<void> {
    const { clock, random } = this.commands;
    for (;;) {
      try {
        this.#start(await LogFeed.start({ store: this.#store, clock, logger, random, ringEvents: KEPT }));
        return;
      } catch {
        await sleep(clock, RETRY_START_MS);
      }
    }
  }

  #start(feed: LogFeed): void {
    const { timeline: _, postgres, redis, agents } = this.#shared;
    const { commands, process } = this;
    const { clock, ids } = commands;
    const forever = new AbortController().signal;
    const follow = { feed, clock, logger };
    const leading = (lease: string) => ({
      ...follow,
      tenant: TENANT,
      commands,
      snapshots: postgres.snapshotsFor(process),
      acquireLease: postgres.leaseFor(process, lease, LEASE_MS, logger),
    });
    const queue = redis.offersFor(process);
    const offers = redisFunctionOffers(this.#redis, PREFIX);
    const places = redisDispatchPlaces(this.#redis, PREFIX, TENANT);
    const concurrency = this.#options.dispatchConcurrency;
    const loads = sharedLoads(this.heartbeats, TENANT, process.clock);
    const assigning = { pool: POOL, store: this.#store, queue, places, loads, ids };
    void new Assigner({ ...leading('assigner'), ...assigning }).run(forever);
    void createExecutionFollower(leading('executions')).run(forever);
    void createHealthMonitor({ ...leading('health'), heartbeats: this.heartbeats, offers }).run(forever);
    void new TaskOutcomes({ ...follow, store: this.#store, tasks: commands.tasks, remembered: KEPT }).run(forever);
    void new ExecutionOutcomes({ ...follow, executions: commands.executions, remembered: KEPT }).run(forever);
    void renewPlaces({
      places,
      pools: () => [POOL],
      dispatcherId: process.name,
      concurrency,
      clock,
      logger,
      signal: forever,
    });
    createDispatcher({
      ...follow,
      commands,
      workers: redis.workersFor(process),
      localAgents: new LocalAgents(),
      a2a: agents.transportFor(process),
      config: { dispatchConcurrency: concurrency },
      tenant: TENANT,
      pools: { list: [POOL], onChange: () => () => {} },
    }).start();
  }
}
