import type { AddressInfo } from 'node:net';
import type { Queue } from 'bullmq';
import { createHttpServer, type SendingLimits } from '../../src/api/http-server.ts';
import { createMetrics } from '../../src/api/operations/metrics.ts';
import { type ApiDependencies, createApi } from '../../src/api/server.ts';
import type { Commands } from '../../src/commands/context.ts';
import type { StoredEvent } from '../../src/eventstore/event-store.ts';
import { LogFeed } from '../../src/eventstore/log-feed.ts';
import { createMemoryEventStore } from '../../src/eventstore/memory-event-store.ts';
import { type Clock, systemClock } from '../../src/platform/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { RulesInForce } from '../../src/processes/rules/rules-in-force.ts';
import { commandsOver } from './fake-ports.ts';
import { followFleet } from './following-fleet.ts';
import { followOutcomes } from './outcomes.ts';

export type GraphQLAnswer = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape
  readonly body: any;
  /** `extensions.code` of the first error. */
  readonly code: string | undefined;
};

export const CONFIG: ApiDependencies['config'] = {
  graphiql: true,
  queuesWritable: false,
  host: '127.0.0.1',
  publicUrl: undefined,
  corsOrigins: [],
  corsCredentials: false,
};

export type TestApi = Awaited<ReturnType<typeof startApi>>;

const refused = (): never => {
  throw Object.assign(new Error('connect ECONNREFUSED 10.1.2.3:5432'), { code: 'ECONNREFUSED' });
};

/** The API over a log in memory, on a port of its own. Postgres is missing unless the test provides one. */
export const startApi = async (
  { clock = systemClock, ...given }: Partial<ApiDependencies> & { readonly clock?: Clock } = {},
  limits?: SendingLimits,
) => {
  const logger = given.logger ?? createLogger('silent');
  const store = createMemoryEventStore({ clock });
  const feed = await LogFeed.start({ store, clock, logger });
  const handlers = commandsOver(store, { clock });
  const commands: Commands = { ...handlers, routing: new RulesInForce(handlers.rules) };
  const outcomes = followOutcomes({ store, feed, commands });
  const fleet = followFleet({ feed, logger, store });
  const beats: unknown[][] = [];
  const api = createApi({
    tenant: 'default',
    config: CONFIG,
    logger,
    commands,
    store,
    feed,
    pool: { query: refused } as unknown as ApiDependencies['pool'],
    freshness: { waitFor: async () => undefined },
    queues: () => [] as Queue[],
    heartbeats: { beat: async (...beat) => void beats.push(beat) },
    unledPools: { list: [], has: () => false },
    fleet: fleet.watch,
    pools: fleet.pools,
    waits: outcomes.waits,
    readiness: { parts: () => [{ name: 'log', check: () => store.head() }], draining: () => false },
    metrics: createMetrics({ clock, logger }),
    ...given,
  });
  const server = createHttpServer(api.app, limits);
  api.attachWebSockets(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;

  const raw = async (body: BodyInit | undefined, headers: Record<string, string> = {}): Promise<GraphQLAnswer> => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body }),
      ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
    } as RequestInit);
    const text = await response.text();
    const parsed = text.startsWith('{') ? JSON.parse(text) : undefined;
    const code = parsed?.errors?.[0]?.extensions?.code ?? parsed?.code;
    return { status: response.status, headers: response.headers, text, body: parsed, code };
  };

  return {
    url,
    api,
    store,
    commands,
    waits: given.waits ?? outcomes.waits,
    /** Arguments of the heartbeats taken. */
    beats,
    raw,
    post: (query: string, variables?: unknown, headers?: Record<string, string>) =>
      raw(JSON.stringify({ query, variables }), headers),
    events: async (): Promise<StoredEvent[]> => (await store.readAll({ limit: 100_000 })).events,
    async stop() {
      await api.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await outcomes.stop();
      await fleet.stop();
      await feed.stop();
      await store.close();
    },
  };
};

export const SUBMIT = `mutation ($input: SubmitTaskInput!, $key: String) {
  submitTask(input: $input, idempotencyKey: $key) {
    ... on TaskAccepted { taskId position repeated }
    ... on TaskRejected { reason message status deadlineAt }
  }
}`;

export const REGISTER = `mutation ($input: RegisterAgentInput!) {
  registerAgent(input: $input) {
    ... on AgentAccepted { agentId position repeated }
    ... on AgentRejected { reason message }
  }
}`;
