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

/** The same store, counting what is appended through it: appends are the largest cost of a task. */
export const countAppends = (store: EventStore): { readonly store: EventStore; readonly appends: AppendCounters } => {
  const appends: AppendCounters = { calls: 0, events: 0, conflicts: 0, reads: 0, eventsRead: 0 };
  return {
    appends,
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
          appends.calls += 1;
          appends.events += events.length;
          return result;
        } catch (error) {
          if (error instanceof RevisionConflict) appends.conflicts += 1;
          throw error;
        }
      },
    },
  };
};
