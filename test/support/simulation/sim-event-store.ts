import type {
  AllSubscriber,
  AllSubscription,
  EventStore,
  Position,
  StoredEvent,
} from '../../../src/eventstore/event-store.ts';
import { MemorySubscription } from '../../../src/eventstore/memory-subscription.ts';
import { unavailable } from '../../../src/platform/errors.ts';
import type { SimProcess } from './process.ts';
import type { SimServer } from './server.ts';
import type { Timeline } from './timeline.ts';

/** The log of the simulated world: one in memory, reached over a `SimServer`. */
export class SimLog {
  readonly events: StoredEvent[] = [];
  readonly #store: EventStore;
  readonly #server: SimServer;
  readonly #timeline: Timeline;
  readonly #subscriptions = new Set<SimSubscription>();
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
    for (const subscription of [...this.#subscriptions]) subscription.drop();
  }

  #onEvent(event: StoredEvent): void {
    this.events.push(event);
    for (const subscription of this.#subscriptions) subscription.wake();
  }

  /** The store as a process has it. */
  for(process: SimProcess): EventStore {
    const store = this.#store;
    const closed = new AbortController();
    const call = async <T>(work: () => Promise<T>): Promise<T> => {
      if (closed.signal.aborted) throw unavailable('the event store is closed');
      return this.#server.call(process, work);
    };
    return {
      append: (...args) => call(() => store.append(...args)),
      readStream: (...args) => call(() => store.readStream(...args)),
      readAll: (options) => call(() => store.readAll(options)),
      head: () => call(() => store.head()),
      subscribeAll: (subscriber, { after, signal }) => {
        const start = after === 'end' ? this.events.length : this.#indexAfter(after);
        const signals = [closed.signal, ...(signal ? [signal] : [])];
        return new SimSubscription(this.#wire(process), { log: this.events, subscriber, start, signals });
      },
      close: async () => closed.abort(),
    };
  }

  #wire(process: SimProcess): Wire {
    const server = this.#server;
    return {
      known: this.#subscriptions,
      // A paused server sends nothing.
      send: (deliver) => server.whenRunning(() => this.#timeline.after(server.latencyMs(), process, deliver)),
    };
  }

  #indexAfter(position: Position | undefined): number {
    if (position === undefined) return 0;
    const index = this.events.findIndex((event) => event.position > position);
    return index === -1 ? this.events.length : index;
  }
}

/** How events reach a process, and who is to be told of new ones. */
type Wire = { readonly known: Set<SimSubscription>; send(deliver: () => void): void };

type Subscribed = {
  readonly log: readonly StoredEvent[];
  readonly subscriber: AllSubscriber;
  readonly start: number;
  readonly signals: readonly AbortSignal[];
};

/** What has reached the process is read as the store in memory reads its log: one event at a time. */
class SimSubscription implements AllSubscription {
  readonly done: Promise<void>;
  readonly #wire: Wire;
  readonly #options: Subscribed;
  readonly #arrived: StoredEvent[] = [];
  #reader: MemorySubscription | undefined;
  #isPlanned = false;
  #hasEnded = false;
  #end: (how: Promise<void>) => void = () => {};

  constructor(wire: Wire, options: Subscribed) {
    this.#wire = wire;
    this.#options = options;
    this.done = new Promise((resolve) => {
      this.#end = resolve;
    });
    wire.known.add(this);
    for (const signal of options.signals) {
      if (signal.aborted) this.stop();
      signal.addEventListener('abort', () => this.stop(), { once: true });
    }
    this.wake();
  }

  stop(): void {
    this.#finish(async () => {});
  }

  /** The server ends it. */
  drop(): void {
    this.#wire.send(() =>
      this.#finish(async () => {
        throw unavailable('Consumer too slow');
      }),
    );
  }

  /** There is something new. */
  wake(): void {
    if (this.#isPlanned || this.#hasEnded) return;
    this.#isPlanned = true;
    this.#wire.send(() => {
      this.#isPlanned = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    if (this.#hasEnded) return;
    const { log, start, subscriber } = this.#options;
    for (let next = start + this.#arrived.length; next < log.length; next += 1)
      this.#arrived.push(log[next] as StoredEvent);
    if (this.#reader) {
      this.#reader.wake();
      return;
    }
    this.#reader = new MemorySubscription(this.#arrived, subscriber, 0);
    this.#reader.done.catch((error: unknown) =>
      this.#finish(async () => {
        throw error;
      }),
    );
  }

  /** Once the subscriber is done with its event. */
  #finish(how: () => Promise<void>): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#wire.known.delete(this);
    this.#reader?.stop();
    this.#end((this.#reader?.done ?? Promise.resolve()).then(how, how));
  }
}
