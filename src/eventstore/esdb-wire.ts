import type { Json } from '../domain/json.ts';
import { BackwardWriter, Fields } from './esdb-protobuf.ts';
import type { EventMetadata, ExpectedRevision, NewEvent, Position, Revision, StoredEvent } from './event-store.ts';

/*
 * Hand-written codecs for the messages on the path of every event; the client's generated code handles all others. Field numbers are those of
 * EventStoreDB's streams.proto and shared.proto.
 */

const writer = new BackwardWriter();

/** The entry `content-type` of a proposed message, which the server requires. */
const contentEntry = (contentType: string): Buffer => {
  writer.start();
  writer.text(2, contentType);
  writer.text(1, 'content-type');
  writer.message(2, 0);
  return writer.finish();
};

const JSON_CONTENT = contentEntry('application/json');
const BINARY_CONTENT = contentEntry('application/octet-stream');

const writeUuid = (field: number, uuid: string): void => {
  const mark = writer.mark;
  writer.text(2, uuid);
  writer.message(field, mark);
};

/** An event as its bytes, whoever wrote them. */
export type RawEvent = {
  readonly id: string;
  readonly type: string;
  readonly isJson: boolean;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
};

const writeBytes = (field: number, bytes: Uint8Array): void => {
  const mark = writer.mark;
  writer.raw(bytes);
  writer.message(field, mark);
};

const writeContent = (event: NewEvent | RawEvent): void => {
  if ('isJson' in event) {
    writeBytes(4, event.data);
    if (event.metadata.length > 0) writeBytes(3, event.metadata);
    writer.raw(event.isJson ? JSON_CONTENT : BINARY_CONTENT);
    return;
  }
  writer.text(4, JSON.stringify(event.data));
  writer.text(3, JSON.stringify(event.metadata));
  writer.raw(JSON_CONTENT);
};

const writeEvent = (proposed: NewEvent | RawEvent): void => {
  const { id, type } = proposed;
  const event = writer.mark;
  writeContent(proposed);
  const entry = writer.mark;
  writer.text(2, type);
  writer.text(1, 'type');
  writer.message(2, entry);
  writeUuid(1, id);
  writer.message(3, event);
};

const writeOptions = (stream: string, expected: ExpectedRevision, deadlineMs: number): void => {
  const options = writer.mark;
  writer.uint(1, Math.ceil(deadlineMs / 1000));
  writer.message(6, options);
  if (expected === 'no_stream') writer.message(3, writer.mark);
  else writer.uint(2, Number(expected));
  const identifier = writer.mark;
  writer.text(3, stream);
  writer.message(1, identifier);
  writer.message(2, options);
};

/** A number identifies an append; it travels as the last part of a UUID. */
const CORRELATION_PREFIX = '00000000-0000-4000-8000-';
const correlationOf = (number: number): string => CORRELATION_PREFIX + number.toString(16).padStart(12, '0');

export type Append = {
  /** Identifies the append in its answer; below 2^48. */
  readonly number: number;
  readonly stream: string;
  readonly events: readonly (NewEvent | RawEvent)[];
  readonly expectedRevision: ExpectedRevision;
  /** The server gives up after this instant, in ms since the Unix epoch. */
  readonly deadlineMs: number;
};

/** A `BatchAppendReq` that holds a whole append. */
export const encodeAppend = ({ number, stream, events, expectedRevision, deadlineMs }: Append): Buffer => {
  writer.start();
  writer.uint(4, 1); // is_final
  for (let index = events.length - 1; index >= 0; index -= 1) writeEvent(events[index] as NewEvent | RawEvent);
  writeOptions(stream, expectedRevision, deadlineMs);
  writeUuid(1, correlationOf(number));
  return writer.finish();
};

const CORRELATION_MASK = 0xffff_ffff_ffffn;

/** The server sends a UUID either as text or as two integers. */
const readCorrelation = (fields: Fields): number => {
  let number = -1;
  while (fields.next()) {
    if (fields.number === 2) number = Number.parseInt(fields.ascii().slice(-12), 16);
    if (fields.number !== 1) continue;
    const structured = fields.message();
    while (structured.next()) if (structured.number === 2) number = Number(structured.uint() & CORRELATION_MASK);
  }
  return number;
};

export type Answer = {
  readonly number: number;
  /** Absent when the append was refused. */
  readonly revision?: Revision;
  /** Also absent when a repeated append's events are no longer readable. */
  readonly position?: Position;
  /** The `BatchAppendResp` as received, from which a refusal is decoded. */
  readonly message: Buffer;
};

