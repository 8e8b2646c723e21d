import { hostname } from 'node:os';
import type { EventStore } from '../eventstore/event-store.ts';
import { LogFeed } from '../eventstore/log-feed.ts';
import { systemClock } from '../platform/clock.ts';
import { readConfig } from '../platform/config.ts';
import { createLogger } from '../platform/logger.ts';
import { createPool, startFailure } from '../platform/postgres.ts';
import type { ProjectionContext } from '../projections/context.ts';
import { projectors } from '../projections/registry.ts';
import { storeNotFound, storeUrls } from './connection.ts';
import { withEventStore } from './stores.ts';
import type { Terminal } from './terminal.ts';

const CONNECTIONS = 4;

const run = async <Result>(
  terminal: Terminal,
  store: EventStore,
  databaseUrl: string,
  work: (context: ProjectionContext) => Promise<Result>,
): Promise<Result> => {
  const logger = createLogger('silent');
  const { leaseMs } = readConfig(terminal.env);
  const pool = createPool(databaseUrl, CONNECTIONS, logger);
  try {
    const feed = await LogFeed.start({ store, clock: systemClock, logger });
    try {
      const holder = `${hostname()}:${process.pid}`;
      return await work({ pool, store, feed, projectors, clock: systemClock, logger, holder, leaseMs });
    } catch (error) {
      throw startFailure(error, databaseUrl);
    } finally {
      await feed.stop();
    }
  } finally {
    await pool.end();
  }
};

/** Runs `work` on the read models with its own connections, without a server; a running server is not affected. */
export const withProjections = async <Result>(
  terminal: Terminal,
  work: (context: ProjectionContext) => Promise<Result>,
): Promise<Result> => {
  const { databaseUrl } = storeUrls(terminal);
  if (databaseUrl === undefined) throw storeNotFound('Postgres', 'DATABASE_URL');
  return withEventStore(terminal, (store) => run(terminal, store, databaseUrl, work));
};
