import { isUtf8 } from 'node:buffer';
import { GrpcError } from '../grpc/status.ts';
import { MAX_U64, ProtoReader } from '../protobuf/reader.ts';
import { MAX_I64, MAX_NAME_BYTES, type ProposedEvent } from '../storage/record.ts';
import type { Expected } from '../store/append-rules.ts';
import { NIL_UUID, readUuid } from './uuid.ts';

/** The stream an operation is about. */
export type StreamRef = {
  readonly name: string;
  readonly bytes: Buffer;
};

export type WriteOptions = {
  readonly stream: StreamRef;
  /** Undefined if the request names none, or one beyond 2^63 - 1. */
  readonly expected: Expected | undefined;
  /** Ms since the epoch, Infinity if there is none. Only BatchAppend carries it. */
  readonly deadlineMs: number;
};

/** `type` or `content-type` is missing from an event. */
export class MissingMetadata extends Error {
  override readonly name = 'MissingMetadata';
}

/** A request the real server refuses as bad. */
export class BadAppend extends Error {
  override readonly name = 'BadAppend';
}

const REQUIRED_METADATA = 'type,content-type';

const REPLACEMENT = '\ufffd';

/** `StreamIdentifier`. */
export const readStreamRef = (message: ProtoReader): StreamRef => {
  let bytes: Buffer = Buffer.alloc(0);
  while (message.next()) if (message.field === 3) bytes = message.bytes();
  return streamRef(bytes);
};

/** Bytes that are not UTF-8 become U+FFFD here already, so that the log and the index agree. */
export const streamRef = (bytes: Buffer): StreamRef => {
  const name = bytes.toString('utf8');
  return { name, bytes: name.includes(REPLACEMENT) ? Buffer.from(name, 'utf8') : bytes };
};

/**
 * `AppendReq.Options`, `DeleteReq.Options`, `TombstoneReq.Options` and `BatchAppendReq.Options`. They agree on fields 1
 * and 2; the states are fields `noStream`, `any`, `exists`.
 */
export const readWriteOptions = (message: ProtoReader, now: number): WriteOptions => {
  let stream: StreamRef = { name: '', bytes: Buffer.alloc(0) };
  let expected: Expected | undefined;
  let deadlineMs = Number.POSITIVE_INFINITY;
  while (message.next()) {
    if (message.field === 1) stream = readStreamRef(message.message());
    else if (message.field === 2) expected = expectedRevision(message.uint64());
    else if (message.field === 3) expected = 'no_stream';
    else if (message.field === 4) expected = 'any';
    else if (message.field === 5) expected = 'stream_exists';
    else if (message.field === 6) deadlineMs = readSeconds(message.message());
    else if (message.field === 7) deadlineMs = now + readSeconds(message.message());
  }
  return { stream, expected, deadlineMs };
};

/** The largest u64 is the real server's -1. */
const expectedRevision = (value: bigint): Expected | undefined => {
  if (value === MAX_U64) return 'no_stream';
  return value > MAX_I64 ? undefined : value;
};

/** `Timestamp` or `Duration`, in ms. */
const readSeconds = (message: ProtoReader): number => {
  let seconds = 0;
  let nanos = 0;
  while (message.next()) {
    if (message.field === 1) seconds = Number(BigInt.asIntN(64, message.uint64()));
    else if (message.field === 2) nanos = Number(BigInt.asIntN(32, message.uint64()));
  }
  return seconds * 1000 + nanos / 1e6;
};

/** Refuses names that cannot be written to. Throws `BadAppend`. */
export const checkStreamName = ({ name, bytes }: StreamRef): void => {
  if (name === '' || name === '$$') throw new BadAppend(`"${name}" is not a stream name`);
  if (name === '$all') throw new BadAppend('$all cannot be written to');
  if (bytes.length > MAX_NAME_BYTES) throw new BadAppend(`the stream name is longer than ${MAX_NAME_BYTES} bytes`);
};

const TYPE_KEY = Buffer.from('type');
const CONTENT_TYPE_KEY = Buffer.from('content-type');
const JSON_CONTENT = Buffer.from('application/json');

