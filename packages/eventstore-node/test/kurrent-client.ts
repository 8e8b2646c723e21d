import { createRequire } from 'node:module';

/** What these tests use of Kurrent's client. Its own types need those of a newer Node. */
export type KurrentClient = {
  multiStreamAppend(requests: readonly StreamRequest[]): Promise<Appended>;
  appendRecords(records: readonly RecordRequest[], checks?: readonly Check[]): Promise<Appended>;
  appendToStream(streamName: string, events: readonly KurrentEvent[]): Promise<unknown>;
  deleteStream(streamName: string): Promise<unknown>;
  tombstoneStream(streamName: string): Promise<unknown>;
  readAll(): AsyncIterable<{ readonly event?: StoredEvent }>;
  readStream(streamName: string): AsyncIterable<{ readonly event?: StoredEvent }>;
  dispose(): Promise<void>;
};

export type State = bigint | 'any' | 'no_stream' | 'stream_exists';

type StreamRequest = {
  readonly streamName: string;
  readonly expectedState: State;
  readonly events: readonly KurrentEvent[];
};

type RecordRequest = { readonly streamName: string; readonly record: KurrentEvent };

type Check = { readonly type: 'stream_state'; readonly streamName: string; readonly expectedState: State };

type Appended = {
  readonly position: bigint;
  readonly responses: readonly { readonly streamName: string; readonly revision: bigint }[];
};

export type KurrentEvent = { readonly id: string };

export type StoredEvent = {
  readonly id: string;
  readonly streamId: string;
  readonly revision: bigint;
  readonly type: string;
  readonly data: unknown;
  readonly metadata: unknown;
  readonly isJson: boolean;
  readonly position: { readonly commit: bigint };
};

type EventContent<D> = {
  readonly id?: string;
  readonly type: string;
  readonly data: D;
  readonly metadata?: Readonly<Record<string, string>>;
};

type Kurrent = {
  readonly KurrentDBClient: { connectionString(url: string): KurrentClient };
  jsonEvent(event: EventContent<unknown>): KurrentEvent;
  binaryEvent(event: EventContent<Uint8Array>): KurrentEvent;
};

const require = createRequire(import.meta.url);
const kurrent = require('@kurrent/kurrentdb-client') as Kurrent;

export const { jsonEvent, binaryEvent } = kurrent;

/** With the protocol name that this client prefers. */
export const connectKurrent = (connectionString: string): KurrentClient =>
  kurrent.KurrentDBClient.connectionString(connectionString.replace(/^esdb/, 'kurrentdb'));

export const counted = (n: number, id?: string): KurrentEvent =>
  jsonEvent({ type: 'Counted', data: { n }, ...(id === undefined ? {} : { id }) });

export const check = (streamName: string, expectedState: State): Check => ({
  type: 'stream_state',
  streamName,
  expectedState,
});
