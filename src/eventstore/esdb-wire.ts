import type { Json } from '../domain/json.ts';
import type { EventMetadata, ExpectedRevision, NewEvent, Position, Revision, StoredEvent } from './event-store.ts';

/*
 * The messages on the path of every event, by hand; all others are left to the client's generated code. Field numbers are those of
 * EventStoreDB's streams.proto and shared.proto.
 */

const DELIMITED = 2;

/** Fills a buffer from its end to its start, so that the length of a nested message is known when its head is written. */
class BackwardWriter {
  #buffer = Buffer.allocUnsafe(65_536);
  #at = this.#buffer.length;

  /** Bytes written so far; taken before a nested message, it closes that message. */
  get mark(): number {
    return this.#buffer.length - this.#at;
  }

  /** Up to 2^53. */
  uint(field: number, value: number): void {
    this.#varint(value);
    this.#varint(field * 8);
  }

  text(field: number, value: string): void {
    const length = Buffer.byteLength(value);
    this.#reserve(length);
    this.#at -= length;
    this.#buffer.write(value, this.#at, length);
    this.#head(field, length);
  }

  /** Copies bytes that are already encoded. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#at -= value.length;
    this.#buffer.set(value, this.#at);
  }

  /** Makes a field of all that was written since `mark`. */
  message(field: number, mark: number): void {
    this.#head(field, this.mark - mark);
  }

  /** A copy of what was written; the writer is free for the next message. */
  finish(): Buffer {
    const written = Buffer.from(this.#buffer.subarray(this.#at));
    this.#at = this.#buffer.length;
    return written;
  }

  #head(field: number, length: number): void {
    this.#varint(length);
    this.#varint(field * 8 + DELIMITED);
  }

  #varint(value: number): void {
    let size = 1;
    for (let rest = value; rest >= 128; rest /= 128) size += 1;
    this.#reserve(size);
    this.#at -= size;
    const last = this.#at + size - 1;
    let rest = value;
    for (let at = this.#at; at < last; at += 1) {
      this.#buffer[at] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[last] = rest;
  }

  #reserve(bytes: number): void {
    if (this.#at >= bytes) return;
    const written = this.#buffer.subarray(this.#at);
    const larger = Buffer.allocUnsafe(2 * (this.#buffer.length + bytes));
    this.#at = larger.length - written.length;
    larger.set(written, this.#at);
    this.#buffer = larger;
  }
}

const writer = new BackwardWriter();

/** The entry `content-type: application/json` of a proposed message, which the server asks for. */
const JSON_CONTENT = ((): Buffer => {
  writer.text(2, 'application/json');
  writer.text(1, 'content-type');
  writer.message(2, 0);
  return writer.finish();
})();

const writeUuid = (field: number, uuid: string): void => {
  const mark = writer.mark;
  writer.text(2, uuid);
  writer.message(field, mark);
};

const writeEvent = ({ id, type, data, metadata }: NewEvent): void => {
  const event = writer.mark;
  writer.text(4, JSON.stringify(data));
  writer.text(3, JSON.stringify(metadata));
  writer.raw(JSON_CONTENT);
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

/** An append is known by a number, which travels as the last part of a UUID. */
const CORRELATION_PREFIX = '00000000-0000-4000-8000-';
const correlationOf = (number: number): string => CORRELATION_PREFIX + number.toString(16).padStart(12, '0');

export type Append = {
  /** Tells the answer's append; below 2^48. */
  readonly number: number;
  readonly stream: string;
  readonly events: readonly NewEvent[];
  readonly expectedRevision: ExpectedRevision;
  /** The server gives up after this instant, in ms since the Unix epoch. */
  readonly deadlineMs: number;
};

/** A `BatchAppendReq` that holds a whole append. */
export const encodeAppend = ({ number, stream, events, expectedRevision, deadlineMs }: Append): Buffer => {
  writer.uint(4, 1); // is_final
  for (let index = events.length - 1; index >= 0; index -= 1) writeEvent(events[index] as NewEvent);
  writeOptions(stream, expectedRevision, deadlineMs);
  writeUuid(1, correlationOf(number));
  return writer.finish();
};

/** Walks the fields of one message without copying: `while (fields.next()) switch (fields.number) …`. What is not read is skipped. */
class Fields {
  number = 0;
  /** Bounds of the last delimited field. */
  start = 0;
  end = 0;
  readonly #buffer: Buffer;
  #at: number;
  readonly #stop: number;
  #wire = 0;
  #pending = false;

  constructor(buffer: Buffer, start = 0, stop = buffer.length) {
    this.#buffer = buffer;
    this.#at = start;
    this.#stop = stop;
  }

  next(): boolean {
    if (this.#pending) this.#skip();
    if (this.#at >= this.#stop) return false;
    const tag = this.#varint();
    this.number = tag >>> 3;
    this.#wire = tag & 7;
    this.#pending = true;
    if (this.#wire === DELIMITED) {
      const length = this.#varint();
      this.start = this.#at;
      this.end = this.#at + length;
      if (this.end > this.#stop) throw new Error('malformed message from the event store');
      this.#at = this.end;
      this.#pending = false;
    }
    return true;
  }

  uint(): bigint {
    this.#pending = false;
    return this.#bigVarint();
  }

  text(): string {
    return this.#buffer.toString('utf8', this.start, this.end);
  }

  /** For what is known to be ASCII. */
  ascii(): string {
    return this.#buffer.toString('latin1', this.start, this.end);
  }

  message(): Fields {
    return new Fields(this.#buffer, this.start, this.end);
  }

  #skip(): void {
    this.#pending = false;
    if (this.#wire === 0) while ((this.#buffer[this.#at++] ?? 0) >= 128);
    else if (this.#wire === 1) this.#at += 8;
    else if (this.#wire === 5) this.#at += 4;
    else throw new Error('malformed message from the event store');
  }

  /** Tags and lengths. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#buffer[this.#at++];
      if (byte === undefined) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 128) return value;
    }
    throw new Error('malformed message from the event store');
  }

  /** Exact to 64 bits: in two halves, since a number carries 53. */
  #bigVarint(): bigint {
    let low = 0;
    let value = 0;
    let factor = 1;
    for (let index = 0; index < 10; index += 1) {
      const byte = this.#buffer[this.#at++];
      if (byte === undefined) break;
      if (index === 7) {
        low = value;
        value = 0;
        factor = 1;
      }
      value += (byte & 0x7f) * factor;
      factor *= 128;
      if (byte < 128) return index < 7 ? BigInt(value) : (BigInt(value) << 49n) + BigInt(low);
    }
    throw new Error('malformed message from the event store');
  }
}

const CORRELATION_MASK = 0xffff_ffff_ffffn;

/** The server sends a UUID as text or as two integers, whichever it likes. */
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
  /** The `BatchAppendResp` as it came, to have a refusal unpacked. */
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

/** What a read brings: events, and what the server says about the read itself. */
export type ReadMessage = StoredEvent | Checkpoint | 'caught_up' | 'stream_not_found' | 'other';

/** The store's own bookkeeping, not a fact of ours. */
export const isSystemEvent = ({ type, stream }: StoredEvent): boolean => type.startsWith('$') || stream.startsWith('$');

/** Of another program's events, what is not JSON is left out. */
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
  throw new Error('the event store sent an event without id');
};

const readStreamName = (fields: Fields): string => {
  while (fields.next()) if (fields.number === 3) return fields.text();
  return '';
};

/** The server counts in 100 ns since the Unix epoch. */
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
