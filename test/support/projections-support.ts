import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { DomainEvent } from '../../src/domain/events.ts';
import { agentStream, poolStream, taskStream } from '../../src/domain/ids.ts';
import { DEFAULT_RETRY } from '../../src/domain/retry.ts';
import { encodeEvents, headAfter, type StreamHead } from '../../src/eventstore/codec.ts';
import type { EventStore, NewEvent } from '../../src/eventstore/event-store.ts';
import { LogFeed } from '../../src/eventstore/log-feed.ts';
import { createMemoryEventStore } from '../../src/eventstore/memory-event-store.ts';
import { EMPTY_HEAD } from '../../src/eventstore/provenance.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createPool } from '../../src/platform/postgres.ts';
import type { Projector } from '../../src/projections/projector.ts';
import { schemaOf } from '../../src/projections/projector.ts';
import { projectors } from '../../src/projections/registry.ts';
import { ProjectionRunner, type RunnerOptions } from '../../src/projections/runner/runner.ts';
import { freshDatabase } from './servers.ts';

export const TENANT = 'default';

/** The version of a read model in this build. */
export const versionOf = (name: string): number => {
  const projector = projectors.find((each) => each.name === name);
  if (!projector) throw new Error(`there is no read model ${name}`);
  return projector.version;
};
/** Where the tables of the read model of tasks are. */
export const TASKS_SCHEMA = schemaOf({ name: 'tasks', version: versionOf('tasks') });

export const quiet = createLogger('silent');

/** The instant some seconds after the start of the scenarios. */
export const at = (seconds: number): string => new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString();

export const newTaskId = (): string => randomUUID();

type Of<Type extends DomainEvent['type']> = Extract<DomainEvent, { type: Type }>['data'];

export const ERROR = { code: 'BOOM', message: 'it broke', source: 'agent', retryable: true } as const;

/** Events with default data. */
export const event = {
  submitted: (taskId: string, data: Partial<Of<'TaskSubmitted'>> = {}): DomainEvent => ({
    type: 'TaskSubmitted',
    data: {
      taskId,
      pool: 'default',
      capability: 'summarise',
      input: { text: 'hello' },
      priority: 3,
      strategy: 'least_loaded',
      retry: DEFAULT_RETRY,
      timeoutMs: 60_000,
      tags: [],
      submittedAt: at(0),
      ...data,
    },
  }),
  assigned: (
    assignments: readonly { taskId: string; attempt?: number; agentId?: string }[],
    when = at(1),
  ): DomainEvent => ({
    type: 'TasksAssigned',
    data: {
      pool: 'default',
      assignedAt: when,
      assignments: assignments.map(({ taskId, attempt = 1, agentId = 'agent-1' }) => ({
        taskId,
        attempt,
        agentId,
        expiresAt: at(61),
        reason: {
          strategy: 'least_loaded',
          strategyVersion: 1,
          eligible: 1,
          candidates: [{ agentId, score: 1, open: 0 }],
          excluded: {},
          waitedMs: 5,
        },
      })),
    },
  }),
  started: (taskId: string, attempt = 1): DomainEvent => ({
    type: 'TaskAttemptStarted',
    data: { taskId, attempt, agentId: 'agent-1', startedAt: at(2) },
  }),
  progress: (taskId: string, data: Partial<Of<'TaskProgressReported'>> = {}): DomainEvent => ({
    type: 'TaskProgressReported',
    data: { taskId, attempt: 1, percent: 40, message: 'reading', reportedAt: at(2), ...data },
  }),
  failed: (taskId: string, data: Partial<Of<'TaskAttemptFailed'>> = {}): DomainEvent => ({
    type: 'TaskAttemptFailed',
    data: { taskId, attempt: 1, agentId: 'agent-1', error: ERROR, failedAt: at(3), retryAt: at(4), ...data },
  }),
  failedForGood: (taskId: string, attempt = 1): DomainEvent => ({
    type: 'TaskAttemptFailed',
    data: { taskId, attempt, agentId: 'agent-1', error: ERROR, failedAt: at(3) },
  }),
  unknown: (taskId: string): DomainEvent => ({
    type: 'TaskOutcomeUnknown',
    data: { taskId, attempt: 1, agentId: 'agent-1', error: ERROR, occurredAt: at(5) },
  }),
  completed: (taskId: string, data: Partial<Of<'TaskCompleted'>> = {}): DomainEvent => ({
    type: 'TaskCompleted',
    data: {
      taskId,
      attempt: 1,
      agentId: 'agent-1',
      result: { text: 'bye' },
      durationMs: 1_250.5,
      completedAt: at(6),
      ...data,
    },
  }),
  cancelled: (taskId: string): DomainEvent => ({
    type: 'TaskCancelled',
    data: { taskId, reason: 'not needed', cancelledAt: at(7) },
  }),
  deadLettered: (taskId: string, data: Partial<Of<'TaskDeadLettered'>> = {}): DomainEvent => ({
    type: 'TaskDeadLettered',
    data: { taskId, reason: 'attempts_exhausted', attempts: 1, error: ERROR, deadLetteredAt: at(3), ...data },
  }),
  redriven: (taskId: string, nextAttempt = 2, data: Partial<Of<'TaskRedriven'>> = {}): DomainEvent => ({
    type: 'TaskRedriven',
    data: {
      taskId,
      pool: 'default',
      capability: 'summarise',
      priority: 1,
      strategy: 'least_loaded',
      timeoutMs: 60_000,
      nextAttempt,
      redrivenAt: at(10),
      ...data,
    },
  }),
  registered: (agentId: string, data: Partial<Of<'AgentRegistered'>> = {}): DomainEvent => ({
    type: 'AgentRegistered',
    data: {
      agentId,
      pool: 'default',
      name: `Agent ${agentId}`,
      capabilities: [{ name: 'summarise', version: '1.0.0' }],
      transport: { kind: 'local' },
      maxConcurrency: 4,
      delivery: 'at_least_once',
      labels: {},
      registeredAt: at(0),
      ...data,
    },
  }),
};

