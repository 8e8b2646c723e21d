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

/** A subject's entries so far, and the position of the last event that its read model has seen. */
export type Known<Entry> = { readonly entries: readonly Entry[]; readonly last: bigint };

/**
 * From its beginning: by the subscription, or where that is too far back for one, by what is known already.
 *
 * Errors: `Failure`, as of `Client`.
 */
export const followFromStart = async <Entry extends FollowedEntry>(
  client: Client,
  subject: Subject,
  { entries, last }: Known<Entry>,
  onEntry: (entry: Entry) => void,
): Promise<Entry> => {
  const first = BigInt(entries[0]?.position ?? 0);
  try {
    return await follow<Entry>(client, subject, { from: first > 0n ? first - 1n : 0n, endsFrom: last, onEntry });
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'RESUME_EXPIRED') throw error;
    for (const entry of entries) onEntry(entry);
    const newest = entries.at(-1);
    if (newest !== undefined && subject.ends.has(newest.type)) return newest;
    return follow<Entry>(client, subject, { from: BigInt(newest?.position ?? last), endsFrom: 0n, onEntry });
  }
};
