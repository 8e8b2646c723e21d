import type { LiveCall } from './esdb-live-call.ts';
import { Checkpoint, isSystemEvent, type ReadMessage } from './esdb-wire.ts';
import type { AllSubscriber, AllSubscription, EventStore, Position } from './event-store.ts';

/** Records per read, and between checkpoints, while behind. It subscribes when it is fewer behind: the server holds live events that long. */
const PAGE = 256;

type From = Position | 'start' | 'end';

/** What a subscription works with. */
export type SubscriptionSource = {
  readonly readAll: EventStore['readAll'];
  readonly subscribe: (after: From) => Promise<LiveCall>;
};

/**
 * A subscription that reads pages until it is close to the end of the log, then takes live events. When events come faster than the
 * subscriber takes them, or the server says so, it reads pages again.
 */
class EsdbSubscription implements AllSubscription {
  readonly done: Promise<void>;
  readonly #source: SubscriptionSource;
  readonly #subscriber: AllSubscriber;
  #live: LiveCall | undefined;
  #resolve: () => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #state: 'open' | 'stopping' | 'ended' = 'open';
  /** Settles when the subscriber has finished its current message; absent when it is idle. */
  #busy: Promise<void> | undefined;

  constructor(source: SubscriptionSource, subscriber: AllSubscriber, after: From) {
    this.#source = source;
    this.#subscriber = subscriber;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#run(after).catch((error) => this.#fail(error));
  }

  stop(): void {
    if (this.#state !== 'open') return;
    this.#state = 'stopping';
    this.#live?.cancel();
    // One turn later: if the subscriber stops it from within a call, that call has not returned yet.
    void Promise.resolve()
      .then(() => this.#busy?.catch(() => {}))
      .then(() => {
        this.#state = 'ended';
        this.#resolve();
      });
  }

  async #run(after: From): Promise<void> {
    await Promise.resolve(); // the first event arrives after `subscribeAll` has returned
    for (let from = after; this.#state === 'open'; ) {
      if (from !== 'end') from = await this.#readToHead(from);
      if (this.#state === 'open') from = await this.#followLive(from);
    }
  }

  /** Returns up to where it has read. */
  async #readToHead(from: Position | 'start'): Promise<Position | 'start'> {
    let position = from;
    while (this.#state === 'open') {
      const { events, next } = await this.#source.readAll(
        position === 'start' ? { limit: PAGE } : { after: position, limit: PAGE },
      );
      await this.#take(events);
      position = next ?? events.at(-1)?.position ?? position;
      if (next === undefined) break;
      await this.#take([new Checkpoint(next)]);
    }
    return position;
  }

  /** Returns when it has fallen behind, and up to where everything was taken. */
  async #followLive(from: From): Promise<From> {
    const live = await this.#source.subscribe(from);
    this.#live = live;
    while (this.#state === 'open') {
      const arrived = await live.next();
      if ('behind' in arrived) {
        this.#subscriber.onBehind?.(arrived.behind);
        break;
      }
      await this.#take(arrived);
    }
    live.cancel();
    return live.position ?? from;
  }

  #fail(error: unknown): void {
    if (this.#state !== 'open') return;
    this.#state = 'ended';
    this.#live?.cancel();
    this.#reject(error);
  }

  async #take(messages: readonly ReadMessage[]): Promise<void> {
    for (const message of messages) {
      if (this.#state !== 'open') return;
      const pending = this.#give(message);
      if (pending === undefined) continue;
      this.#busy = pending;
      await pending;
      this.#busy = undefined;
    }
  }

  #give(message: ReadMessage): void | Promise<void> {
    if (message instanceof Checkpoint) return this.#subscriber.onCheckpoint?.(message.position);
    if (typeof message === 'object') return isSystemEvent(message) ? undefined : this.#subscriber.onEvent(message);
    if (message === 'caught_up') this.#subscriber.onCaughtUp?.();
  }
}

export const subscribeToAll = (
  source: SubscriptionSource,
  subscriber: AllSubscriber,
  { after, signal }: { readonly after?: Position | 'end'; readonly signal?: AbortSignal },
): AllSubscription => {
  const subscription = new EsdbSubscription(source, subscriber, after ?? 'start');
  const stop = (): void => subscription.stop();
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop, { once: true });
  const forget = (): void => signal?.removeEventListener('abort', stop);
  subscription.done.then(forget, forget);
  return subscription;
};
