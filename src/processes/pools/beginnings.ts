import type { FoldSnapshot, FoldSnapshots, SnapshotPart } from '../fold-snapshots.ts';
import type { PoolWatch } from './pool-watch.ts';

/** A ledger without tasks. */
async function* noParts(): AsyncGenerator<SnapshotPart> {}

/** The snapshots of a pool's ledger, the first of which is how it was when the pool came into use. */
export const snapshotsFromBeginnings = (
  snapshots: FoldSnapshots,
  watch: Pick<PoolWatch, 'beginningOf'>,
  pool: string,
): FoldSnapshots => ({
  async load<State>(...which: Parameters<FoldSnapshots['load']>) {
    const saved = await snapshots.load<State>(...which);
    const beginning = watch.beginningOf(pool) as FoldSnapshot<State> | undefined;
    // What was saved may be from an earlier time of use; in between there was nothing to know.
    if (!beginning || (saved && saved.position >= beginning.position)) return saved;
    return { ...beginning, token: undefined, parts: noParts() };
  },
  save: (...what) => snapshots.save(...what),
});
