/** Loads an event store node over bare HTTP/2: requests are bytes made ahead, answers are only counted. */
import { randomBytes, randomUUID } from 'node:crypto';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';

const SERVICE = '/event_store.client.streams.Streams';
const PREFIX = 5;
const WINDOW = 16 * 1024 * 1024;
/** Digits of an id that count up; the others are the same for all of a run. */
const ID_DIGITS = 12;

export type RawLoad = {
  /** Appends `total` events, `perAppend` to each append and `inFlight` appends at once, over `streamCount` streams. */
  append(options: RawAppend): Promise<void>;
  /** Reads $all forwards, up to `count` events. */
  readAll(count: number): Promise<number>;
  close(): void;
};

export type RawAppend = {
  readonly total: number;
  readonly perAppend: number;
  readonly inFlight: number;
  readonly streamCount: number;
  readonly data: Buffer;
};

export const rawLoad = async (port: number): Promise<RawLoad> => {
  const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: WINDOW } });
  await new Promise((resolve, reject) => session.once('connect', resolve).once('error', reject));
  session.setLocalWindowSize(WINDOW);
  return {
    append: (options) => append(session, options),
    readAll: (count) => readAll(session, count),
    close: () => session.destroy(),
  };
};

const call = (session: ClientHttp2Session, method: string): ClientHttp2Stream =>
  session.request({
    ':method': 'POST',
    ':path': `${SERVICE}/${method}`,
    'content-type': 'application/grpc',
    te: 'trailers',
  });

const append = (session: ClientHttp2Session, options: RawAppend): Promise<void> => {
  const { total, perAppend, inFlight, streamCount } = options;
  const requests = Math.ceil(total / perAppend);
  const next = requestMaker(options);
  const stream = call(session, 'BatchAppend');
  let sent = 0;
  let answered = 0;
  return new Promise((resolve, reject) => {
    const send = (count: number): void => {
      const frames: Buffer[] = [];
      for (; frames.length < count && sent < requests; sent += 1) frames.push(next(sent % streamCount));
      if (frames.length > 0) stream.write(Buffer.concat(frames));
    };
    const count = counter((messages) => {
      answered += messages;
      if (answered < requests) return send(messages);
      stream.close(constants.NGHTTP2_CANCEL);
      resolve();
    });
    stream.on('data', count);
    stream.on('error', reject);
    stream.on('trailers', (trailers) => reject(new Error(`BatchAppend ended: ${JSON.stringify(trailers)}`)));
    send(inFlight);
  });
};

/** Requests differ in their stream and their ids only, which are written into a copy of one that was encoded once. */
const requestMaker = ({ perAppend, data }: RawAppend): ((stream: number) => Buffer) => {
  const run = randomBytes(4).toString('hex');
  const ids = Array.from({ length: perAppend + 1 }, () => randomUUID());
  const streamName = `raw-${run}-000000`;
  const template = framed(batchAppend(streamName, ids, data));
  const idPlaces = ids.map((id) => template.indexOf(id) + 36 - ID_DIGITS);
  const namePlace = template.indexOf(streamName) + streamName.length - 6;
  let lastId = 0;
  return (stream) => {
    const request = Buffer.from(template);
    for (const place of idPlaces) {
      lastId += 1;
      request.write(lastId.toString(16).padStart(ID_DIGITS, '0'), place, 'latin1');
    }
    request.write(String(stream).padStart(6, '0'), namePlace, 'latin1');
    return request;
  };
};

const batchAppend = (streamName: string, [correlation, ...ids]: readonly string[], data: Buffer): Uint8Array => {
  const request = new streams.BatchAppendReq();
  request.setCorrelationId(uuid(correlation!));
  request.setIsFinal(true);
  // `any` is a google.protobuf.Empty, whose class the package does not export: an empty field 4 holds one.
  const options = streams.BatchAppendReq.Options.deserializeBinary(Uint8Array.of(0x22, 0));
  options.setStreamIdentifier(identifier(streamName));
  request.setOptions(options);
  for (const id of ids) {
    const event = new streams.BatchAppendReq.ProposedMessage();
    event.setId(uuid(id));
    event.getMetadataMap().set('type', 'Measured');
    event.getMetadataMap().set('content-type', 'application/json');
    event.setData(data);
    request.addProposedMessages(event);
  }
  return request.serializeBinary();
};

const readAll = (session: ClientHttp2Session, count: number): Promise<number> => {
  const all = new streams.ReadReq.Options.AllOptions();
  all.setStart(new shared.Empty());
  const ids = new streams.ReadReq.Options.UUIDOption();
  ids.setString(new shared.Empty());
  const options = new streams.ReadReq.Options();
  options.setAll(all);
  options.setCount(String(count));
  options.setNoFilter(new shared.Empty());
  options.setUuidOption(ids);
  const request = new streams.ReadReq();
  request.setOptions(options);
  const stream = call(session, 'Read');
  let read = 0;
  return new Promise((resolve, reject) => {
    stream.on(
      'data',
      counter((messages) => {
        read += messages;
      }),
    );
    stream.on('trailers', (trailers) => {
      if (trailers['grpc-status'] === '0') resolve(read);
      else reject(new Error(`Read ended: ${JSON.stringify(trailers)}`));
    });
    stream.on('error', reject);
    stream.end(framed(request.serializeBinary()));
  });
};

/** Counts gRPC messages in a byte stream without copying it. */
const counter = (onMessages: (count: number) => void): ((chunk: Buffer) => void) => {
  let head = Buffer.alloc(0);
  let skip = 0;
  return (chunk) => {
    let messages = 0;
    let at = Math.min(skip, chunk.length);
    skip -= at;
    while (at < chunk.length) {
      const missing = PREFIX - head.length;
      head = Buffer.concat([head, chunk.subarray(at, at + missing)]);
      at += missing;
      if (head.length < PREFIX) break;
      const size = head.readUInt32BE(1);
      head = Buffer.alloc(0);
      messages += 1;
      skip = Math.max(0, at + size - chunk.length);
      at += size;
    }
    if (messages > 0) onMessages(messages);
  };
};

const framed = (message: Uint8Array): Buffer => {
  const frame = Buffer.alloc(PREFIX + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, PREFIX);
  return frame;
};

const uuid = (id: string): InstanceType<typeof shared.UUID> => {
  const message = new shared.UUID();
  message.setString(id);
  return message;
};

const identifier = (name: string): InstanceType<typeof shared.StreamIdentifier> => {
  const message = new shared.StreamIdentifier();
  message.setStreamName(Buffer.from(name));
  return message;
};
