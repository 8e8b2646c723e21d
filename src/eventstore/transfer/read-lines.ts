import { createReadStream } from 'node:fs';

const NEWLINE = 0x0a;
const CHUNK = 256 * 1024;

export type TextLine = {
  readonly text: string;
  /** From 1. */
  readonly number: number;
  /** Offset of the end of the line in the file. */
  readonly end: number;
  /** Whether it ends with a newline: only the last line may lack one. */
  readonly whole: boolean;
};

/** The lines of a file of any length, one at a time in memory. */
export async function* readLines(path: string): AsyncGenerator<TextLine> {
  let parts: Buffer[] = [];
  let number = 0;
  let end = 0;
  const take = (last: Buffer): string => {
    const bytes = parts.length === 0 ? last : Buffer.concat([...parts, last]);
    parts = [];
    number += 1;
    return bytes.toString('utf8');
  };
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK }) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, start)) {
      const text = take(chunk.subarray(start, at));
      yield { text, number, end: end + at + 1, whole: true };
      start = at + 1;
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
    end += chunk.length;
  }
  if (parts.length === 0) return;
  const text = take(Buffer.alloc(0));
  yield { text, number, end, whole: false };
}
