import { randomUUID } from 'node:crypto';
import { type ClientHttp2Session, connect } from 'node:http2';
import { onTestFinished } from 'vitest';
import { bytes, Fields, message, varint } from './proto.ts';
import { RawCall } from './raw-client.ts';

export const MAX_I64 = 2n ** 63n - 1n;
export const MAX_U64 = 2n ** 64n - 1n;

export type Expectation = bigint | 'any' | 'no_stream' | 'stream_exists';
export type Rpc = 'Append' | 'BatchAppend';
export const RPCS: readonly Rpc[] = ['Append', 'BatchAppend'];

export type EventToSend = {
  readonly id?: string | Buffer;
  /** Leaves the key out if undefined. */
  readonly type?: string | Buffer | undefined;
  readonly contentType?: string | undefined;
  readonly data?: Buffer | string;
  readonly metadata?: Buffer | string;
};

/** How a write ended, in the same words for every RPC. `current` -1: there is no stream. */
export type Outcome =
  | { readonly done: bigint; readonly position: bigint | undefined }
  | { readonly wrong: bigint; readonly expected: Expectation | undefined }
  | { readonly deleted: string }
  /** Any other gRPC status; `type` is that of the details, or the trailer `exception`. */
  | { readonly failed: number; readonly type: string | undefined };

export const streamId = (name: string | Buffer) => message(1, bytes(3, name));
export const textId = (id: string) => bytes(2, id);

export const structuredId = (id: string): Buffer => {
  const hex = id.replaceAll('-', '');
  return message(1, varint(1, BigInt(`0x${hex.slice(0, 16)}`)), varint(2, BigInt(`0x${hex.slice(16)}`)));
};

export const expectation = (expected: Expectation | undefined): Buffer => {
  if (expected === undefined) return Buffer.alloc(0);
  if (expected === 'no_stream') return message(3);
  if (expected === 'any') return message(4);
  return expected === 'stream_exists' ? message(5) : varint(2, expected);
};

const entry = (key: string, value: string | Buffer) => message(2, bytes(1, key), bytes(2, value));

/** `ProposedMessage`. */
export const proposed = (event: EventToSend): Buffer => {
  const { id = randomUUID(), data = '{"n":1}', metadata } = event;
  const type = 'type' in event ? event.type : 'T';
  const contentType = 'contentType' in event ? event.contentType : 'application/json';
  return Buffer.concat([
    message(1, Buffer.isBuffer(id) ? id : textId(id)),
    ...(type === undefined ? [] : [entry('type', type)]),
    ...(contentType === undefined ? [] : [entry('content-type', contentType)]),
    ...(metadata === undefined ? [] : [bytes(3, metadata)]),
    bytes(4, data),
  ]);
};

export type FragmentToSend = {
  readonly correlation?: Buffer | undefined;
  readonly stream?: string | Buffer;
  readonly expected?: Expectation | undefined;
  /** Further fields of the options. */
  readonly options?: readonly Buffer[];
  readonly events?: readonly EventToSend[];
  readonly isFinal?: boolean;
};

/** `BatchAppendReq`; with options if it names a stream. */
export const fragment = (from: FragmentToSend): Buffer => {
  const { stream, options = [], events = [], isFinal = true } = from;
  const correlation = 'correlation' in from ? from.correlation : textId(randomUUID());
  const expected = 'expected' in from ? from.expected : 'any';
  return Buffer.concat([
    ...(correlation ? [message(1, correlation)] : []),
    ...(stream === undefined ? [] : [message(2, streamId(stream), expectation(expected), ...options)]),
    ...events.map((event) => bytes(3, proposed(event))),
    varint(4, isFinal ? 1 : 0),
  ]);
};

/** The node's RPCs, one message at a time. */
export class RawStreams {
  readonly #session: ClientHttp2Session;

