import { closeSync, fsyncSync, mkdirSync, openSync, truncateSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { ExecutionId, FileRef, readIfThere } from './work-folder.ts';

const Booking = z.strictObject({
  kind: z.literal('booking'),
  /** Effect key of the task that booked it. */
  id: z.string(),
  execution: ExecutionId,
  tonnesCO2e: z.number(),
  /** The figures that it rests on. */
  footprint: FileRef,
  at: z.iso.datetime(),
});
export type Booking = z.output<typeof Booking>;

const Reversal = z.strictObject({
  kind: z.literal('reversal'),
  id: z.string(),
  execution: ExecutionId,
  /** The booking that it takes back; null when the execution had booked nothing. */
  of: z.string().nullable(),
  tonnesCO2e: z.number(),
  at: z.iso.datetime(),
});

const Entry = z.discriminatedUnion('kind', [Booking, Reversal]);
export type Entry = z.output<typeof Entry>;

/**
 * One JSON line per entry; nothing is ever changed or taken out, a booking is taken back by a reversal. An entry is its own memory: that
 * a booking was made, and for which effect key, is known from the line that makes it, so there is no moment between the two.
 */
export class Ledger {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  entries(): Entry[] {
    return this.#wholeLines()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => Entry.parse(JSON.parse(line)));
  }

  /** On disk when it returns. */
  append(entry: Entry): void {
    mkdirSync(dirname(this.#path), { recursive: true });
    const whole = this.#wholeLines();
    const file = openSync(this.#path, 'a');
    try {
      // Whatever a crash left of an entry was never acknowledged.
      truncateSync(this.#path, Buffer.byteLength(whole));
      writeSync(file, `${JSON.stringify(entry)}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  #wholeLines(): string {
    const text = readIfThere(this.#path) ?? '';
    return text.slice(0, text.lastIndexOf('\n') + 1);
  }
}
