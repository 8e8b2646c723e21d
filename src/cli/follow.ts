import { resume, type TypedDocument } from 'baton-client';
import type { Client } from './client.ts';
import { refused } from './failure.ts';

/** A subscription to what happens to one task or execution. */
export type Subject<Entry> = {
  readonly document: TypedDocument<
    { readonly change: { readonly position: string; readonly entry: Entry } },
    { id: string; fromPosition?: string | null | undefined }
  >;
  readonly id: string;
  /** Types of entries after which nothing more happens by itself. */
  readonly ends: ReadonlySet<string>;
};

export type Follow<Entry> = {
  /** Position up to which everything was seen. */
  readonly from: bigint;
  /** Ends before this position were superseded by what followed them. */
  readonly endsFrom: bigint;
  readonly onEntry: (entry: Entry) => void;
  /** Gives it up. */
  readonly signal: AbortSignal;
};

/**
 * Reads a subject's changes until one ends it, and returns that one. A broken connection resumes where it broke.
 *
 * Errors: the reason of the signal once it aborts.
 */
export const follow = async <Entry extends { readonly type: string }>(
  client: Client,
  { document, id, ends }: Subject<Entry>,
  { from, endsFrom, onEntry, signal }: Follow<Entry>,
): Promise<Entry> => {
  const changes = resume((fromPosition) => client.subscribe(document, { id, fromPosition }, { signal }), {
    from: String(from),
    positionOf: ({ change }) => change.position,
    signal,
  });
  for await (const { change } of changes) {
    onEntry(change.entry);
    if (BigInt(change.position) >= endsFrom && ends.has(change.entry.type)) return change.entry;
  }
  signal.throwIfAborted();
  throw refused('BUG', 'bug: a subscription ended without being stopped');
};
