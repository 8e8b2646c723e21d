import type { Redis } from 'ioredis';

const channelOf = (prefix: string, queue: string): string => `${prefix}:${queue}:offered`;

/** Tells every process that listens that the queue has jobs. A hint: whoever misses it hears the next one, with the next offer. */
export const sayOffered = (redis: Redis, prefix: string, queue: string): Promise<unknown> =>
  redis.publish(channelOf(prefix, queue), '');

/** Lists and sets of BullMQ that hold jobs which are not done. */
const OPEN = ['wait', 'active', 'delayed', 'paused', 'prioritized'] as const;

/** Hears, over one connection, of jobs in any number of queues. */
export class QueueWords {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #listeners = new Map<string, { readonly queue: string; readonly hearers: Set<() => void> }>();
  #subscriber: Redis | undefined;

  /** @param redis answers questions; hearing takes a connection of its own, once there is something to hear */
  constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.#prefix = prefix;
  }

  /** Calls `hear` when the queue gets jobs, and once if it has some. Returns how to end that. */
  listen(queue: string, hear: () => void): () => void {
    const channel = channelOf(this.#prefix, queue);
    const known = this.#listeners.get(channel);
    if (known) known.hearers.add(hear);
    else this.#listeners.set(channel, { queue, hearers: new Set([hear]) });
    const subscriber = this.#connected();
    // Fails when the connection is closed for good; while Redis is away it waits.
    subscriber.subscribe(channel).then(
      () => this.#ask(channel),
      () => {},
    );
    return () => {
      const hearers = this.#listeners.get(channel)?.hearers;
      hearers?.delete(hear);
      if (hearers?.size !== 0) return;
      this.#listeners.delete(channel);
      subscriber.unsubscribe(channel).catch(() => {});
    };
  }

  close(): void {
    this.#subscriber?.disconnect();
  }

  #connected(): Redis {
    if (this.#subscriber) return this.#subscriber;
    const subscriber = this.#redis.duplicate();
    this.#subscriber = subscriber;
    subscriber.on('message', (channel: string) => this.#tell(channel));
    // What was said while it was not connected was said to nobody. The connection for questions reports the outage.
    subscriber.on('error', () => {});
    subscriber.on('ready', () => {
      for (const channel of this.#listeners.keys()) this.#ask(channel);
    });
    return subscriber;
  }

  #tell(channel: string): void {
    for (const hear of this.#listeners.get(channel)?.hearers ?? []) hear();
  }

  #ask(channel: string): void {
    const { queue } = this.#listeners.get(channel) ?? {};
    if (queue === undefined) return;
    this.#redis.exists(OPEN.map((kind) => `${this.#prefix}:${queue}:${kind}`)).then(
      (found) => {
        if (found > 0) this.#tell(channel);
      },
      () => {},
    );
  }
}
