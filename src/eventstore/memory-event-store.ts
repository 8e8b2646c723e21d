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

/** Positions are not dense, as in the real store: code that counts with them fails here too. */
const POSITION_STEP = 16n;
/** The default of EventStoreDB. */
const MAX_APPEND_BYTES = 1_048_576;
/** Events considered between two checkpoints. */
const CHECKPOINT_EVERY = 32;

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

const isSystemEvent = (event: StoredEvent): boolean => event.type.startsWith('$') || event.stream.startsWith('$');

/** One subscriber's way through the log: reads on until the end, waits to be woken, goes on. */
class Pump implements AllSubscription {
  readonly done: Promise<void>;
  readonly #log: readonly StoredEvent[];
  readonly #subscriber: AllSubscriber;
  #next: number;
  #sinceCheckpoint = 0;
  #caughtUp = false;
  #stopped = false;
  #wake: () => void = () => {};

  constructor(log: readonly StoredEvent[], subscriber: AllSubscriber, start: number) {
    this.#log = log;
    this.#subscriber = subscriber;
    this.#next = start;
    this.done = this.#run();
  }

  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  wake(): void {
    this.#wake();
  }

  async #run(): Promise<void> {
    await Promise.resolve(); // like a server's, the first event comes after subscribing has returned
    while (!this.#stopped) {
      const event = this.#log[this.#next];
      if (event === undefined) await this.#atEnd();
      else {
        this.#next += 1;
        await this.#consider(event);
      }
    }
  }

  async #consider(event: StoredEvent): Promise<void> {
    if (!isSystemEvent(event)) await this.#subscriber.onEvent(event);
    this.#sinceCheckpoint += 1;
    if (this.#sinceCheckpoint >= CHECKPOINT_EVERY && !this.#stopped) {
      this.#sinceCheckpoint = 0;
      await this.#subscriber.onCheckpoint?.(event.position);
    }
  }

  #atEnd(): Promise<void> {
    if (!this.#caughtUp) {
      this.#caughtUp = true;
      this.#subscriber.onCaughtUp?.();
    }
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (this.#stopped || this.#next < this.#log.length) resolve();
    });
  }
}

/** The log in memory, with the same rules as the real store: for simulation and unit specs. Events are frozen. */
export const createMemoryEventStore = ({ clock }: { readonly clock: Pick<Clock, 'now'> }): EventStore => {
  const log: StoredEvent[] = [];
  const streams = new Map<string, StoredEvent[]>();
  const pumps = new Set<Pump>();
  let closed = false;

  const checkOpen = (): void => {
    if (closed) throw unavailable('the event store is closed');
  };

  const record = (stream: string, history: StoredEvent[], events: readonly Written[]): void => {
    const recordedAt = new Date(clock.now()).toISOString();
    for (const { id, type, data, metadata } of events) {
      const event: StoredEvent = Object.freeze({
        stream,
        revision: BigInt(history.length),
        position: positionAt(log.length),
        id,
        type,
        data: read<Json>(data),
        metadata: read<EventMetadata>(metadata),
        recordedAt,
      });
      history.push(event);
      log.push(event);
    }
    streams.set(stream, history);
    for (const pump of pumps) pump.wake();
  };

  return {
    async append(stream, events, { expectedRevision }): Promise<AppendResult> {
      checkOpen();
      if (events.length === 0) throw new Error('bug: an append without events');
      const history = streams.get(stream) ?? [];
      const start = expectedRevision === 'no_stream' ? 0 : Number(expectedRevision) + 1;
      const repeated = events.every(({ id }, index) => history[start + index]?.id === id);
      if (start !== history.length && !repeated) {
        const actual: ExpectedRevision = history.at(-1)?.revision ?? 'no_stream';
        throw new RevisionConflict(stream, expectedRevision, actual);
      }
      if (!repeated) {
        const written = events.map(write);
        checkSize(written);
        record(stream, history, written);
      }
      const { revision, position } = history[start + events.length - 1] as StoredEvent;
      return { revision, position };
    },

    async readStream(stream, { from, direction = 'forwards', limit = Number.MAX_SAFE_INTEGER } = {}) {
      checkOpen();
      const history = streams.get(stream) ?? [];
      if (direction === 'forwards') {
        const start = Number(from ?? 0n);
        return history.slice(start, Math.min(start + limit, history.length));
      }
      const end = from === undefined ? history.length : Math.min(Number(from) + 1, history.length);
      return history.slice(Math.max(0, end - limit), end).reverse();
    },

    async readAll({ after, limit }) {
      checkOpen();
      const start = after === undefined ? 0 : indexAfter(after);
      const considered = log.slice(start, start + limit);
      const more = start + limit < log.length;
      return {
        events: considered.filter((event) => !isSystemEvent(event)),
        next: more ? considered.at(-1)?.position : undefined,
      };
    },

    async head() {
      checkOpen();
      return log.findLast((event) => !isSystemEvent(event))?.position;
    },

    subscribeAll(subscriber, { after, signal }) {
      checkOpen();
      const start = after === undefined ? 0 : after === 'end' ? log.length : indexAfter(after);
      const pump = new Pump(log, subscriber, start);
      pumps.add(pump);
      const stop = (): void => pump.stop();
      if (signal?.aborted) stop();
      signal?.addEventListener('abort', stop, { once: true });
      const forget = (): void => {
        pumps.delete(pump);
        signal?.removeEventListener('abort', stop);
      };
      pump.done.then(forget, forget);
      return pump;
    },

    async close() {
      closed = true;
      for (const pump of pumps) pump.stop();
      await Promise.allSettled([...pumps].map((pump) => pump.done));
    },
  };
};