/** `ProposedMessage`, which both append requests share. Throws `MissingMetadata` or `BadAppend`. */
export const readProposedEvent = (message: ProtoReader): ProposedEvent => {
  const source = message.buffer;
  const event = {
    source,
    id: '',
    json: false,
    typeStart: -1,
    typeEnd: -1,
    dataStart: 0,
    dataEnd: 0,
    metadataStart: 0,
    metadataEnd: 0,
  };
  let contentTypeSeen = false;
  while (message.next()) {
    if (message.field === 1) event.id = readEventId(message.message());
    else if (message.field === 2) contentTypeSeen = readMetadataEntry(message.message(), event) || contentTypeSeen;
    else if (message.field === 3) {
      message.delimited();
      event.metadataStart = message.start;
      event.metadataEnd = message.stop;
    } else if (message.field === 4) {
      message.delimited();
      event.dataStart = message.start;
      event.dataEnd = message.stop;
    }
  }
  checkEvent(event, contentTypeSeen);
  return event;
};

const readEventId = (message: ProtoReader): string => {
  try {
    return readUuid(message);
  } catch (error) {
    throw error instanceof GrpcError ? new BadAppend(`the event id is not valid: ${error.message}`) : error;
  }
};

type EventBeingRead = {
  json: boolean;
  typeStart: number;
  typeEnd: number;
};

/** Notes type or content type; other keys are dropped. True if it was the content type. */
const readMetadataEntry = (entry: ProtoReader, event: EventBeingRead): boolean => {
  const { buffer } = entry;
  let keyStart = 0;
  let keyEnd = 0;
  let valueStart = 0;
  let valueEnd = 0;
  while (entry.next()) {
    entry.delimited();
    if (entry.field === 1) {
      keyStart = entry.start;
      keyEnd = entry.stop;
    } else if (entry.field === 2) {
      valueStart = entry.start;
      valueEnd = entry.stop;
    }
  }
  if (same(buffer, keyStart, keyEnd, TYPE_KEY)) {
    event.typeStart = valueStart;
    event.typeEnd = valueEnd;
  } else if (same(buffer, keyStart, keyEnd, CONTENT_TYPE_KEY)) {
    event.json = same(buffer, valueStart, valueEnd, JSON_CONTENT);
    return true;
  }
  return false;
};

const same = (buffer: Buffer, start: number, end: number, expected: Buffer): boolean => {
  if (end - start !== expected.length) return false;
  for (let i = 0; i < expected.length; i++) if (buffer[start + i] !== expected[i]) return false;
  return true;
};

const checkEvent = (event: ProposedEvent, contentTypeSeen: boolean): void => {
  if (event.typeStart < 0 || !contentTypeSeen) throw new MissingMetadata(REQUIRED_METADATA);
  if (event.typeEnd === event.typeStart) throw new BadAppend('the event type is empty');
  if (event.typeEnd - event.typeStart > MAX_NAME_BYTES) throw new BadAppend('the event type is too long');
  if (!isText(event)) throw new BadAppend('the event type is not UTF-8');
  if (event.id === '' || event.id === NIL_UUID) throw new BadAppend('the event id is empty');
};

const isText = ({ source, typeStart, typeEnd }: ProposedEvent): boolean => {
  for (let at = typeStart; at < typeEnd; at++) {
    if ((source[at] as number) >= 0x80) return isUtf8(source.subarray(typeStart, typeEnd));
  }
  return true;
};

/** One `BatchAppendReq`: a fragment of an append. */
export type BatchFragment = {
  /** The `UUID` message as it came, to be sent back. */
  readonly correlation: Buffer;
  readonly options: WriteOptions | undefined;
  /** Start and end of each proposed message in the request. */
  readonly messages: readonly number[];
  readonly isFinal: boolean;
};

export const readBatchFragment = (request: Buffer, now: number): BatchFragment => {
  const reader = new ProtoReader(request);
  let correlation: Buffer = Buffer.alloc(0);
  let options: WriteOptions | undefined;
  const messages: number[] = [];
  let isFinal = false;
  while (reader.next()) {
    if (reader.field === 1) correlation = reader.bytes();
    else if (reader.field === 2) options = readWriteOptions(reader.message(), now);
    else if (reader.field === 3) {
      reader.delimited();
      messages.push(reader.start, reader.stop);
    } else if (reader.field === 4) isFinal = reader.bool();
  }
  return { correlation, options, messages, isFinal };
};
