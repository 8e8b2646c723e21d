import type { Json } from '../domain/json.ts';

/** Place in `$all` (commit position); orders events across streams. Only to be compared, never to be calculated with. */
export type Position = bigint;
/** Index of an event in its stream, from 0. */
export type Revision = bigint;
export type ExpectedRevision = Revision | 'no_stream';

/** Metadata of every event. `$`-names are EventStoreDB's own for correlation and causation. */
export type EventMetadata = {
  readonly tenant: string;
  readonly commandId: string;
  readonly $correlationId: string;
  readonly $causationId: string;
  readonly actor: string;
  /** Instant of the decision, ISO 8601 UTC. */
  readonly at: string;
  readonly schemaVersion: number;
  /** Digest of the command's body when the caller named an idempotency key; the same key with another digest is refused. */
  readonly fingerprint?: string;
  readonly traceparent?: string;
  /** `hash` of the stream's previous event; 64 zeros for revision 0. */
  readonly prevHash: string;
  /** SHA-256 over the RFC 8785 form of the event, see `provenance.ts`. */
  readonly hash: string;
};

/** An event ready to be stored: sealed into its stream's hash chain. */
export type NewEvent = {
  readonly id: string;
  readonly type: string;
  readonly data: Json;
  readonly metadata: EventMetadata;
};

/** An event as stored. `data` is as written (not upcast); `decodeEvent` in `codec.ts` gives the newest schema version. */
export type StoredEvent = NewEvent & {
  readonly stream: string;
  readonly revision: Revision;
  readonly position: Position;
  /** When the store recorded it, ISO 8601 UTC. */
  readonly recordedAt: string;
};

export type AppendResult = {
  /** Revision of the last event appended. */
  readonly revision: Revision;
  /** Position of the last event appended. */
  readonly position: Position;
};

/** Thrown by `append` when the stream is not at the expected revision. Nothing was written. */
export class RevisionConflict extends Error {
  override readonly name = 'RevisionConflict';
  readonly stream: string;
  readonly expected: ExpectedRevision;
  readonly actual: ExpectedRevision;
  constructor(stream: string, expected: ExpectedRevision, actual: ExpectedRevision) {
    super(`stream ${stream} is at revision ${actual}, expected ${expected}`);
    this.stream = stream;
    this.expected = expected;
    this.actual = actual;
  }
}

/** A live read of `$all`. */
export type AllSubscription = {
  /**
   * Resolves when the subscription has ended through `stop`, `signal` or `close` and the subscriber has handled its last event.
   * Rejects with `UNAVAILABLE` when the connection was lost, or with the error of a subscriber that threw.
   */
  readonly done: Promise<void>;
  stop(): void;
};

export type AllSubscriber = {
  /** Called in log order. The subscription waits for a returned promise to settle. */
  onEvent(event: StoredEvent): void | Promise<void>;
  /** All events up to here were considered, including those that were filtered out. */
  onCheckpoint?(position: Position): void | Promise<void>;
  /** All history was read; later events are live. Called again when the subscription has fallen behind and caught up. */
  onCaughtUp?(): void;
  /** Events came faster than they were taken, or the server found so. The subscription goes on, without gap or repetition. */
  onBehind?(reason: string): void;
};

/**
 * The log. Two adapters pass one contract suite: EventStoreDB through its client, and memory.
 *
 * Errors: `append` throws `RevisionConflict`; every method throws `AppError` `UNAVAILABLE` (retryable) when the store
 * cannot be reached or does not answer. After `UNAVAILABLE` from `append` the outcome is unknown: append the same ids
 * at the same expected revision again (`append` itself does so a bounded number of times before it throws).
 */
export interface EventStore {
  append(
    stream: string,
    events: readonly NewEvent[],
    options: { readonly expectedRevision: ExpectedRevision },
  ): Promise<AppendResult>;
  /** Events of one stream in order; empty when the stream does not exist. */
  readStream(
    stream: string,
    options?: { readonly from?: Revision; readonly direction?: 'forwards' | 'backwards'; readonly limit?: number },
  ): Promise<StoredEvent[]>;
  /**
   * Events of all streams after `after` (exclusive; from the beginning when absent), without the store's own `$` events. `limit` also
   * counts those, so that a page may be short or empty while `next` is set.
   */
  readAll(options: { readonly after?: Position; readonly limit: number }): Promise<{
    readonly events: StoredEvent[] /** Where to go on; undefined at the end of the log. */;
    readonly next: Position | undefined;
  }>;
  /** Position of the last event of the log that is not the store's own; undefined when empty. */
  head(): Promise<Position | undefined>;
  subscribeAll(
    subscriber: AllSubscriber,
    options: { readonly after?: Position | 'end'; readonly signal?: AbortSignal },
  ): AllSubscription;
  close(): Promise<void>;
}
