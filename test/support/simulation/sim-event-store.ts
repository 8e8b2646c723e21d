import type {
  AllSubscriber,
  AllSubscription,
  EventStore,
  Position,
  StoredEvent,
} from '../../../src/eventstore/event-store.ts';
import { unavailable } from '../../../src/platform/errors.ts';
import type { SimProcess } from './process.ts';
import type { SimServer } from './server.ts';
import type { Timeline } from './timeline.ts';

type Subscription = { readonly wake: () => void; readonly drop: () => void };

/** The log of the simulated world: one in memory, reached over a `SimServer`. */
export class SimLog {
  readonly events: StoredEvent[] = [];
  readonly #store: EventStore;
  readonly #server: SimServer;
  readonly #timeline: Timeline;
  readonly #subscriptions = new Set<Subscription>();
  readonly #followed: AllSubscription;

  constructor(store: EventStore, server: SimServer, timeline: Timeline) {
    this.#store = store;
    this.#server = server;
    this.#timeline = timeline;
    this.#followed = store.subscribeAll({ onEvent: (event) => this.#onEvent(event) }, {});
  }

  async close(): Promise<void> {
    this.#followed.stop();
    await this.#followed.done;
  }

  /** The server ends all subscriptions, as it does with clients that are too slow. */
  dropSubscriptions(): void {
    for (const { drop } of [...this.#subscriptions]) drop();
  }

  #onEvent(event: StoredEvent): void {
    this.events.push(event);
    for (const { wake } of this.#subscriptions) wake();
  }

  /** The store as a process has it. */
  for(process: SimProcess): EventStore {
    const store = this.#store;
    const call = <T>(work: () => Promise<T>): Promise<T> => this.#server.call(process, work);
    return {
      append: (...args) => call(() => store.append(...args)),
      readStream: (...args) => call(() => store.readStream(...args)),
      readAll: (options) => call(() => store.readAll(options)),
      head: () => call(() => store.head()),
      subscribeAll: (subscriber, options) => this.#subscribe(process, subscriber, options),
      close: async () => {},
    };
  }

  #subscribe(
    process: SimProcess,
    subscriber: AllSubscriber,
    { after, signal }: { readonly after?: Position | 'end'; readonly signal?: AbortSignal },
  ): AllSubscription {
    let next = after === 'end' ? this.events.length : this.#indexAfter(after);
    let isPlanned = false;
    let hasEnded = false;
    let caughtUp = false;
    let end: (error?: unknown) => void = () => {};
    const done = new Promise<void>((resolve, reject) => {
      end = (error) => {
        hasEnded = true;
        this.#subscriptions.delete(subscription);
        if (error === undefined) resolve();
        else reject(error);
      };
    });
    const deliver = (): void => {
      isPlanned = false;
      if (hasEnded) return;
      for (; next < this.events.length; next += 1) void subscriber.onEvent(this.events[next] as StoredEvent);
      if (!caughtUp) subscriber.onCaughtUp?.();
      caughtUp = true;
    };
    const wake = (): void => {
      if (isPlanned || hasEnded) return;
      isPlanned = true;
      // A paused server sends nothing.
      void this.#server.whenRunning(() => this.#timeline.after(this.#server.latencyMs(), process, deliver));
    };
    const drop = (): void => {
      this.#timeline.after(this.#server.latencyMs(), process, () => hasEnded || end(unavailable('Consumer too slow')));
    };
    const subscription = { wake, drop };
    this.#subscriptions.add(subscription);
    signal?.addEventListener('abort', () => hasEnded || end(), { once: true });
    wake();
    return { done, stop: () => end() };
  }

  #indexAfter(position: Position | undefined): number {
    if (position === undefined) return 0;
    const index = this.events.findIndex((event) => event.position > position);
    return index === -1 ? this.events.length : index;
  }
}