const streamOf = (tenant: string, { data }: DomainEvent): string => {
  if ('taskId' in data) return taskStream(tenant, data.taskId);
  if ('agentId' in data) return agentStream(tenant, data.agentId);
  return 'pool' in data ? poolStream(tenant, data.pool) : `cluster-${tenant}.log`;
};

/** A log in memory and its own database. */
export class World {
  readonly store: EventStore;
  readonly url: string;
  readonly pool: pg.Pool;
  readonly #drop: () => Promise<void>;
  readonly #heads = new Map<string, StreamHead>();
  readonly #runners: ProjectionRunner[] = [];
  #feed: Promise<LogFeed> | undefined;

  private constructor(url: string, drop: () => Promise<void>, store: EventStore) {
    this.store = store;
    this.url = url;
    this.#drop = drop;
    this.pool = createPool(url, 10, quiet);
  }

  static async create(store: EventStore = createMemoryEventStore({ clock: systemClock })): Promise<World> {
    const { url, drop } = await freshDatabase();
    return new World(url, drop, store);
  }

  /** Appends each event to its stream, in order; consecutive events of one stream in one append. Returns the last position. */
  async append(...events: readonly DomainEvent[]): Promise<bigint> {
    return this.appendFor(TENANT, ...events);
  }

  async appendFor(tenant: string, ...events: readonly DomainEvent[]): Promise<bigint> {
    let position = 0n;
    for (let index = 0; index < events.length; ) {
      const stream = streamOf(tenant, events[index]!);
      const next = events.findIndex((other, at) => at > index && streamOf(tenant, other) !== stream);
      const end = next === -1 ? events.length : next;
      position = await this.#record(stream, tenant, events.slice(index, end));
      index = end;
    }
    return position;
  }

