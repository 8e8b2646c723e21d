/** What an append expects of its stream: the revision of the last event, or a state. */
export type Expected = 'any' | 'no_stream' | 'stream_exists' | bigint;

/** What the decision needs to know about the stream. Functions are called only when their result matters. */
export type StreamFacts = {
  /** Last revision ever written, -1 if none; truncated and soft-deleted events count. */
  readonly lastRevision: number;
  /** The stream, or the one whose metadata it contains, ends in a tombstone. */
  readonly tombstoned: boolean;
  /** The stream's metadata hides every event. */
  softDeleted(): boolean;
  /** The stream's metastream has events. */
  hasMetadata(): boolean;
  /** Id of the event stored at this revision. */
  idAt(revision: number): string;
  /** Revision at which this id was written to this stream not long ago, if it was. */
  recentRevision(id: string): number | undefined;
};

export type AppendDecision =
  | { readonly kind: 'write' }
  /** Already written; `lastRevision` is where the last event of this append was put, -1 if the append is empty. */
  | { readonly kind: 'idempotent'; readonly lastRevision: number }
  | { readonly kind: 'wrongExpectedVersion' }
  | { readonly kind: 'streamDeleted' };

const WRITE = { kind: 'write' } as const;
const WRONG = { kind: 'wrongExpectedVersion' } as const;
const DELETED = { kind: 'streamDeleted' } as const;

/** Accepts, recognises or refuses an append: the rules of the real server's commit check, one by one. */
export const decideAppend = (facts: StreamFacts, expected: Expected, ids: readonly string[]): AppendDecision => {
  if (facts.tombstoned) return DELETED;
  if (expected === 'stream_exists') {
    if (facts.softDeleted()) return DELETED;
    if (facts.lastRevision < 0 && !facts.hasMetadata()) return WRONG;
    return decideByRecentIds(facts, ids);
  }
  if (expected === 'any') return decideByRecentIds(facts, ids);
  const revision = expected === 'no_stream' ? -1n : expected;
  if (revision > facts.lastRevision) return WRONG;
  if (revision === BigInt(facts.lastRevision)) return WRITE;
  return decideByStoredIds(facts, Number(revision), ids);
};

/** Without an expected revision a repeat is recognised by its first id, as long as that is remembered. */
export const decideByRecentIds = (facts: StreamFacts, ids: readonly string[]): AppendDecision => {
  const [first] = ids;
  if (first === undefined || facts.recentRevision(first) === undefined) return WRITE;
  let lastRevision = -1;
  for (const id of ids) {
    const revision = facts.recentRevision(id);
    if (revision === undefined) return WRONG;
    lastRevision = revision;
  }
  return { kind: 'idempotent', lastRevision };
};

/** The very same events must already be where this append would have put them. */
const decideByStoredIds = (facts: StreamFacts, expected: number, ids: readonly string[]): AppendDecision => {
  const [first] = ids;
  if (first === undefined) return WRONG;
  if (facts.idAt(expected + 1) !== first) return expected === -1 && facts.softDeleted() ? WRITE : WRONG;
  const last = expected + ids.length;
  if (last > facts.lastRevision) return WRONG;
  for (let i = 1; i < ids.length; i++) {
    if (facts.idAt(expected + 1 + i) !== ids[i]) return WRONG;
  }
  return { kind: 'idempotent', lastRevision: last };
};
