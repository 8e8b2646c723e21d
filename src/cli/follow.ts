import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from './client.ts';
import { EXIT, Failure } from './failure.ts';

const RESUME_TRIES = 10;
const RESUME_AFTER_MS = 1_000;

/** A subscription to what happens to one task or execution. */
export type Subject = {
  /** With the variables `id` and `fromPosition`, and the result as `change`. */
  readonly document: string;
  readonly id: string;
  /** Entries after which nothing happens by itself. */
  readonly ends: ReadonlySet<string>;
};

export type FollowedEntry = { readonly type: string; readonly position: string };

export type Follow<Entry> = {
  /** What was seen already. */
  readonly from: bigint;
  /** Ends before this position were undone by what followed them. */
  readonly endsFrom: bigint;
  readonly onEntry: (entry: Entry) => void;
};

type Change<Entry> = { readonly change: { readonly position: string; readonly entry: Entry } };

/** Reads a subject's changes until one ends it, and gives that one. A broken connection is taken up where it broke. */
export const follow = async <Entry extends FollowedEntry>(
  client: Client,
  { document, id, ends }: Subject,
  { from: start, endsFrom, onEntry }: Follow<Entry>,
): Promise<Entry> => {
  let from = start;
  for (let tries = 0; ; ) {
    try {
      for await (const { change } of client.subscribe<Change<Entry>>(document, { id, fromPosition: String(from) })) {
        tries = 0;
        from = BigInt(change.position);
        onEntry(change.entry);
        if (from >= endsFrom && ends.has(change.entry.type)) return change.entry;
      }
      tries += 1; // the server said that there is no more: it stops
    } catch (error) {
      if (!(error instanceof Failure) || error.exitCode !== EXIT.unreachable || tries >= RESUME_TRIES) throw error;
      tries += 1;
    }
    await sleep(RESUME_AFTER_MS);
  }
};
