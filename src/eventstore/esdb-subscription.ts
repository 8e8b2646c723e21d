import {
  type AllStreamResolvedEvent,
  type AllStreamSubscription,
  END,
  type EventStoreDBClient,
  excludeSystemEvents,
  START,
} from '@eventstore/db-client';
import { unavailable } from '../platform/errors.ts';
import { isSystemEvent, toStoredEvent } from './esdb-records.ts';
import type { AllSubscriber, AllSubscription, Position } from './event-store.ts';

/** Times 32 events considered: how often the server tells its position when it has nothing else to tell. */
const CHECKPOINT_INTERVAL = 8;
/** Events held ready for a subscriber that takes its time; beyond them the server has to wait. */
const READ_AHEAD = 512;

const fromPositionOf = (after: Position | 'end' | undefined) =>
  after === undefined ? START : after === 'end' ? END : { commit: after, prepare: after };

/** A subscription of the client, made to hold back for a subscriber that is busy. */
class EsdbSubscription implements AllSubscription {
  readonly done: Promise<void>;
  readonly #subscriber: AllSubscriber;
  readonly #source: AllStreamSubscription;
  #resolve: () => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #state: 'open' | 'stopping' | 'ended' = 'open';
  /** Settles when the subscriber is through with what it was given last; absent when it is idle. */
  #busy: Promise<void> | undefined;
  #checkpoint: { readonly position: Position; readonly passed: () => void } | undefined;

  constructor(client: EventStoreDBClient, subscriber: AllSubscriber, after: Position | 'end' | undefined) {
    this.#subscriber = subscriber;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#source = client.subscribeToAll(
      {
        fromPosition: fromPositionOf(after),
        filter: excludeSystemEvents({
          checkpointInterval: CHECKPOINT_INTERVAL,
          checkpointReached: (_subscription, position) => this.#onCheckpoint(position.commit),
        }),
      },
      { highWaterMark: READ_AHEAD },
    );
    this.#source.on('data', (resolved: AllStreamResolvedEvent) => this.#onData(resolved));
    this.#source.on('caughtUp', () => {
      if (this.#state === 'open') this.#subscriber.onCaughtUp?.();
    });
    this.#source.on('error', (error) => this.#fail(unavailable('the subscription to the event store was lost', error)));
    this.#source.on('end', () => this.#fail(unavailable('the event store ended the subscription')));
  }

  stop(): void {
    if (this.#state !== 'open') return;
    this.#state = 'stopping';
    this.#close();
    // One turn later: when the subscriber stops it from within a call, what it returns is not known yet.
    void Promise.resolve()
      .then(() => this.#busy)
      .then(() => {
        this.#state = 'ended';
        this.#resolve();
      });
  }

  #fail(error: unknown): void {
    if (this.#state !== 'open') return;
    this.#state = 'ended';
    this.#close();
    this.#reject(error);
  }

  #close(): void {
    this.#checkpoint?.passed();
    // Rejects when the call could not even be opened, which `error` has told.
    this.#source.unsubscribe().catch(() => {});
    this.#source.resume(); // what is left flows out unseen, so that the call can end
  }

  #onData({ event }: AllStreamResolvedEvent): void {
    if (this.#state !== 'open' || event === undefined || isSystemEvent(event)) return;
    this.#give(() => this.#subscriber.onEvent(toStoredEvent(event)));
    if (!this.#busy) this.#passCheckpoint();
  }

  /** The client tells a checkpoint ahead of the events that wait in its buffer: hold it until they are through. */
  #onCheckpoint(position: Position): Promise<void> {
    if (this.#state !== 'open') return Promise.resolve();
    return new Promise((passed) => {
      this.#checkpoint = { position, passed };
      if (!this.#busy) this.#passCheckpoint();
    });
  }

  #passCheckpoint(): void {
    const checkpoint = this.#checkpoint;
    if (checkpoint === undefined || this.#source.readableLength > 0) return;
    this.#checkpoint = undefined;
    this.#give(() => this.#subscriber.onCheckpoint?.(checkpoint.position));
    void (this.#busy ?? Promise.resolve()).then(checkpoint.passed);
  }

  /** Calls the subscriber; while a promise it returned is pending, the source is paused. */
  #give(call: () => void | Promise<void> | undefined): void {
    try {
      const pending = call();
      if (pending === undefined) return;
      this.#source.pause();
      this.#busy = pending.then(
        () => this.#goOn(),
        (error) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  #goOn(): void {
    this.#busy = undefined;
    if (this.#state !== 'open') return;
    this.#passCheckpoint();
    if (!this.#busy) this.#source.resume();
  }
}

export const subscribeToAll = (
  client: EventStoreDBClient,
  subscriber: AllSubscriber,
  options: { readonly after?: Position | 'end'; readonly signal?: AbortSignal },
): AllSubscription => {
  const { after, signal } = options;
  const subscription = new EsdbSubscription(client, subscriber, after);
  const stop = (): void => subscription.stop();
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop, { once: true });
  const forget = (): void => signal?.removeEventListener('abort', stop);
  subscription.done.then(forget, forget);
  return subscription;
};