const readPosition = (fields: Fields): Position | undefined => {
  while (fields.next()) if (fields.number === 1) return fields.uint();
  return undefined;
};

/** A `BatchAppendResp`. */
export const decodeAnswer = (message: Buffer): Answer => {
  let number = -1;
  let revision: Revision | undefined;
  let position: Position | undefined;
  const fields = new Fields(message);
  while (fields.next()) {
    if (fields.number === 1) number = readCorrelation(fields.message());
    if (fields.number !== 3) continue;
    revision = 0n; // protobuf leaves out a 0
    const success = fields.message();
    while (success.next()) {
      if (success.number === 1) revision = success.uint();
      if (success.number === 3) position = readPosition(success.message());
    }
  }
  return {
    number,
    message,
    ...(revision === undefined ? {} : { revision }),
    ...(position === undefined ? {} : { position }),
  };
};

export class Checkpoint {
  readonly position: Position;
  constructor(position: Position) {
    this.position = position;
  }
}

/** What a read returns: events, and messages of the server about the read itself. */
export type ReadMessage = StoredEvent | Checkpoint | 'caught_up' | 'stream_not_found' | 'other';

/** Bookkeeping of the store. */
export const isSystemEvent = ({ type, stream }: StoredEvent): boolean => type.startsWith('$') || stream.startsWith('$');

/** Events of other programs may hold something else than JSON: it is left out. */
const parseJson = <T>(text: string, otherwise: T): T => {
  try {
    return JSON.parse(text) as T;
  } catch {
    return otherwise;
  }
};

const NO_METADATA = Object.freeze({}) as EventMetadata;

const parseMetadata = (text: string): EventMetadata => {
  const metadata = parseJson<EventMetadata | null>(text, null);
  return typeof metadata === 'object' && metadata !== null ? metadata : NO_METADATA;
};

const readUuid = (fields: Fields): string => {
  while (fields.next()) if (fields.number === 2) return fields.ascii();
  throw new Error('the event store sent an event without an id');
};

const readStreamName = (fields: Fields): string => {
  while (fields.next()) if (fields.number === 3) return fields.text();
  return '';
};

/** The server counts units of 100 ns since the Unix epoch. */
const instantOf = (ticks: string): string => new Date(Number(ticks.slice(0, -4))).toISOString();

type Entry = { type: string; recordedAt: string; isJson: boolean };

/** An entry of the server's own metadata; key comes before value. */
const readEntry = (fields: Fields, entry: Entry): void => {
  let key = '';
  while (fields.next()) {
    if (fields.number === 1) key = fields.ascii();
    else if (key === 'type') entry.type = fields.text();
    else if (key === 'created') entry.recordedAt = instantOf(fields.ascii());
    else if (key === 'content-type') entry.isJson = fields.ascii() === 'application/json';
  }
};

const readRecordedEvent = (fields: Fields): StoredEvent => {
  const entry: Entry = { type: '', recordedAt: '', isJson: false };
  let stream = '';
  let id = '';
  let data = '';
  let revision = 0n;
  let position = 0n;
  let metadata = NO_METADATA;
  while (fields.next()) {
    switch (fields.number) {
      case 1:
        id = readUuid(fields.message());
        break;
      case 2:
        stream = readStreamName(fields.message());
        break;
      case 3:
        revision = fields.uint();
        break;
      case 5:
        position = fields.uint();
        break;
      case 6:
        readEntry(fields.message(), entry);
        break;
      case 7:
        metadata = parseMetadata(fields.text());
        break;
      case 8:
        data = fields.text();
        break;
    }
  }
  return {
    stream,
    revision,
    position,
    id,
    type: entry.type,
    data: entry.isJson ? parseJson<Json>(data, null) : null,
    metadata,
    recordedAt: entry.recordedAt,
  };
};

const readReadEvent = (fields: Fields): ReadMessage => {
  while (fields.next()) if (fields.number === 1) return readRecordedEvent(fields.message());
  return 'other';
};

/** A `ReadResp`. */
export const decodeRead = (message: Buffer): ReadMessage => {
  const fields = new Fields(message);
  while (fields.next()) {
    switch (fields.number) {
      case 1:
        return readReadEvent(fields.message());
      case 3: {
        const position = readPosition(fields.message());
        return position === undefined ? 'other' : new Checkpoint(position);
      }
      case 4:
        return 'stream_not_found';
      case 8:
        return 'caught_up';
    }
  }
  return 'other';
};
