import { closeSync, fdatasync, fdatasyncSync, ftruncateSync, readSync, unlinkSync, write, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { syncFolder } from './durable-files.ts';
import { DamagedLog, type Log, LogFailure } from './log.ts';
import { createSegment, openSegments, type Segment } from './segment-files.ts';

const flush = promisify(fdatasync);
const writeAside = promisify(write);

/** A segment is closed at this size; the group that crosses the line still goes into it. */
const SEGMENT_SIZE = 64 * 1024 * 1024;

/**
 * Room is taken this much ahead by writing zeros: a flush that need not also make a new file length durable takes half
 * the time. Larger groups do without, they would only be written twice; and they are written by another thread.
 */
const ROOM = Buffer.alloc(1024 * 1024);
const SMALL_GROUP = 64 * 1024;

/**
 * The log as append-only files. One write and one fdatasync per group; the next group is written only after the last
 * is durable, so everything before a valid group was flushed, and damage there is real damage, not a torn write. A node
 * that is killed leaves zeros after the last group, which recovery cuts like a torn write.
 */
export class SegmentLog implements Log {
  #broken: Error | undefined;

  readonly #folder: string;
  readonly #segments: Segment[];
  readonly #segmentSize: number;

  private constructor(folder: string, segments: Segment[], segmentSize: number) {
    this.#folder = folder;
    this.#segments = segments;
    this.#segmentSize = segmentSize;
  }

  /** Opens the files and checks that they follow one another; their contents are checked by recovery. */
  static open(folder: string, segmentSize = SEGMENT_SIZE): SegmentLog {
    const segments = openSegments(folder);
    if (segments.length === 0) segments.push(createSegment(folder, 0));
    let expected = 0;
    for (const { base, path, size } of segments) {
      if (base !== expected) throw new DamagedLog(expected, gap(expected, base, path));
      expected = base + size;
    }
    return new SegmentLog(folder, segments, segmentSize);
  }

  get end(): number {
    return this.#active.base + this.#active.size;
  }

  async append(group: Buffer): Promise<void> {
    if (this.#broken) throw new LogFailure('broken', this.#broken.message, { cause: this.#broken });
    const segment = this.#segmentForNext();
    await this.#writeAll(segment, group);
    try {
      await flush(segment.fd);
    } catch (cause) {
      throw this.#breakDown('a flush failed, so what is on disk is unknown', cause);
    }
    segment.size += group.length;
  }

  read(position: number, length: number): Buffer {
    const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(length, this.end - position)));
    let filled = 0;
    while (filled < buffer.length) {
      const segment = this.#segmentAt(position + filled);
      const offset = position + filled - segment.base;
      const wanted = Math.min(buffer.length - filled, segment.size - offset);
      const got = wanted > 0 ? readSync(segment.fd, buffer, filled, wanted, offset) : 0;
      if (got === 0) throw new DamagedLog(position + filled, `${segment.path} is shorter than it was`);
      filled += got;
    }
    return buffer;
  }

  /** Start of the file that contains this position, which is the start of a group. */
  segmentStart(position: number): number {
    return this.#segmentAt(Math.max(0, position)).base;
  }

  /** Drops everything from `position` on. Only for recovery: nothing there was ever acknowledged. */
  cut(position: number): void {
    while (this.#active.base > position) {
      const segment = this.#segments.pop() as Segment;
      closeSync(segment.fd);
      unlinkSync(segment.path);
    }
    this.#active.size = position - this.#active.base;
    this.#giveBackRoom(this.#active);
  }

  /** Makes durable what was found: a node that was killed may have written it, or begun its file, and not flushed. */
  flushFound(): void {
    fdatasyncSync(this.#active.fd);
    syncFolder(this.#folder);
  }

  async close(): Promise<void> {
    if (!this.#broken) this.#giveBackRoom(this.#active);
    for (const { fd } of this.#segments.splice(0)) closeSync(fd);
  }

  get #active(): Segment {
    return this.#segments[this.#segments.length - 1] as Segment;
  }

  #segmentForNext(): Segment {
    if (this.#active.size < this.#segmentSize) return this.#active;
    try {
      this.#giveBackRoom(this.#active);
      fdatasyncSync(this.#active.fd);
      this.#segments.push(createSegment(this.#folder, this.end));
    } catch (cause) {
      throw this.#asFailure('could not create the next segment file', cause);
    }
    return this.#active;
  }

  async #writeAll(segment: Segment, group: Buffer): Promise<void> {
    try {
      for (let done = 0; done < group.length; ) done += await writeSome(segment, group, done);
    } catch (cause) {
      this.#undo(segment);
      throw this.#asFailure('the events could not be written', cause);
    }
    const end = segment.size + group.length;
    if (end <= segment.allocated) return;
    segment.allocated = end;
    if (group.length < SMALL_GROUP) takeRoom(segment);
  }

  #giveBackRoom(segment: Segment): void {
    ftruncateSync(segment.fd, segment.size);
    segment.allocated = segment.size;
  }

  #undo(segment: Segment): void {
    try {
      this.#giveBackRoom(segment);
    } catch (cause) {
      throw this.#breakDown('a failed write could not be undone', cause);
    }
  }

  #asFailure(what: string, cause: unknown): LogFailure {
    const code = (cause as NodeJS.ErrnoException).code;
    const full = code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
    if (full) return new LogFailure('full', `disk full: ${what} (${code})`, { cause });
    return this.#breakDown(what, cause);
  }

  #breakDown(what: string, cause: unknown): LogFailure {
    this.#broken = new Error(`${what}; restart the node (${(cause as Error).message})`, { cause });
    return new LogFailure('broken', this.#broken.message, { cause });
  }

  #segmentAt(position: number): Segment {
    let low = 0;
    let high = this.#segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#segments[middle] as Segment).base <= position) low = middle;
      else high = middle - 1;
    }
    return this.#segments[low] as Segment;
  }
}

const writeSome = ({ fd, size }: Segment, group: Buffer, from: number): number | Promise<number> => {
  const left = group.length - from;
  if (group.length < SMALL_GROUP) return writeSync(fd, group, from, left, size + from);
  return writeAside(fd, group, from, left, size + from).then(({ bytesWritten }) => bytesWritten);
};

/** Becomes durable with the group in front of it. Where the disk has no room ahead the log does without. */
const takeRoom = (segment: Segment): void => {
  try {
    segment.allocated += writeSync(segment.fd, ROOM, 0, ROOM.length, segment.allocated);
  } catch {
    // the next group tells whether the disk is full
  }
};

const gap = (expected: number, base: number, path: string): string =>
  `the log has no bytes at position ${expected}: the next file, ${path}, starts at ${base}`;
