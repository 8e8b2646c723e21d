import { decideAppend, decideByRecentIds, type StreamFacts } from './append-rules.ts';
import type { ExpectedState, Violation, Violations } from './operations.ts';

/** A stream that an append touches: with the ids of the events it gets, or only checked if there are none. */
export type Touched = {
  readonly facts: StreamFacts;
  readonly expected: ExpectedState;
  readonly ids: readonly string[];
};

export type MultiAppendDecision =
  | { readonly kind: 'write' }
  /** Already written, all of it; `lastRevisions` are where each stream's last event was put, -1 if it got none. */
  | { readonly kind: 'idempotent'; readonly lastRevisions: readonly number[] }
  | { readonly kind: 'violated'; readonly violations: Violations };

type StreamDecision = { readonly kind: 'ok' | 'violated' } | { readonly kind: 'known'; readonly lastRevision: number };

const OK = { kind: 'ok' } as const;
const VIOLATED = { kind: 'violated' } as const;

/**
 * Accepts, recognises or refuses an append to several streams as the real server does. A repeat is recognised only as a
 * whole, and then whatever is expected of streams that are only checked; what was written before among new events counts
 * against the append.
 */
export const decideMultiAppend = (streams: readonly Touched[]): MultiAppendDecision => {
  const decisions = streams.map(decideStream);
  const written = decisions.filter((_, i) => (streams[i] as Touched).ids.length > 0);
  if (written.length > 0 && written.every(({ kind }) => kind === 'known')) {
    return { kind: 'idempotent', lastRevisions: decisions.map((it) => (it.kind === 'known' ? it.lastRevision : -1)) };
  }
  const [first, ...others] = decisions.flatMap(({ kind }, stream) =>
    kind === 'ok' ? [] : [violationOf(stream, (streams[stream] as Touched).facts)],
  );
  return first === undefined ? { kind: 'write' } : { kind: 'violated', violations: [first, ...others] };
};

const decideStream = ({ facts, expected, ids }: Touched): StreamDecision => {
  if (ids.length === 0) return holds(facts, expected) ? OK : VIOLATED;
  if (facts.tombstoned || expected === 'tombstoned') return VIOLATED;
  const decision = expected === 'soft_deleted' ? decideByRecentIds(facts, ids) : decideAppend(facts, expected, ids);
  if (decision.kind === 'idempotent') return { kind: 'known', lastRevision: decision.lastRevision };
  if (decision.kind !== 'write') return VIOLATED;
  return expected === 'soft_deleted' && !facts.softDeleted() ? VIOLATED : OK;
};

/** Whether a stream that is only checked is as expected. A tombstoned one does not exist, and neither does a soft-deleted one. */
const holds = (facts: StreamFacts, expected: ExpectedState): boolean => {
  if (expected === 'any') return true;
  if (expected === 'tombstoned') return facts.tombstoned;
  if (expected === 'no_stream') return facts.tombstoned || facts.lastRevision < 0 || facts.softDeleted();
  if (facts.tombstoned) return false;
  if (expected === 'soft_deleted') return facts.softDeleted();
  if (expected !== 'stream_exists') return expected === BigInt(facts.lastRevision);
  return !facts.softDeleted() && (facts.lastRevision >= 0 || facts.hasMetadata());
};

const violationOf = (stream: number, facts: StreamFacts): Violation => ({
  stream,
  lastRevision: facts.lastRevision,
  state: facts.tombstoned ? 'tombstoned' : facts.softDeleted() ? 'softDeleted' : 'present',
});
