import type { EventStore } from '../eventstore/event-store.ts';
import { systemClock } from '../platform/clock.ts';
import { createLogger } from '../platform/logger.ts';
import { storeNotFound, storeUrls } from './connection.ts';
import type { Terminal } from './terminal.ts';

/** Shorter than for a server: a person is waiting. */
const RETRY_FOR_MS = 3_000;

/** Runs `work` with its own connection to the event store, without a server. */
export const withEventStore = async <Result>(
  terminal: Terminal,
  work: (store: EventStore) => Promise<Result>,
): Promise<Result> => {
  const { eventStoreUrl } = storeUrls(terminal);
  if (eventStoreUrl === undefined) throw storeNotFound('the event store', 'EVENTSTORE_URL');
  const { createEsdbEventStore } = await import('../eventstore/esdb-event-store.ts'); // loads gRPC
  const logger = createLogger('silent');
  const store = createEsdbEventStore(eventStoreUrl, { logger, clock: systemClock, retryForMs: RETRY_FOR_MS });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
};
