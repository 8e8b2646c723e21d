import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Queue } from 'bullmq';
import pg from 'pg';
import { createMetrics } from '../../src/api/operations/metrics.ts';
import { type ApiDependencies, createApi } from '../../src/api/server.ts';
import type { DomainEvent } from '../../src/domain/events.ts';
import { poolStream } from '../../src/domain/ids.ts';
import type { BreakerState } from '../../src/domain/resilience/circuit.ts';
import { encodeEvents, headAfter, type StreamHead } from '../../src/eventstore/codec.ts';
import type { Position } from '../../src/eventstore/event-store.ts';
import { LogFeed } from '../../src/eventstore/log-feed.ts';
import { createMemoryEventStore } from '../../src/eventstore/memory-event-store.ts';
import { EMPTY_HEAD } from '../../src/eventstore/provenance.ts';
import { systemClock, systemIds } from '../../src/platform/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createPool } from '../../src/platform/postgres.ts';
import { projectors } from '../../src/projections/registry.ts';
import { Freshness } from '../../src/projections/runner/freshness.ts';
import { ProjectionRunner } from '../../src/projections/runner/runner.ts';
import { CONFIG } from './api-harness.ts';
import { commandsOver } from './fake-ports.ts';
import { followFleet } from './following-fleet.ts';
import { followOutcomes } from './outcomes.ts';
import { freshDatabase } from './servers.ts';

const clock = systemClock;
const logger = createLogger('silent');

type Assigned = { readonly taskId: string; readonly attempt?: number; readonly agentId?: string };

/** The API over a log in memory and read models in a Postgres database of its own. */
export const startApiWithReadModels = async (
  options: {
    readonly queues?: () => readonly Queue[];
    readonly unledPools?: ReadonlySet<string>;
    readonly config?: Partial<ApiDependencies['config']>;
  } = {},
) => {
  const unled = options.unledPools ?? new Set<string>();
  const database = await freshDatabase();
  const pool = createPool(database.url, 5, logger);
  const store = createMemoryEventStore({ clock });
  const feed = await LogFeed.start({ store, clock, logger });
  const runner = new ProjectionRunner({ pool, store, feed, projectors, clock, logger, holder: 'test', leaseMs: 5_000 });
  runner.start();
  const freshness = new Freshness({ pool, clock, logger });
  const commands = { ...commandsOver(store, { clock }), ids: systemIds };
  const outcomes = followOutcomes({ store, feed, commands });
  const fleet = followFleet({ feed, logger, store });
  let statements = 0;
  const counting = new Proxy(pool, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (name === 'query') statements += 1;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const api = createApi({
    tenant: 'default',
    config: { ...CONFIG, ...options.config },
    logger,
    commands,
    store,
    feed,
    pool: counting,
    freshness,
    queues: options.queues ?? (() => []),
    heartbeats: { beat: async () => undefined },
    unledPools: { list: [...unled], has: (name) => unled.has(name) },
    fleet: fleet.watch,
    pools: fleet.pools,
    waits: outcomes.waits,
    readiness: { parts: () => [], draining: () => false },
    metrics: createMetrics({ clock, logger }),
  });
  const server = createServer(api.app);
  api.attachWebSockets(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const post = async (query: string, variables?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query, variables }),
    });
    // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape
    const body = (await response.json()) as any;
    return {
      status: response.status,
      headers: response.headers,
      body,
      data: body.data,
      code: body.errors?.[0]?.extensions?.code,
    };
  };

  let ledger: StreamHead = EMPTY_HEAD;
  const record = async (stream: string, event: DomainEvent): Promise<Position> => {
    const id = systemIds.next();
    const at = new Date(clock.now()).toISOString();
    const context = { tenant: 'default', commandId: id, correlationId: id, causationId: id, actor: 'assigner', at };
    const events = encodeEvents(stream, context, [event], ledger);
    const { position } = await store.append(stream, events, { expectedRevision: ledger.revision });
    ledger = headAfter(events, ledger);
    return position;
  };

  return {
    url,
    post,
    store,
    commands,
    database,
    fleet: fleet.watch,
    readSide: { pool, freshness, store },
    /** Statements that the API sent to Postgres while `work` ran. */
    async statementsOf(work: () => Promise<unknown>): Promise<number> {
      const before = statements;
      await work();
      return statements - before;
    },
    /** One tick of the pool's writer, as the assigner would record it. */
    assign: (assignments: readonly Assigned[]) => {
      const now = new Date(clock.now()).toISOString();
      return record(poolStream('default', 'default'), {
        type: 'TasksAssigned',
        data: {
          pool: 'default',
          assignedAt: now,
          assignments: assignments.map(({ taskId, attempt = 1, agentId = 'agent-1' }) => ({
            taskId,
            attempt,
            agentId,
            expiresAt: now,
            reason: {
              strategy: 'least_loaded',
              strategyVersion: 1,
              eligible: 2,
              candidates: [{ agentId, score: 0.25, open: 1 }],
              excluded: { unhealthy: 3 },
              waitedMs: 12,
            },
          })),
        },
      });
    },
    changeBreaker: (agentId: string, capability: string, to: BreakerState) =>
      record(poolStream('default', 'default'), {
        type: 'BreakersChanged',
        data: {
          pool: 'default',
          changes: [{ agentId, capability, to, cause: 'failures_in_row', failures: 5, calls: 5 }],
          readTo: '0',
          changedAt: new Date(clock.now()).toISOString(),
        },
      }),
    admin: async (text: string): Promise<void> => {
      const client = new pg.Client(database.url);
      await client.connect();
      await client.query(text);
      await client.end();
    },
    async stop() {
      await api.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await runner.stop();
      await freshness.stop();
      await outcomes.stop();
      await fleet.stop();
      await feed.stop();
      await store.close();
      await pool.end();
      await database.drop();
    },
  };
};

export type ApiWithReadModels = Awaited<ReturnType<typeof startApiWithReadModels>>;
