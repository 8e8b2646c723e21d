import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { replaceFile } from '../storage/durable-files.ts';
import { EventIndex } from './event-index.ts';

/**
 * The index as a file, so that a restart need not rebuild it. Disposable: without it, or if it is damaged, the index is
 * rebuilt from the log. Little endian: magic, u32 crc32 of the rest, u32 events, u32 streams, u32 bytes of names,
 * f64 end of the covered log, then f64 positions, u32 list lengths, u32 ordinals, u16 name lengths, u8 flags, names.
 */
const MAGIC = Buffer.from('BTNIDX01', 'latin1');
const HEAD = 32;
const FILE = 'index.snapshot';
/** There is none, or one of 2 GiB and more, some 170 million events: Node.js reads no such file whole. */
const UNUSABLE = new Set(['ENOENT', 'ERR_FS_FILE_TOO_LARGE']);

/** Writes the index, of which nothing is pending and which covers the log up to `logEnd`. Encodes before it returns. */
export const writeSnapshot = (folder: string, index: EventIndex, logEnd: number): Promise<void> =>
  replaceFile(folder, FILE, encode(index, logEnd));

/** The index and how much of the log it covers; an empty one if there is no usable snapshot. */
export const readSnapshot = (folder: string): { index: EventIndex; logEnd: number } => {
  const index = new EventIndex();
  let bytes: Buffer;
  try {
    bytes = readFileSync(join(folder, FILE));
  } catch (error) {
    if (UNUSABLE.has((error as NodeJS.ErrnoException).code ?? '')) return { index, logEnd: 0 };
    throw error;
  }
  const intact =
    bytes.length >= HEAD &&
    bytes.compare(MAGIC, 0, 8, 0, 8) === 0 &&
    bytes.readUInt32LE(8) === crc32(bytes.subarray(12));
  return intact ? { index, logEnd: decode(bytes, index) } : { index, logEnd: 0 };
};

const encode = (index: EventIndex, logEnd: number): Buffer => {
  const events = index.count;
  const streams = index.streamCount;
  let nameBytes = 0;
  for (const { name } of index.streams()) nameBytes += Buffer.byteLength(name);
  const bytes = Buffer.allocUnsafeSlow(HEAD + events * 12 + streams * 7 + nameBytes);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(events, 12);
  bytes.writeUInt32LE(streams, 16);
  bytes.writeUInt32LE(nameBytes, 20);
  bytes.writeDoubleLE(logEnd, 24);
  let at = HEAD;
  for (const part of index.positions.parts()) at += bytesOf(part).copy(bytes, at);
  writeStreams(bytes, at, index);
  bytes.writeUInt32LE(crc32(bytes.subarray(12)), 8);
  return bytes;
};

const writeStreams = (bytes: Buffer, from: number, index: EventIndex): void => {
  let lengthAt = from;
  let ordinalsAt = lengthAt + index.streamCount * 4;
  let nameLengthAt = ordinalsAt + index.count * 4;
  let flagAt = nameLengthAt + index.streamCount * 2;
  let nameAt = flagAt + index.streamCount;
  for (const { name, ordinals, tombstoned } of index.streams()) {
    const nameLength = bytes.write(name, nameAt);
    lengthAt = bytes.writeUInt32LE(ordinals.length, lengthAt);
    ordinalsAt += bytesOf(ordinals).copy(bytes, ordinalsAt);
    nameLengthAt = bytes.writeUInt16LE(nameLength, nameLengthAt);
    flagAt = bytes.writeUInt8(tombstoned ? 1 : 0, flagAt);
    nameAt += nameLength;
  }
};

const decode = (bytes: Buffer, index: EventIndex): number => {
  const events = bytes.readUInt32LE(12);
  const streams = bytes.readUInt32LE(16);
  let at = HEAD;
  const section = (length: number): ArrayBuffer => {
    const copy = new Uint8Array(bytes.subarray(at, at + length)).buffer as ArrayBuffer;
    at += length;
    return copy;
  };
  index.positions.pushAll(new Float64Array(section(events * 8)));
  const lengths = new Uint32Array(section(streams * 4));
  const ordinals = new Uint32Array(section(events * 4));
  const nameLengths = new Uint16Array(section(streams * 2));
  const flags = new Uint8Array(section(streams));
  let ordinal = 0;
  for (let i = 0; i < streams; i++) {
    const length = lengths[i] as number;
    const nameEnd = at + (nameLengths[i] as number);
    index.restore(bytes.toString('utf8', at, nameEnd), ordinals.subarray(ordinal, ordinal + length), flags[i] === 1);
    ordinal += length;
    at = nameEnd;
  }
  return bytes.readDoubleLE(24);
};

const bytesOf = (array: Float64Array | Uint32Array): Buffer =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength);
