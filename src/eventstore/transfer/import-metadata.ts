import { isDeepStrictEqual } from 'node:util';
import { StreamDeletedError, WrongExpectedVersionError } from '@eventstore/db-client';
import { batchOf } from './import-batches.ts';
import type { Problem } from './import-outcome.ts';
import { newestOf, type RecordedEvent } from './raw-read.ts';
import { objectOf, type StreamState } from './stream-ledger.ts';
import type { Target } from './target.ts';

type Done = 'written' | 'present';
type Finished = { readonly metadata?: Done; readonly tombstone?: Done; readonly problem?: Problem };

/** `$tb` of a stream that is deleted. */
const DELETED = 2 ** 63;

/** Writes the tombstone or the newest metadata of a stream whose events have all been imported. */
export const finishStream = async (target: Target, stream: string, state: StreamState): Promise<Finished> => {
  if (state.tombstoned) return state.deletedInTarget ? { tombstone: 'present' } : tombstone(target, stream, state);
  if (state.deletedInTarget) return { problem: conflict(stream, 'the target’s stream was tombstoned', {}) };
  return state.metadata === undefined ? {} : writeMetadata(target, state, state.metadata.newest);
};

const tombstone = async ({ client }: Target, stream: string, { next }: StreamState): Promise<Finished> => {
  try {
    await client.tombstoneStream(stream, { expectedRevision: next === 0n ? 'no_stream' : next - 1n });
    return { tombstone: 'written' };
  } catch (error) {
    if (error instanceof StreamDeletedError) return { tombstone: 'present' };
    if (!(error instanceof WrongExpectedVersionError)) throw error;
    return { problem: conflict(stream, 'the target has more events than the tombstoned stream had', {}) };
  }
};

const writeMetadata = async (target: Target, state: StreamState, newest: RecordedEvent): Promise<Finished> => {
  const metastream = newest.stream;
  const wanted = { ...newest, data: shifted(newest.data, state.shift) };
  const found = await newestOf(target.client, metastream);
  if (found && isSame(found.data, wanted.data)) return { metadata: 'present' };
  if (found && state.metadata?.isOurs(found) !== true)
    return { problem: conflict(metastream, 'the target has other metadata', { found, wanted }) };
  const answer = await target.append(batchOf(metastream, found === undefined ? 0n : found.revision + 1n, [wanted]));
  if (answer.kind === 'written' || answer.kind === 'present') return { metadata: 'written' };
  const message = 'message' in answer ? answer.message : 'the target’s metadata changed meanwhile';
  return {
    problem: { ...conflict(metastream, message, { wanted }), kind: 'message' in answer ? 'refused' : 'conflict' },
  };
};

/** If revisions became lower, so did the one from which the stream is readable. */
const shifted = (data: Uint8Array, shift: bigint): Uint8Array => {
  const metadata = shift === 0n ? undefined : objectOf(data);
  const from = metadata?.['$tb'];
  if (typeof from !== 'number' || from >= DELETED) return data;
  return Buffer.from(JSON.stringify({ ...metadata, $tb: Math.max(0, from - Number(shift)) }));
};

const isSame = (one: Uint8Array, other: Uint8Array): boolean => {
  const [a, b] = [objectOf(one), objectOf(other)];
  return a === undefined ? Buffer.compare(one, other) === 0 : isDeepStrictEqual(a, b);
};

const conflict = (
  stream: string,
  message: string,
  { found, wanted }: { found?: RecordedEvent; wanted?: RecordedEvent },
): Problem => ({
  kind: 'conflict',
  stream,
  revision: found?.revision,
  fileId: wanted?.id,
  targetId: found?.id,
  message,
});
