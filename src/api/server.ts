import type { Server } from 'node:http';
import express, { type Express } from 'express';
import helmet from 'helmet';
import type { Commands } from '../commands/context.ts';
import type { EventStore } from '../eventstore/event-store.ts';
import type { Config } from '../platform/config.ts';
import type { Logger } from '../platform/logger.ts';
import type { Queryable } from '../projections/database.ts';
import { callerOf } from './caller.ts';
import { type Freshness, Reads } from './graphql/reads.ts';
import { createSchema } from './graphql/schema.ts';
import { createGraphQL, GRAPHQL_PATH } from './graphql/yoga.ts';
import { healthz, type Readiness, readyz } from './health.ts';
import { noSuchPath, problems } from './http-errors.ts';
import { requestLog } from './request-log.ts';

/** Whether the address is served over TLS is known to the proxy that does it. */
const HEADERS = { strictTransportSecurity: false } as const;

/** What the API is made of. It opens nothing and closes nothing of it. */
export type ApiDependencies = {
  readonly config: Pick<Config, 'graphiql' | 'queuesWritable'>;
  readonly logger: Logger;
  readonly commands: Commands;
  readonly store: EventStore;
  readonly pool: Queryable;
  readonly freshness: Freshness;
  readonly readiness: Readiness;
};

export type Api = {
  readonly app: Express;
  /** Takes WebSocket upgrades of `/graphql` from this server. */
  attachWebSockets(server: Server): void;
  /** Ends subscriptions and refuses new ones. */
  close(): Promise<void>;
};

export const createApi = (deps: ApiDependencies): Api => {
  const { config, logger, commands } = deps;
  const graphql = createGraphQL({
    schema: createSchema(),
    explorable: config.graphiql,
    logger,
    contextOf: (request) => {
      const caller = callerOf({ header: (name) => request.headers.get(name) ?? undefined });
      return { caller, commands, reads: new Reads(deps, caller.tenant) };
    },
  });

  const app = express();
  app.disable('x-powered-by');
  app.set('query parser', 'simple');
  app.use(requestLog(commands, logger));
  app.get('/healthz', healthz);
  app.get('/readyz', readyz(deps.readiness, commands.clock, logger));
  // GraphiQL is one page with its scripts inside.
  app.use(GRAPHQL_PATH, helmet({ ...HEADERS, contentSecurityPolicy: false }), graphql);
  app.use(helmet(HEADERS));
  app.use(noSuchPath);
  app.use(problems(logger));
  return {
    app,
    attachWebSockets: () => undefined,
    close: async () => undefined,
  };
};
