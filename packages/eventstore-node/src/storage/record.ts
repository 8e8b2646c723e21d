import { crc32 } from 'node:zlib';
import { varintSize, writeVarint } from '../protobuf/writer.ts';

/**
 * One stored event: a fixed header for our own use, then the gRPC-framed `ReadResp` exactly as it goes to a reader, so
 * that serving an event is a copy. Little endian.
 *
 *  0 u32 size of the whole record      32 u16 flags             40 u16 where the type starts
 *  4 u32 crc32 of all that follows   34 u16 type length       42 u16 unused
 *  8 f64 position                      36 u16 name length       44 u32 where the stream name starts
 * 16 f64 revision                      38 u16 where the         48 u32 where the data starts; it ends with the record
 * 24 f64 created, ms since the epoch          RecordedEvent starts; it ends with the record
 */
const RECORD_HEADER = 52;
const FRAME_PREFIX = 5;
const ID_LENGTH = 36;

/** The revision a tombstone takes: 2^63 - 1 on the wire, its nearest double here. */
export const TOMBSTONE_REVISION = 2 ** 63;
export const MAX_I64 = 9223372036854775807n;

/** Longest stream name and event type, in bytes: their lengths are kept in 16 bits. */
export const MAX_NAME_BYTES = 60_000;

export const Flag = { json: 1, link: 2, tombstone: 4 } as const;

/** An event to append. The ranges point into `source`, the request it arrived in. */
export type ProposedEvent = {
  readonly source: Buffer;
  /** Lower-case, hyphenated. */
  readonly id: string;
  readonly json: boolean;
  readonly typeStart: number;
  readonly typeEnd: number;
  readonly dataStart: number;
  readonly dataEnd: number;
  readonly metadataStart: number;
  readonly metadataEnd: number;
};

/** What the node adds when it writes an event. */
export type Placement = {
  readonly streamName: Buffer;
  readonly revision: number;
  readonly position: number;
  readonly created: CreatedAt;
};

/** Write time in the two forms a record needs; one per group. */
export type CreatedAt = {
  readonly ms: number;
  /** 100 ns ticks since the epoch, decimal. */
  readonly ticks: Buffer;
};

export const createdAt = (ms: number): CreatedAt => ({ ms, ticks: Buffer.from(`${Math.trunc(ms)}0000`, 'latin1') });

const metadataEntry = (key: string, value: string): Buffer => {
  const content = Buffer.from(
    `\x0a${String.fromCharCode(key.length)}${key}\x12${String.fromCharCode(value.length)}${value}`,
    'latin1',
  );
  return Buffer.concat([Buffer.from([0x32, content.length]), content]);
};

const KEY_TYPE = Buffer.from('\x0a\x04type\x12', 'latin1');
const KEY_CREATED = Buffer.from('\x0a\x07created\x12', 'latin1');
const JSON_ENTRY = metadataEntry('content-type', 'application/json');
const BINARY_ENTRY = metadataEntry('content-type', 'application/octet-stream');
const FEW_BYTES = 48;
const TOMBSTONE_VARINT = Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);

/** Room that is certainly enough for the record of this event. */
export const recordSizeBound = (event: ProposedEvent, streamName: Buffer): number => {
  const body = event.typeEnd - event.typeStart + (event.dataEnd - event.dataStart);
  return RECORD_HEADER + body + (event.metadataEnd - event.metadataStart) + streamName.length + 250;
};

/** Writes the record at `at` and returns the offset after it. */
export const writeRecord = (target: Buffer, at: number, event: ProposedEvent, placement: Placement): number => {
  const sizes = measure(event, placement);
  target.writeDoubleLE(placement.position, at + 8);
  target.writeDoubleLE(placement.revision, at + 16);
  target.writeDoubleLE(placement.created.ms, at + 24);
  target.writeUInt16LE(flagsOf(event, placement), at + 32);
  target.writeUInt16LE(sizes.type, at + 34);
  target.writeUInt16LE(placement.streamName.length, at + 36);
  const recorded = writeFrameHead(target, at + RECORD_HEADER, sizes, placement.position);
  target.writeUInt16LE(recorded - at, at + 38);
  const end = writeRecordedEvent(target, at, recorded, event, placement, sizes);
  target.writeUInt32LE(end - at, at);
  target.writeUInt32LE(checksum(target, at, end - at), at + 4);
  return end;
};

type Sizes = {
  readonly type: number;
  readonly metadata: number;
  readonly data: number;
  readonly typeEntry: number;
  readonly nameField: number;
  readonly createdEntry: number;
  readonly recorded: number;
};

