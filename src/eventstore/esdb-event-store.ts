import { type EventStoreDBClient, WrongExpectedVersionError } from '@eventstore/db-client';
import { type Clock, type Random, systemRandom } from '../platform/clock.ts';
import { type AppError, unavailable } from '../platform/errors.ts';
import { createEventStoreClient } from '../platform/eventstore-client.ts';
import type { Logger } from '../platform/logger.ts';
import { appendInTries, type TryOutcome } from './append-tries.ts';
import { EsdbAppender } from './esdb-appender.ts';
import { openAppendCall, openLiveCall, openReadCall, withLargeWindows } from './esdb-connection.ts';
import { fromEsdbError, isTransientEsdbError, troubleOf } from './esdb-errors.ts';
import { readToEnd } from './esdb-read.ts';
import { type ReadRequest, readAllRequest, readStreamRequest } from './esdb-requests.ts';
import { subscribeToAll } from './esdb-subscription.ts';
import { isSystemEvent } from './esdb-wire.ts';
import type {
  AllSubscription,
  AppendResult,
  EventStore,
  ExpectedRevision,
  NewEvent,
  Position,
  StoredEvent,
} from './event-store.ts';
import { LogGate } from './log-gate.ts';
import { OutageLog } from './outage-log.ts';

/** A call is retried this long before it fails with `UNAVAILABLE`: longer than a leader election or a restart of the embedded node. */
const RETRY_FOR_MS = 10_000;
/** An append or read without progress for this long is cancelled and retried. The client itself would wait forever. */
const SILENCE_MS = 3_000;
/** Records read per step when searching backwards for the last event that is not the store's own. */
const HEAD_PAGE = 64;

export type EsdbOptions = {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random?: Random;
  readonly retryForMs?: number;
};

class EsdbEventStore implements EventStore {
  readonly #client: EventStoreDBClient;
  readonly #appender: EsdbAppender;
  readonly #outages: OutageLog;
  readonly #clock: Clock;
  /** Of their own: while a leader is elected, followers answer reads, and appends that are let pass by that would all fail again. */
  readonly #appends: LogGate;
  readonly #reads: LogGate;
  readonly #retryForMs: number;
  readonly #closing = new AbortController();
  readonly #subscriptions = new Set<AllSubscription>();

  constructor(
    client: EventStoreDBClient,
    { logger, clock, random = systemRandom, retryForMs = RETRY_FOR_MS }: EsdbOptions,
  ) {
    this.#client = client;
    this.#appender = new EsdbAppender(() => openAppendCall(client), clock, SILENCE_MS);
    this.#outages = new OutageLog(clock, logger);
    this.#clock = clock;
    this.#appends = new LogGate(clock, random);
    this.#reads = new LogGate(clock, random);
    this.#retryForMs = retryForMs;
  }