  constructor(port: number) {
    // Messages as large as these tests send are otherwise broken off by our own side.
    this.#session = connect(`http://127.0.0.1:${port}`, { maxSessionMemory: 1_000 });
    this.#session.on('error', () => {});
    onTestFinished(() => this.#session.destroy());
  }

  call(path: string, headers: Record<string, string> = {}): RawCall {
    const full = path.startsWith('/') ? path : `/event_store.client.streams.Streams/${path}`;
    const common = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' };
    return new RawCall(this.#session.request({ ':path': full, ...common, ...headers }));
  }

  /** Drops the connection as a process that is killed does. */
  destroy(): void {
    this.#session.destroy();
  }

  append(
    rpc: Rpc,
    stream: string | Buffer,
    expected: Expectation | undefined,
    events: EventToSend[],
  ): Promise<Outcome> {
    return rpc === 'Append'
      ? this.#appendAlone(stream, expected, events)
      : this.#appendInBatch(stream, expected, events);
  }

  async delete(rpc: 'Delete' | 'Tombstone', stream: string, expected: Expectation | undefined): Promise<Outcome> {
    const call = this.call(rpc)
      .send(message(1, streamId(stream), expectation(expected)))
      .end();
    const headers = await call.ended;
    if (headers['grpc-status'] !== '0') return failure(headers);
    const position = new Fields(call.messages[0] as Buffer).message(1);
    return { done: -1n, position: position?.number(1) };
  }

  /** All messages of a `Read`, and how it ended. */
  async read(...options: Buffer[]): Promise<{ messages: Fields[]; status: number; headers: Record<string, unknown> }> {
    const call = this.call('Read')
      .send(message(1, ...options))
      .end();
    const headers = await call.ended;
    return {
      messages: call.messages.map((bytes) => new Fields(bytes)),
      status: Number(headers['grpc-status']),
      headers,
    };
  }

  async #appendAlone(
    stream: string | Buffer,
    expected: Expectation | undefined,
    events: EventToSend[],
  ): Promise<Outcome> {
    const call = this.call('Append').send(message(1, streamId(stream), expectation(expected)));
    for (const event of events) call.send(bytes(2, proposed(event)));
    const headers = await call.end().ended;
    return headers['grpc-status'] === '0' ? appendOutcome(call.messages) : failure(headers);
  }

  async #appendInBatch(
    stream: string | Buffer,
    expected: Expectation | undefined,
    events: EventToSend[],
  ): Promise<Outcome> {
    const call = this.call('BatchAppend').send(fragment({ stream, expected, events })).end();
    const headers = await call.ended;
    return headers['grpc-status'] === '0' ? batchOutcome(onlyOne(call.messages)) : failure(headers);
  }
}

const onlyOne = (messages: Buffer[]): Buffer => {
  if (messages.length !== 1) throw new Error(`${messages.length} answers instead of one`);
  return messages[0] as Buffer;
};

const appendOutcome = (messages: Buffer[]): Outcome => {
  const response = new Fields(onlyOne(messages));
  const success = response.message(1);
  if (success) return doneOf(success);
  const wrong = response.message(2) as Fields;
  const expected = wrong.has(9)
    ? 'any'
    : wrong.has(10)
      ? 'stream_exists'
      : wrong.has(11)
        ? 'no_stream'
        : wrong.number(8);
  return { wrong: wrong.has(7) ? -1n : (wrong.number(6) as bigint), expected };
};

export const batchOutcome = (answer: Buffer): Outcome => {
  const response = new Fields(answer);
  const success = response.message(3);
  if (success) return doneOf(success);
  const error = response.message(2) as Fields;
  const type = error.message(3)?.text(1)?.split('/').at(-1);
  const detail = new Fields(error.message(3)?.bytes(2) ?? Buffer.alloc(0));
  if (type === 'event_store.client.StreamDeleted') return { deleted: detail.message(1)?.text(3) as string };
  if (type !== 'event_store.client.WrongExpectedVersion') return { failed: Number(error.number(1)), type };
  const expected = detail.has(4)
    ? 'any'
    : detail.has(5)
      ? 'stream_exists'
      : detail.has(6)
        ? 'no_stream'
        : detail.number(3);
  return { wrong: detail.has(2) ? -1n : (detail.number(1) as bigint), expected };
};

const doneOf = (success: Fields): Outcome => ({
  done: success.has(2) ? -1n : (success.number(1) as bigint),
  position: success.message(3)?.number(1),
});

const failure = (headers: Record<string, unknown>): Outcome => {
  const exception = headers['exception'] as string | undefined;
  if (exception === 'stream-deleted') return { deleted: headers['stream-name'] as string };
  if (exception !== 'wrong-expected-version') return { failed: Number(headers['grpc-status']), type: exception };
  const codes: Record<string, Expectation> = { '-1': 'no_stream', '-2': 'any', '-4': 'stream_exists' };
  const version = headers['expected-version'] as string;
  return { wrong: BigInt(headers['actual-version'] as string), expected: codes[version] ?? BigInt(version) };
};

/** Parts of `ReadReq.Options`. */
export const read = {
  stream: (name: string | Buffer, from: Buffer = message(3)) => message(1, streamId(name), from),
  all: (from: Buffer = message(2)) => message(2, from),
  backwards: varint(3, 1),
  resolveLinks: varint(4, 1),
  count: (count: number | bigint = 1_000) => varint(5, count),
  subscription: message(6),
  filter: (...parts: Buffer[]) => message(7, ...parts),
  noFilter: message(8),
  textIds: message(9, message(2)),
  structuredIds: message(9, message(1)),
  /** Start points of a stream read. */
  revision: (revision: bigint) => varint(2, revision),
  start: message(3),
  end: message(4),
  /** Start points of a read of $all. */
  position: (commit: bigint, prepare = commit) => message(1, varint(1, commit), varint(2, prepare)),
  allStart: message(2),
  allEnd: message(3),
};
