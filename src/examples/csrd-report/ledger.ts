import { closeSync, fsyncSync, mkdirSync, openSync, truncateSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { ExecutionId, FileRef, readIfExists } from './work-folder.ts';

const Booking = z.strictObject({
  kind: z.literal('booking'),
  /** Effect key of the task that made the booking. */
  id: z.string(),
  execution: ExecutionId,
  tonnesCO2e: z.number(),
  /** The figures behind the booking. */
  footprint: FileRef,
  at: z.iso.datetime(),
});
export type Booking = z.output<typeof Booking>;

const Reversal = z.strictObject({
  kind: z.literal('reversal'),
  id: z.string(),
  execution: ExecutionId,
  /** The booking that it reverses; null when the execution had booked nothing. */
  of: z.string().nullable(),
  tonnesCO2e: z.number(),
  at: z.iso.datetime(),
});

const Entry = z.discriminatedUnion('kind', [Booking, Reversal]);
export type Entry = z.output<typeof Entry>;

/**
 * One JSON line per entry. Entries are never changed or removed; a reversal cancels a booking. The line of a booking holds its effect
 * key, so the booking and the record that it was made are one write.
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

  /** When it returns, the entry is on disk. */
  append(entry: Entry): void {
    mkdirSync(dirname(this.#path), { recursive: true });
    const whole = this.#wholeLines();
    const file = openSync(this.#path, 'a');
    try {
      // A partial entry that a crash left was never acknowledged.
      truncateSync(this.#path, Buffer.byteLength(whole));
      writeSync(file, `${JSON.stringify(entry)}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  #wholeLines(): string {
    const text = readIfExists(this.#path) ?? '';
    return text.slice(0, text.lastIndexOf('\n') + 1);
  }
}