  async append(
    stream: string,
    events: readonly NewEvent[],
    { expectedRevision }: { readonly expectedRevision: ExpectedRevision },
  ): Promise<AppendResult> {
    if (events.length === 0) throw new Error('bug: an append without events');
    return this.#retrying(
      this.#appends,
      appendInTries(
        { stream, expectedRevision },
        () => this.#tryAppend(stream, events, expectedRevision),
        () => this.#findWritten(stream, events, expectedRevision),
      ),
    );
  }

  async readStream(
    stream: string,
    {
      from,
      direction = 'forwards',
      limit = Number.MAX_SAFE_INTEGER,
    }: NonNullable<Parameters<EventStore['readStream']>[1]> = {},
  ): Promise<StoredEvent[]> {
    const request = readStreamRequest(stream, from, direction, limit);
    return this.#retrying(this.#reads, async () => {
      const events: StoredEvent[] = [];
      await this.#readToEnd(request, (event) => events.push(event));
      return events;
    });
  }

  async readAll({ after, limit }: { readonly after?: Position; readonly limit: number }) {
    return this.#retrying(this.#reads, async () => {
      const events: StoredEvent[] = [];
      // The server starts at the position itself, which the caller already has: read one record more and drop the first.
      const count = after === undefined ? limit : limit + 1;
      let seen = 0;
      let last: Position | undefined;
      await this.#readToEnd(readAllRequest(after, 'forwards', count), (event) => {
        seen += 1;
        last = event.position;
        if (last !== after && !isSystemEvent(event)) events.push(event);
      });
      return { events, next: seen < count ? undefined : last };
    });
  }

  async head(): Promise<Position | undefined> {
    return this.#retrying(this.#reads, async () => {
      let before: Position | undefined;
      for (;;) {
        let found: Position | undefined;
        let oldest: Position | undefined;
        await this.#readToEnd(readAllRequest(before, 'backwards', HEAD_PAGE), (event) => {
          oldest = event.position;
          if (!isSystemEvent(event)) found ??= oldest;
        });
        if (found !== undefined || oldest === undefined) return found;
        before = oldest;
      }
    });
  }

  subscribeAll(...[subscriber, options]: Parameters<EventStore['subscribeAll']>): AllSubscription {
    if (this.#closing.signal.aborted) throw unavailable('the event store is closed');
    const source = {
      readAll: (page: Parameters<EventStore['readAll']>[0]) => this.readAll(page),
      subscribe: (after: Position | 'start' | 'end') => openLiveCall(this.#client, after),
    };
    const subscription = subscribeToAll(source, subscriber, options);
    this.#subscriptions.add(subscription);
    const forget = (): void => {
      this.#subscriptions.delete(subscription);
    };
    subscription.done.then(forget, forget);
    return subscription;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#appends.close();
    this.#reads.close();
    const open = [...this.#subscriptions];
    for (const subscription of open) subscription.stop();
    await Promise.allSettled(open.map((subscription) => subscription.done));
    this.#outages.close();
    this.#appender.close();
    await this.#client.dispose();
  }

  #readToEnd(request: ReadRequest, take: (event: StoredEvent) => void): Promise<void> {
    let hasAnswered = false;
    return readToEnd(openReadCall(this.#client, request), { clock: this.#clock, silenceMs: SILENCE_MS }, (event) => {
      if (!hasAnswered) this.#reads.answered(); // others need not wait for the end of a long read
      hasAnswered = true;
      take(event);
    });
  }

  async #tryAppend(
    stream: string,
    events: readonly NewEvent[],
    expectedRevision: ExpectedRevision,
  ): Promise<TryOutcome> {
    try {
      const { revision, position } = await this.#appender.append(stream, events, expectedRevision);
      return position === undefined ? { kind: 'appended_somewhere' } : { kind: 'appended', revision, position };
    } catch (error) {
      if (!(error instanceof WrongExpectedVersionError)) throw error;
      return { kind: 'conflict', actual: error.actualVersion as ExpectedRevision };
    }
  }

  /** The events of an append whose answer was lost, if they were written: they can only be right after `expected`. */
  async #findWritten(
    stream: string,
    events: readonly NewEvent[],
    expected: ExpectedRevision,
  ): Promise<AppendResult | undefined> {
    const from = expected === 'no_stream' ? 0n : expected + 1n;
    const found: StoredEvent[] = [];
    // Not as a call of its own: it is part of a try, for which other calls may wait.
    await this.#readToEnd(readStreamRequest(stream, from, 'forwards', events.length), (event) => found.push(event));
    const last = found.at(-1);
    const mine = found.length === events.length && found.every(({ id }, index) => id === events[index]?.id);
    return mine && last !== undefined ? { revision: last.revision, position: last.position } : undefined;
  }

  async #retrying<T>(gate: LogGate, attempt: () => Promise<T>): Promise<T> {
    const giveUpAt = this.#clock.monotonic() + this.#retryForMs;
    let failure: unknown;
    for (let failures = 1; ; failures += 1) {
      const passed = await gate.pass(giveUpAt);
      if (passed !== 'go' && passed !== 'probe') throw this.#refusal(passed, failure);
      const startedAt = this.#clock.monotonic();
      try {
        const result = await attempt();
        gate.answered();
        this.#outages.callSucceeded();
        return result;
      } catch (error) {
        if (!isTransientEsdbError(error)) {
          gate.answered();
          throw fromEsdbError(error);
        }
        if (this.#closing.signal.aborted) throw this.#refusal('closed', error);
        failure = error;
        gate.failed(passed, startedAt);
        this.#outages.tryFailed(error, failures);
        if (this.#clock.monotonic() >= giveUpAt) throw this.#refusal('late', error);
      }
    }
  }

  #refusal(why: 'late' | 'full' | 'closed', cause: unknown): AppError {
    if (why === 'closed') return unavailable('the event store is closed', cause);
    this.#outages.callFailed();
    return why === 'full'
      ? unavailable(`${troubleOf(cause)}, and too many calls wait for it`, cause)
      : unavailable(`${troubleOf(cause)} (tried for ${this.#retryForMs} ms)`, cause);
  }
}

/**
 * The log in EventStoreDB (or the embedded node, which speaks its protocol). Connects with the first call.
 *
 * While the server is unreachable, calls are retried for `retryForMs` (10 s) and then throw `AppError` `UNAVAILABLE`. An append whose
 * answer was lost is retried with the same ids at the same expected revision, which the server recognises.
 */
export const createEsdbEventStore = (connectionString: string, options: EsdbOptions): EventStore =>
  new EsdbEventStore(withLargeWindows(createEventStoreClient(connectionString)), options);
