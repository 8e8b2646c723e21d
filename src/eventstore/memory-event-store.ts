import type { Json } from '../domain/json.ts';
import type { Clock } from '../platform/clock.ts';
import { AppError, unavailable } from '../platform/errors.ts';
import {
  type AllSubscriber,
  type AllSubscription,
  type AppendResult,
  type EventMetadata,
  type EventStore,
  type ExpectedRevision,
  type NewEvent,
  type Position,
  RevisionConflict,
  type StoredEvent,
} from './event-store.ts';
import { isSystemEvent, MemorySubscription } from './memory-subscription.ts';

/** Positions are not dense, as in the real store: code that counts with them fails here too. */
const POSITION_STEP = 16n;
/** The default of EventStoreDB. */
const MAX_APPEND_BYTES = 1_048_576;

const positionAt = (index: number): Position => BigInt(index + 1) * POSITION_STEP;
const indexAfter = (position: Position): number => Number(position / POSITION_STEP);

const deepFreeze = <T>(value: T): T => {
  if (value !== null && typeof value === 'object') {
    Object.freeze(value);
    for (const member of Object.values(value)) deepFreeze(member);
  }
  return value;
};

/** Written, as the wire would carry it. */
type Written = Pick<NewEvent, 'id' | 'type'> & { readonly data: string; readonly metadata: string };

const write = ({ id, type, data, metadata }: NewEvent): Written => ({
  id,
  type,
  data: JSON.stringify(data),
  metadata: JSON.stringify(metadata),
});

/** Frozen, because every reader gets the same object. */
const read = <T extends Json | EventMetadata>(text: string): T => deepFreeze(JSON.parse(text) as T);

const checkSize = (events: readonly Written[]): void => {
  const bytes = events.reduce(
    (sum, { data, metadata }) => sum + Buffer.byteLength(data) + Buffer.byteLength(metadata),
    0,
  );
  if (bytes > MAX_APPEND_BYTES)
    throw new AppError(
      'BAD_USER_INPUT',
      `too large to be recorded: one append holds at most ${MAX_APPEND_BYTES} bytes`,
      {
        details: { limit: MAX_APPEND_BYTES },
      },
    );
};

type ReadStreamOptions = NonNullable<Parameters<EventStore['readStream']>[1]>;
type SubscribeOptions = Parameters<EventStore['subscribeAll']>[1];

/** The events, by position and by stream, and who follows them. */
class MemoryLog {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #events: StoredEvent[] = [];
  readonly #streams = new Map<string, StoredEvent[]>();
  readonly #subscriptions = new Set<MemorySubscription>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  append(stream: string, events: readonly NewEvent[], expectedRevision: ExpectedRevision): AppendResult {
    if (events.length === 0) throw new Error('bug: an append without events');
    const history = this.#streams.get(stream) ?? [];
    const start = expectedRevision === 'no_stream' ? 0 : Number(expectedRevision) + 1;
    const repeated = events.every(({ id }, index) => history[start + index]?.id === id);
    if (start !== history.length && !repeated) {
      const actual: ExpectedRevision = history.at(-1)?.revision ?? 'no_stream';
      throw new RevisionConflict(stream, expectedRevision, actual);
    }
    if (!repeated) {
      const written = events.map(write);
      checkSize(written);
      this.#record(stream, history, written);
    }
    const { revision, position } = history[start + events.length - 1] as StoredEvent;
    return { revision, position };
  }

  #record(stream: string, history: StoredEvent[], events: readonly Written[]): void {
    const recordedAt = new Date(this.#clock.now()).toISOString();
    for (const { id, type, data, metadata } of events) {
      const event: StoredEvent = Object.freeze({
        stream,
        revision: BigInt(history.length),
        position: positionAt(this.#events.length),
        id,
        type,
        data: read<Json>(data),
        metadata: read<EventMetadata>(metadata),
        recordedAt,
      });
      history.push(event);
      this.#events.push(event);
    }
    this.#streams.set(stream, history);
    for (const subscription of this.#subscriptions) subscription.wake();
  }

  readStream(
    stream: string,
    { from, direction = 'forwards', limit = Number.MAX_SAFE_INTEGER }: ReadStreamOptions,
  ): StoredEvent[] {
    const history = this.#streams.get(stream) ?? [];
    if (direction === 'forwards') {
      const start = Number(from ?? 0n);
      return history.slice(start, Math.min(start + limit, history.length));
    }
    const end = from === undefined ? history.length : Math.min(Number(from) + 1, history.length);
    return history.slice(Math.max(0, end - limit), end).reverse();
  }

  readAll(after: Position | undefined, limit: number): { events: StoredEvent[]; next: Position | undefined } {
    const start = after === undefined ? 0 : indexAfter(after);
    const considered = this.#events.slice(start, start + limit);
    const more = start + limit < this.#events.length;
    return {
      events: considered.filter((event) => !isSystemEvent(event)),
      next: more ? considered.at(-1)?.position : undefined,
    };
  }

  head(): Position | undefined {
    return this.#events.findLast((event) => !isSystemEvent(event))?.position;
  }

  subscribe(subscriber: AllSubscriber, { after, signal }: SubscribeOptions): AllSubscription {
    const start = after === undefined ? 0 : after === 'end' ? this.#events.length : indexAfter(after);
    const subscription = new MemorySubscription(this.#events, subscriber, start);
    this.#subscriptions.add(subscription);
    const stop = (): void => subscription.stop();
    if (signal?.aborted) stop();
    signal?.addEventListener('abort', stop, { once: true });
    const forget = (): void => {
      this.#subscriptions.delete(subscription);
      signal?.removeEventListener('abort', stop);
    };
    subscription.done.then(forget, forget);
    return subscription;
  }

  async endSubscriptions(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.stop();
    await Promise.allSettled([...this.#subscriptions].map(({ done }) => done));
  }
}

/** The log in memory, with the same rules as the real store: for simulation and unit specs. Events are frozen. */
export const createMemoryEventStore = ({ clock }: { readonly clock: Pick<Clock, 'now'> }): EventStore => {
  const log = new MemoryLog(clock);
  let closed = false;
  const open = (): MemoryLog => {
    if (closed) throw unavailable('the event store is closed');
    return log;
  };
  return {
    append: async (stream, events, { expectedRevision }) => open().append(stream, events, expectedRevision),
    readStream: async (stream, options = {}) => open().readStream(stream, options),
    readAll: async ({ after, limit }) => open().readAll(after, limit),
    head: async () => open().head(),
    subscribeAll: (subscriber, options) => open().subscribe(subscriber, options),
    close: async () => {
      closed = true;
      await log.endSubscriptions();
    },
  };
};
