import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import type { Position } from '../event-store.ts';
import { badFile, headerLine, type Line, parseHeader, parseLine } from './format.ts';
import type { RecordedEvent } from './raw-read.ts';
import type { Selection } from './selection.ts';

const FLUSH_BYTES = 1024 * 1024;
const TAIL_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/** The file of an export. A torn last line of an earlier export is cut off; the export continues after it. */
export class ExportFile {
  #waiting: string[] = [];
  #waitingBytes = 0;
  readonly #fd: number;
  #size: number;

  private constructor(
    fd: number,
    size: number,
    /** The last line that an earlier export wrote after the header. */
    readonly last: Line | undefined,
    /** The last event that it wrote. */
    readonly lastEvent: RecordedEvent | undefined,
  ) {
    this.#fd = fd;
    this.#size = size;
  }

  /** Throws `AppError` if the file is something else, or an export of other streams. */
  static open(path: string, selection: Selection, now: string): ExportFile {
    const fd = openSync(path, 'a+', 0o600);
    try {
      if (!fstatSync(fd).isFile()) throw badFile(path, 'is not a regular file; name another one');
      const size = cutTornLine(fd);
      if (size === 0) {
        const header = Buffer.from(headerLine(selection, now));
        writeSync(fd, header);
        return new ExportFile(fd, header.length, undefined, undefined);
      }
      checkHeader(path, firstLine(fd, size), selection);
      const last = lastLine(fd, size, path);
      return new ExportFile(fd, size, last?.line, lastEventOf(fd, last, path));
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  get bytes(): number {
    return this.#size;
  }

  /** The log was read up to here. */
  get position(): Position | undefined {
    if (this.last === undefined) return undefined;
    return this.last.kind === 'event' ? this.last.event.position : this.last.position;
  }

  write(line: string): void {
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
    if (this.#waitingBytes >= FLUSH_BYTES) this.flush();
  }

  /** Writes what is buffered and makes everything durable. */
  close(): void {
    try {
      this.flush();
      fdatasyncSync(this.#fd);
    } finally {
      closeSync(this.#fd);
    }
  }

  flush(): void {
    const bytes = Buffer.from(this.#waiting.join(''));
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
    this.#size += bytes.length;
  }
}

const checkHeader = (path: string, line: string, { streams, includeSystem }: Selection): void => {
  const header = parseHeader(line, path);
  const same = header.includeSystem === includeSystem && header.streams.join('\n') === streams.join('\n');
  if (same) return;
  const which = header.streams.length === 0 ? '--all' : `--streams ${header.streams.join(' ')}`;
  throw badFile(
    path,
    `was started with ${which}${header.includeSystem ? ' --include-system' : ''}; use the same options, or name another file`,
  );
};

/** Returns the size without the torn line. */
const cutTornLine = (fd: number): number => {
  const { size } = fstatSync(fd);
  const end = lastNewline(fd, size) + 1;
  if (end < size) ftruncateSync(fd, end);
  return end;
};

/** Offset of the last line of a file that ends with a newline. */
const lastLineStart = (fd: number, size: number): number => lastNewline(fd, size - 1) + 1;

/** Offset of the last newline before `end`; -1 if there is none. */
const lastNewline = (fd: number, end: number): number => {
  for (let stop = end; stop > 0; stop -= TAIL_BYTES) {
    const start = Math.max(0, stop - TAIL_BYTES);
    const at = readBytes(fd, start, stop).lastIndexOf(NEWLINE);
    if (at >= 0) return start + at;
  }
  return -1;
};

type LastLine = { readonly line: Line; readonly start: number };

/** The last line before `end`, which follows a newline; undefined if it is the header. */
const lastLine = (fd: number, end: number, path: string): LastLine | undefined => {
  const start = lastLineStart(fd, end);
  return start === 0 ? undefined : { line: parseLine(readText(fd, start, end), `${path}, last line`), start };
};

/** Only checkpoints follow it: one for each export that found nothing new. */
const lastEventOf = (fd: number, from: LastLine | undefined, path: string): RecordedEvent | undefined => {
  let last = from;
  while (last?.line.kind === 'checkpoint') last = lastLine(fd, last.start, path);
  return last?.line.kind === 'event' ? last.line.event : undefined;
};

const firstLine = (fd: number, size: number): string => {
  const text = readText(fd, 0, Math.min(size, TAIL_BYTES));
  return text.slice(0, text.indexOf('\n'));
};

const readText = (fd: number, start: number, end: number): string => readBytes(fd, start, end).toString('utf8');

const readBytes = (fd: number, start: number, end: number): Buffer => {
  const bytes = Buffer.alloc(end - start);
  let filled = 0;
  while (filled < bytes.length) {
    const got = readSync(fd, bytes, filled, bytes.length - filled, start + filled);
    if (got === 0) break;
    filled += got;
  }
  return bytes.subarray(0, filled);
};
