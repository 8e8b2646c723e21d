import { GROUP_HEADER, GROUP_MAGIC, readGroupHeader } from './group.ts';

export const WINDOW = 4 * 1024 * 1024;

/** Reads a log, or a file of one, by position and in large pieces. */
export class WindowReader {
  #start = 0;
  #window: Buffer = Buffer.alloc(0);

  readonly #read: (position: number, length: number) => Buffer;

  /** `read` gives the bytes from a position, fewer only at the end. */
  constructor(read: (position: number, length: number) => Buffer) {
    this.#read = read;
  }

  /** Up to `length` bytes from `position`; fewer only at the end. Valid until the next call. */
  at(position: number, length: number): Buffer {
    const offset = position - this.#start;
    if (offset >= 0 && offset + length <= this.#window.length) return this.#window.subarray(offset, offset + length);
    this.#start = position;
    this.#window = this.#read(position, Math.max(length, WINDOW));
    return this.#window.subarray(0, length);
  }

  /** Position of the first group header between `from` and `end` whose position is the right one for its place. */
  nextGroup(from: number, end: number): number | undefined {
    for (let start = from; start < end; start += WINDOW) {
      const bytes = this.at(start, WINDOW + GROUP_HEADER);
      for (let at = bytes.indexOf(GROUP_MAGIC); at >= 0; at = bytes.indexOf(GROUP_MAGIC, at + 1)) {
        if (readGroupHeader(bytes, at, start + at)) return start + at;
      }
    }
    return undefined;
  }
}