const measure = (event: ProposedEvent, { streamName, revision, position, created }: Placement): Sizes => {
  const type = event.typeEnd - event.typeStart;
  const metadata = event.metadataEnd - event.metadataStart;
  const data = event.dataEnd - event.dataStart;
  const typeEntry = KEY_TYPE.length + varintSize(type) + type;
  const nameField = 1 + varintSize(streamName.length) + streamName.length;
  const createdEntry = KEY_CREATED.length + 1 + created.ticks.length;
  const recorded =
    4 +
    ID_LENGTH +
    delimitedSize(typeEntry) +
    delimitedSize(nameField) +
    (1 + revisionSize(revision)) +
    2 * (1 + varintSize(position)) +
    delimitedSize(createdEntry) +
    (event.json ? JSON_ENTRY.length : BINARY_ENTRY.length) +
    (metadata === 0 ? 0 : delimitedSize(metadata)) +
    (data === 0 ? 0 : delimitedSize(data));
  return { type, metadata, data, typeEntry, nameField, createdEntry, recorded };
};

const delimitedSize = (length: number): number => 1 + varintSize(length) + length;

const revisionSize = (revision: number): number =>
  revision === TOMBSTONE_REVISION ? TOMBSTONE_VARINT.length : varintSize(revision);

const flagsOf = (event: ProposedEvent, placement: Placement): number => {
  const { source, typeStart, typeEnd } = event;
  const isLink = typeEnd - typeStart === 2 && source[typeStart] === 0x24 && source[typeStart + 1] === 0x3e;
  return (
    (event.json ? Flag.json : 0) |
    (isLink ? Flag.link : 0) |
    (placement.revision === TOMBSTONE_REVISION ? Flag.tombstone : 0)
  );
};

/** gRPC prefix, `ReadResp.event`, `ReadEvent.commit_position`, head of `ReadEvent.event`. */
const writeFrameHead = (target: Buffer, from: number, sizes: Sizes, position: number): number => {
  const readEvent = 1 + varintSize(position) + delimitedSize(sizes.recorded);
  target[from] = 0;
  target.writeUInt32BE(delimitedSize(readEvent), from + 1);
  let at = from + FRAME_PREFIX;
  target[at++] = 0x0a;
  at = writeVarint(target, at, readEvent);
  target[at++] = 0x18;
  at = writeVarint(target, at, position);
  target[at++] = 0x0a;
  return writeVarint(target, at, sizes.recorded);
};

const writeRecordedEvent = (
  target: Buffer,
  record: number,
  from: number,
  event: ProposedEvent,
  placement: Placement,
  sizes: Sizes,
): number => {
  let at = writeId(target, from, event.id);
  at = writeType(target, record, at, event, sizes);
  at = writeStreamName(target, record, at, placement.streamName, sizes);
  at = writePlace(target, at, placement);
  at = writeCreated(target, at, placement.created, sizes);
  at = copy(event.json ? JSON_ENTRY : BINARY_ENTRY, target, at);
  return writeBody(target, record, at, event, sizes);
};

const writeId = (target: Buffer, from: number, id: string): number => {
  let at = from;
  target[at++] = 0x0a;
  target[at++] = 2 + ID_LENGTH;
  target[at++] = 0x12;
  target[at++] = ID_LENGTH;
  return at + target.write(id, at, ID_LENGTH, 'latin1');
};

const writeType = (target: Buffer, record: number, from: number, event: ProposedEvent, sizes: Sizes): number => {
  let at = from;
  target[at++] = 0x32; // an entry of the metadata map
  at = writeVarint(target, at, sizes.typeEntry);
  at = copy(KEY_TYPE, target, at);
  at = writeVarint(target, at, sizes.type);
  target.writeUInt16LE(at - record, record + 40);
  target.writeUInt16LE(0, record + 42);
  return copy(event.source, target, at, event.typeStart, event.typeEnd);
};

const writeStreamName = (target: Buffer, record: number, from: number, name: Buffer, sizes: Sizes): number => {
  let at = from;
  target[at++] = 0x12;
  at = writeVarint(target, at, sizes.nameField);
  target[at++] = 0x1a;
  at = writeVarint(target, at, name.length);
  target.writeUInt32LE(at - record, record + 44);
  return copy(name, target, at);
};

const writeCreated = (target: Buffer, from: number, { ticks }: CreatedAt, sizes: Sizes): number => {
  let at = from;
  target[at++] = 0x32; // an entry of the metadata map
  at = writeVarint(target, at, sizes.createdEntry);
  at = copy(KEY_CREATED, target, at);
  target[at++] = ticks.length;
  return copy(ticks, target, at);
};

