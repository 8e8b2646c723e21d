import type { EventStore } from './event-store.ts';

export type AppendCounters = {
  /** Acknowledged append calls, and the events in them. */
  calls: number;
  events: number;
};

/** The same store, counting what is appended through it: appends are the largest cost of a task. */
export const countAppends = (store: EventStore): { readonly store: EventStore; readonly appends: AppendCounters } => {
  const appends: AppendCounters = { calls: 0, events: 0 };
  return {
    appends,
    store: {
      readStream: (...args) => store.readStream(...args),
      readAll: (...args) => store.readAll(...args),
      head: () => store.head(),
      subscribeAll: (...args) => store.subscribeAll(...args),
      close: () => store.close(),
      async append(stream, events, options) {
        const result = await store.append(stream, events, options);
        appends.calls += 1;
        appends.events += events.length;
        return result;
      },
    },
  };
};
