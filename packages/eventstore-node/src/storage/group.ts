import { crc32 } from 'node:zlib';

/**
 * A group is what one flush makes durable: a header, then the records of one or more whole appends. A group is valid or
 * cut as a whole, so no append is ever half there. Little endian.
 *
 *  0 8 bytes magic and format version     16 u32 length of the records     24 u32 crc32 of bytes 0 to 24
 *  8 f64 position of this header          20 u32 number of records         28 u32 unused
 */
export const GROUP_HEADER = 32;
export const GROUP_MAGIC = Buffer.from('BTNGRP01', 'latin1');

export type GroupHeader = {
  readonly position: number;
  readonly bodyLength: number;
  readonly records: number;
};

export const writeGroupHeader = (target: Buffer, header: GroupHeader): void => {
  GROUP_MAGIC.copy(target, 0);
  target.writeDoubleLE(header.position, 8);
  target.writeUInt32LE(header.bodyLength, 16);
  target.writeUInt32LE(header.records, 20);
  target.writeUInt32LE(crc32(target.subarray(0, 24)), 24);
  target.writeUInt32LE(0, 28);
};

/** The header at `at`, if it is undamaged and belongs at `position`. */
export const readGroupHeader = (buffer: Buffer, at: number, position: number): GroupHeader | undefined => {
  if (buffer.length - at < GROUP_HEADER) return undefined;
  if (buffer.compare(GROUP_MAGIC, 0, 8, at, at + 8) !== 0) return undefined;
  if (buffer.readDoubleLE(at + 8) !== position) return undefined;
  if (buffer.readUInt32LE(at + 24) !== crc32(buffer.subarray(at, at + 24))) return undefined;
  return { position, bodyLength: buffer.readUInt32LE(at + 16), records: buffer.readUInt32LE(at + 20) };
};