/** Custom metadata, then data, which ends the record. */
const writeBody = (target: Buffer, record: number, from: number, event: ProposedEvent, sizes: Sizes): number => {
  let at = from;
  if (sizes.metadata > 0) {
    target[at++] = 0x3a;
    at = writeVarint(target, at, sizes.metadata);
    at = copy(event.source, target, at, event.metadataStart, event.metadataEnd);
  }
  if (sizes.data > 0) {
    target[at++] = 0x42;
    at = writeVarint(target, at, sizes.data);
  }
  target.writeUInt32LE(at - record, record + 48);
  return sizes.data > 0 ? copy(event.source, target, at, event.dataStart, event.dataEnd) : at;
};

/** Revision, prepare position, commit position. */
const writePlace = (target: Buffer, from: number, { revision, position }: Placement): number => {
  let at = from;
  target[at++] = 0x18;
  if (revision === TOMBSTONE_REVISION) at = copy(TOMBSTONE_VARINT, target, at);
  else at = writeVarint(target, at, revision);
  target[at++] = 0x20;
  at = writeVarint(target, at, position);
  target[at++] = 0x28;
  return writeVarint(target, at, position);
};

/** Copies `source[start, end)` to `at` and returns the offset after it. `Buffer.copy` is slower for a few bytes. */
const copy = (source: Buffer, target: Buffer, at: number, start = 0, end = source.length): number => {
  const behind = at + end - start;
  if (end - start > FEW_BYTES) source.copy(target, at, start, end);
  else for (let from = start, to = at; from < end; from++, to++) target[to] = source[from] as number;
  return behind;
};

const checksum = (buffer: Buffer, at: number, size: number): number => crc32(buffer.subarray(at + 8, at + size));

/** Whether a whole, undamaged record that belongs at `position` starts at `at`. */
export const isIntactRecord = (buffer: Buffer, at: number, position: number): boolean => {
  if (buffer.length - at < RECORD_HEADER) return false;
  const size = buffer.readUInt32LE(at);
  return (
    size >= RECORD_HEADER &&
    size <= buffer.length - at &&
    buffer.readDoubleLE(at + 8) === position &&
    buffer.readUInt32LE(at + 4) === checksum(buffer, at, size)
  );
};

/** Reads the parts of a stored record. */
export class StoredRecord {
  readonly buffer: Buffer;
  readonly at: number;

  constructor(buffer: Buffer, at: number) {
    this.buffer = buffer;
    this.at = at;
  }

  get size(): number {
    return this.buffer.readUInt32LE(this.at);
  }

  get position(): number {
    return this.buffer.readDoubleLE(this.at + 8);
  }

  get revision(): number {
    return this.buffer.readDoubleLE(this.at + 16);
  }

  get createdMs(): number {
    return this.buffer.readDoubleLE(this.at + 24);
  }

  get flags(): number {
    return this.buffer.readUInt16LE(this.at + 32);
  }

  get type(): string {
    const start = this.at + this.buffer.readUInt16LE(this.at + 40);
    return this.buffer.toString('utf8', start, start + this.buffer.readUInt16LE(this.at + 34));
  }

  get streamName(): string {
    const start = this.at + this.buffer.readUInt32LE(this.at + 44);
    return this.buffer.toString('utf8', start, start + this.buffer.readUInt16LE(this.at + 36));
  }

  /** Whether the stream name starts with `$`. */
  get isSystem(): boolean {
    return this.buffer[this.at + this.buffer.readUInt32LE(this.at + 44)] === 0x24;
  }

  get id(): string {
    const start = this.at + this.buffer.readUInt16LE(this.at + 38) + 4;
    return this.buffer.toString('latin1', start, start + ID_LENGTH);
  }

  get data(): Buffer {
    return this.buffer.subarray(this.at + this.buffer.readUInt32LE(this.at + 48), this.at + this.size);
  }

  /** The protobuf `RecordedEvent`. */
  get recordedEvent(): Buffer {
    return this.buffer.subarray(this.at + this.buffer.readUInt16LE(this.at + 38), this.at + this.size);
  }

  /** The gRPC-framed `ReadResp`. */
  get frame(): Buffer {
    return this.buffer.subarray(this.at + RECORD_HEADER, this.at + this.size);
  }
}

/** Length of the `id` field at the start of every stored `RecordedEvent`. */
export const ID_FIELD_SIZE = 4 + ID_LENGTH;
