import { readSync } from 'node:fs';
import { GROUP_HEADER, type GroupHeader, readGroupHeader } from '../storage/group.ts';
import { isIntactRecord, StoredRecord } from '../storage/record.ts';
import type { Segment } from '../storage/segment-files.ts';
import { WINDOW, WindowReader } from '../storage/window-reader.ts';

const RECORD_POSITION = 8;

/** What a walk through one file meets, in order. Records are valid during the call only. */
export type SegmentVisitor = {
  record(record: StoredRecord, position: number): void;
  group(): void;
  /** Bytes without an intact record. */
  damage(from: number, to: number, what: string): void;
  /** An incomplete last group, as a crash leaves it. Space allocated in advance may follow. */
  tornTail(from: number, to: number): void;
};

/**
 * Walks every group and record of a file, also after damage. Positions throughout, not file offsets.
 *
 * `mayBeTorn` says whether a group there that is not whole and has none behind it is only a write that a crash
 * interrupted. Yields once per window, so that the caller can let others run.
 */
export function* walkSegment(
  segment: Segment,
  visitor: SegmentVisitor,
  mayBeTorn: (position: number) => boolean,
): Generator<number> {
  const reader = new WindowReader((position, length) => readSegment(segment, position, length));
  const end = segment.base + segment.size;
  let yieldedAt = segment.base;
  for (let at = segment.base; at < end; ) {
    const groupEnd = wholeGroup(reader, at, visitor);
    if (groupEnd === undefined) {
      const next = reader.nextGroup(at + 1, end);
      if (next === undefined && mayBeTorn(at)) {
        const room = roomStart(reader, at, end);
        if (room > at) visitor.tornTail(at, room);
        return;
      }
      walkDamaged(reader, at, next ?? end, visitor);
      at = next ?? end;
    } else at = groupEnd;
    if (at - yieldedAt < WINDOW) continue;
    yieldedAt = at;
    yield at;
  }
}

/** Where the zeros begin that a node wrote ahead and has not used, which reach to the end; that if there are none. */
const roomStart = (reader: WindowReader, from: number, end: number): number => {
  for (let stop = end; stop > from; ) {
    const start = Math.max(from, stop - WINDOW);
    const used = reader.at(start, stop - start).findLastIndex((byte) => byte !== 0);
    if (used >= 0) return start + used + 1;
    stop = start;
  }
  return from;
};

/** Visits the group if all of it is intact, and returns the position after it. */
const wholeGroup = (reader: WindowReader, start: number, visitor: SegmentVisitor): number | undefined => {
  const header = readGroupHeader(reader.at(start, GROUP_HEADER), 0, start);
  if (!header) return undefined;
  const from = start + GROUP_HEADER;
  const body = reader.at(from, header.bodyLength);
  if (!isWhole(body, from, header)) return undefined;
  for (let at = 0; at < body.length; ) {
    const record = new StoredRecord(body, at);
    visitor.record(record, from + at);
    at += record.size;
  }
  visitor.group();
  return from + header.bodyLength;
};

const isWhole = (body: Buffer, from: number, { bodyLength, records }: GroupHeader): boolean => {
  if (body.length < bodyLength) return false;
  let at = 0;
  for (let i = 0; i < records; i++) {
    if (!isIntactRecord(body, at, from + at)) return false;
    at += new StoredRecord(body, at).size;
  }
  return at === bodyLength;
};

/** Visits the intact records of a damaged stretch, and reports what lies between them. */
const walkDamaged = (reader: WindowReader, start: number, end: number, visitor: SegmentVisitor): void => {
  const bytes = reader.at(start, end - start);
  const header = readGroupHeader(bytes, 0, start);
  if (!header) visitor.damage(start, Math.min(start + GROUP_HEADER, end), headerProblem(bytes));
  let damaged = false;
  for (let at = GROUP_HEADER; at < bytes.length; ) {
    if (isIntactRecord(bytes, at, start + at)) {
      const record = new StoredRecord(bytes, at);
      visitor.record(record, start + at);
      at += record.size;
      continue;
    }
    const next = nextRecord(bytes, at + 1, start) ?? bytes.length;
    damaged = true;
    visitor.damage(start + at, start + next, 'the record is damaged');
    at = next;
  }
  if (header && !damaged) visitor.damage(start, end, 'the group does not match its header');
};

const headerProblem = (bytes: Buffer): string => {
  const claimed = bytes.length < GROUP_HEADER ? Number.NaN : bytes.readDoubleLE(8);
  const strayed = readGroupHeader(bytes, 0, claimed) !== undefined;
  return strayed ? `a group of position ${claimed} is here` : 'the group header is damaged';
};

const nextRecord = (bytes: Buffer, from: number, start: number): number | undefined => {
  for (let at = from; at + RECORD_POSITION + 8 <= bytes.length; at++) {
    if (bytes.readDoubleLE(at + RECORD_POSITION) === start + at && isIntactRecord(bytes, at, start + at)) return at;
  }
  return undefined;
};

/** The bytes of a file from a position, fewer only at its end. */
const readSegment = ({ fd, base, size }: Segment, position: number, length: number): Buffer => {
  const offset = position - base;
  const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(length, size - offset)));
  let filled = 0;
  while (filled < buffer.length) {
    const got = readSync(fd, buffer, filled, buffer.length - filled, offset + filled);
    if (got === 0) break;
    filled += got;
  }
  return buffer.subarray(0, filled);
};
