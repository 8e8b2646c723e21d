import { randomUUID } from 'node:crypto';
import { type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import { onTestFinished } from 'vitest';

const { Empty, StreamIdentifier, UUID } = shared;

/** Speaks gRPC by hand, for what the real client never sends. */
export const rawCalls = (port: number, secure?: { ca: string; authorization: string }) => {
  const session = secure
    ? connect(`https://localhost:${port}`, { ca: secure.ca })
    : connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  onTestFinished(() => session.destroy());
  return (method: string): RawCall =>
    new RawCall(
      session.request({
        ':method': 'POST',
        ':path': method.startsWith('/') ? method : `/event_store.client.streams.Streams/${method}`,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...(secure && { authorization: secure.authorization }),
      }),
    );
};

export class RawCall {
  readonly messages: Buffer[] = [];
  /** Status headers, from wherever they came; none if the call was reset. */
  readonly ended: Promise<IncomingHttpHeaders>;
  #received = Buffer.alloc(0);

  readonly stream: ClientHttp2Stream;

  constructor(stream: ClientHttp2Stream) {
    this.stream = stream;

    stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    stream.on('error', () => {});
    this.ended = new Promise((resolve) => {
      const take = (headers: IncomingHttpHeaders) => {
        if (headers['grpc-status'] !== undefined) resolve(headers);
      };
      stream.on('response', take);
      stream.on('trailers', take);
      stream.on('close', () => resolve({}));
    });
  }

  send(message: { serializeBinary(): Uint8Array } | Buffer): this {
    const bytes = Buffer.isBuffer(message) ? message : Buffer.from(message.serializeBinary());
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(bytes.length, 1);
    this.stream.write(Buffer.concat([prefix, bytes]));
    return this;
  }

  end(): this {
    this.stream.end();
    return this;
  }

  #receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= 5 && this.#received.length >= 5 + this.#received.readUInt32BE(1)) {
      const end = 5 + this.#received.readUInt32BE(1);
      this.messages.push(this.#received.subarray(5, end));
      this.#received = this.#received.subarray(end);
    }
  }
}

const identifier = (name: string) => {
  const message = new StreamIdentifier();
  message.setStreamName(Buffer.from(name).toString('base64'));
  return message;
};

const uuid = (id: string) => {
  const message = new UUID();
  message.setString(id);
  return message;
};

export const appendOptions = (stream: string) => {
  const options = new streams.AppendReq.Options();
  options.setStreamIdentifier(identifier(stream));
  options.setAny(new Empty());
  const message = new streams.AppendReq();
  message.setOptions(options);
  return message;
};

export const appendEvent = (metadata: Record<string, string> = { type: 'T', 'content-type': 'application/json' }) => {
  const event = new streams.AppendReq.ProposedMessage();
  event.setId(uuid(randomUUID()));
  for (const [key, value] of Object.entries(metadata)) event.getMetadataMap().set(key, value);
  event.setData(Buffer.from('{"n":1}').toString('base64'));
  const message = new streams.AppendReq();
  message.setProposedMessage(event);
  return message;
};

export type Fragment = {
  readonly correlation: string;
  /** Sends options with this stream name. */
  readonly stream?: string;
  readonly timeoutMs?: number;
  readonly metadata?: Record<string, string>;
  readonly isFinal?: boolean;
};

export const batchFragment = ({ correlation, stream, timeoutMs, metadata, isFinal = false }: Fragment) => {
  const message = new streams.BatchAppendReq();
  message.setCorrelationId(uuid(correlation));
  message.setIsFinal(isFinal);
  if (stream !== undefined) message.setOptions(batchOptions(stream, timeoutMs));
  const event = new streams.BatchAppendReq.ProposedMessage();
  event.setId(uuid(randomUUID()));
  const properties = metadata ?? { type: 'T', 'content-type': 'application/json' };
  for (const [key, value] of Object.entries(properties)) event.getMetadataMap().set(key, value);
  message.addProposedMessages(event);
  return message;
};

const batchOptions = (stream: string, timeoutMs: number | undefined) => {
  const options = new streams.BatchAppendReq.Options();
  options.setStreamIdentifier(identifier(stream));
  const { Empty: GoogleEmpty } = googleEmpty();
  options.setAny(new GoogleEmpty());
  if (timeoutMs !== undefined) options.setDeadline(timestamp(Date.now() + timeoutMs));
  return options;
};

/** The client's copy of google-protobuf is not ours to import; its classes are reached through messages that hold them. */
const googleEmpty = (): { Empty: new () => never } => {
  const parsed = streams.BatchAppendReq.Options.deserializeBinary(Uint8Array.of(0x22, 0));
  return { Empty: parsed.getAny()?.constructor as new () => never };
};

const timestamp = (ms: number): never => {
  const parsed = streams.BatchAppendReq.Options.deserializeBinary(Uint8Array.of(0x32, 0)).getDeadline();
  parsed?.setSeconds(Math.trunc(ms / 1000));
  parsed?.setNanos((ms % 1000) * 1e6);
  return parsed as never;
};

export const parseBatchResponse = (message: Buffer) => streams.BatchAppendResp.deserializeBinary(message);

export const readWithStructuredIds = (stream: string) => {
  const from = new streams.ReadReq.Options.StreamOptions();
  from.setStreamIdentifier(identifier(stream));
  from.setStart(new Empty());
  const ids = new streams.ReadReq.Options.UUIDOption();
  ids.setStructured(new Empty());
  const options = new streams.ReadReq.Options();
  options.setStream(from);
  options.setCount('10');
  options.setNoFilter(new Empty());
  options.setUuidOption(ids);
  const message = new streams.ReadReq();
  message.setOptions(options);
  return message;
};

export const parseReadResponse = (message: Buffer) => streams.ReadResp.deserializeBinary(message);