  async #record(stream: string, tenant: string, events: readonly DomainEvent[]): Promise<bigint> {
    const commandId = randomUUID();
    const context = {
      tenant,
      commandId,
      correlationId: `correlation-${stream}`,
      causationId: commandId,
      actor: 'tester',
      at: at(0),
    };
    const head = this.#heads.get(stream) ?? EMPTY_HEAD;
    return this.appendSealed(stream, encodeEvents(stream, context, events, head));
  }

  /** Appends events as they are, even those that no command would write. */
  async appendSealed(stream: string, sealed: readonly NewEvent[]): Promise<bigint> {
    const head = this.#heads.get(stream) ?? EMPTY_HEAD;
    const { position } = await this.store.append(stream, sealed, { expectedRevision: head.revision });
    this.#heads.set(stream, headAfter(sealed, head));
    return position;
  }

  /** Appends the event as a command would write it, but with data that a command would refuse. */
  async appendSpoilt(good: DomainEvent, spoil: (data: Record<string, unknown>) => void): Promise<bigint> {
    const stream = streamOf(TENANT, good);
    const head = this.#heads.get(stream) ?? EMPTY_HEAD;
    const commandId = randomUUID();
    const context = {
      tenant: TENANT,
      commandId,
      correlationId: 'c',
      causationId: commandId,
      actor: 'tester',
      at: at(0),
    };
    const [sealed] = encodeEvents(stream, context, [good], head);
    const data = structuredClone(sealed!.data) as Record<string, unknown>;
    spoil(data);
    return this.appendSealed(stream, [{ ...sealed!, data: data as NewEvent['data'] }]);
  }

  feed(): Promise<LogFeed> {
    this.#feed ??= LogFeed.start({ store: this.store, clock: systemClock, logger: quiet });
    return this.#feed;
  }

  async runnerOptions(options: Partial<RunnerOptions> = {}): Promise<RunnerOptions> {
    return {
      pool: this.pool,
      store: this.store,
      feed: await this.feed(),
      projectors,
      clock: systemClock,
      logger: quiet,
      holder: 'test',
      leaseMs: 1_000,
      lingerMs: 0,
      ...options,
    };
  }

  async runner(options: Partial<RunnerOptions> = {}): Promise<ProjectionRunner> {
    const runner = new ProjectionRunner(await this.runnerOptions(options));
    this.#runners.push(runner);
    runner.start();
    return runner;
  }

  /** Runs projections until all have handled everything. */
  async project(options: Partial<RunnerOptions> = {}): Promise<void> {
    const runner = await this.runner(options);
    await this.handled(options.projectors ?? projectors);
    await runner.stop();
  }

  /** Waits until projections have handled the whole log. */
  async handled(of: readonly Projector[] = projectors, position?: bigint): Promise<void> {
    const head = position ?? (await this.store.head()) ?? -1n;
    const names = of.map(({ name }) => name);
    await until(async () => {
      const { rows } = await this.pool.query<{ there: bigint }>(
        'SELECT count(*) AS there FROM baton.checkpoints WHERE name = ANY($1) AND position >= $2',
        [names, head],
      );
      return rows[0]?.there === BigInt(names.length);
    }, `projections ${names} at position ${head}`);
  }

  /** The rows of all tables of some projectors, in the order of their keys, as JSON of Postgres. */
  async rows(of: readonly Projector[] = projectors): Promise<Record<string, unknown[]>> {
    const tables = of.flatMap(({ tables }) => tables);
    const entries: [string, unknown[]][] = [];
    for (const { name } of tables) {
      const { rows } = await this.pool.query<{ row: unknown }>(
        `SELECT row_to_json(t) AS row FROM baton.${name} t ORDER BY t::text COLLATE "C"`,
      );
      entries.push([name, rows.map(({ row }) => row)]);
    }
    return Object.fromEntries(entries);
  }

  /** Drops everything but the log. */
  async reset(): Promise<void> {
    for (const { name, version } of projectors) await this.pool.query(`DROP SCHEMA rm_${name}_v${version} CASCADE`);
    await this.pool.query('DELETE FROM baton.checkpoints');
  }

  async close(): Promise<void> {
    await Promise.all(this.#runners.map((runner) => runner.stop()));
    await (await this.#feed)?.stop();
    await this.store.close();
    await this.pool.end();
    await this.#drop();
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits for a condition; fails when it is not met in time. */
export const until = async (condition: () => Promise<boolean>, what: string, timeoutMs = 10_000): Promise<void> => {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await pause(5);
  }
};
