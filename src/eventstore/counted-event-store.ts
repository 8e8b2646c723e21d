import type { Clock } from '../platform/clock.ts';
import { AppError } from '../platform/errors.ts';
import { type EventStore, RevisionConflict } from './event-store.ts';

export type AppendCounters = {
  /** Acknowledged append calls, and the events in them. */
  calls: number;
  events: number;
  /** Appends refused because another writer had added to the stream. */
  conflicts: number;
  /** Reads of streams, and the events in them. */
  reads: number;
  eventsRead: number;
};

/** After this long without a try nobody knows whether appends would fail still: a server without traffic must not stay unready. */
const TROUBLE_KNOWN_MS = 30_000;

export type CountedStore = {
  readonly store: EventStore;
  readonly appends: AppendCounters;
  /** Why appends fail at present while reads may go on, as on a full disk; undefined when they work, as far as is known. */
  trouble(): string | undefined;
};

/** The same store, counting what is appended through it: appends are the largest cost of a task. */
export const countAppends = (store: EventStore, clock: Pick<Clock, 'monotonic'>): CountedStore => {
  let failed: { readonly reason: string; readonly at: number } | undefined;
  const appends: AppendCounters = { calls: 0, events: 0, conflicts: 0, reads: 0, eventsRead: 0 };
  return {
    appends,
    trouble: () => (failed && clock.monotonic() - failed.at < TROUBLE_KNOWN_MS ? failed.reason : undefined),
    store: {
      readAll: (...args) => store.readAll(...args),
      head: () => store.head(),
      subscribeAll: (...args) => store.subscribeAll(...args),
      close: () => store.close(),
      async readStream(...args) {
        const events = await store.readStream(...args);
        appends.reads += 1;
        appends.eventsRead += events.length;
        return events;
      },
      async append(stream, events, options) {
        try {
          const result = await store.append(stream, events, options);
          failed = undefined;
          appends.calls += 1;
          appends.events += events.length;
          return result;
        } catch (error) {
          if (error instanceof RevisionConflict) appends.conflicts += 1;
          if (error instanceof AppError && error.code === 'UNAVAILABLE')
            failed = { reason: error.message, at: clock.monotonic() };
          throw error;
        }
      },
    },
  };
};
