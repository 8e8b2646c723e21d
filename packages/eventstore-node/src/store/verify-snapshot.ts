import type { EventIndex } from '../index/event-index.ts';
import { Flag, type StoredRecord } from '../storage/record.ts';

export type LostEvent = {
  readonly stream: string;
  /** Undefined for a tombstone. */
  readonly revision: number | undefined;
  readonly position: number;
};

/** Compares an index snapshot with the log, whose events are given in order. */
export class SnapshotComparison {
  #ordinal = 0;
  /** Position of the first event that is in one and not in the other, or elsewhere. */
  firstDifference: number | undefined;

  readonly #index: EventIndex;
  /** The log up to here is what the snapshot covers. */
  readonly #covered: number;

  constructor(index: EventIndex, covered: number) {
    this.#index = index;
    this.#covered = covered;
  }

  take(record: StoredRecord, position: number): void {
    if (position >= this.#covered) return;
    const { positions } = this.#index;
    while (this.#ordinal < positions.length && positions.get(this.#ordinal) < position) this.#ordinal++;
    if (!this.#agrees(record, position)) this.firstDifference ??= position;
    this.#ordinal++;
  }

  /** Events that the snapshot has in these stretches of the log, oldest first, at most `limit`. */
  eventsIn(stretches: readonly { from: number; to: number }[], limit: number): LostEvent[] {
    const { positions } = this.#index;
    const wanted = new Set<number>();
    for (const { from, to } of stretches) {
      const first = positions.countUpTo(from - 1);
      for (let i = first; i < positions.length && positions.get(i) < to && wanted.size < limit; i++) wanted.add(i);
    }
    if (wanted.size === 0) return [];
    const lost: LostEvent[] = [];
    for (const { name, ordinals, tombstoned } of this.#index.streams()) {
      ordinals.forEach((ordinal, i) => {
        if (!wanted.has(ordinal)) return;
        const revision = tombstoned && i === ordinals.length - 1 ? undefined : i;
        lost.push({ stream: name, revision, position: positions.get(ordinal) });
      });
    }
    return lost.toSorted((a, b) => a.position - b.position);
  }

  #agrees({ streamName, revision, flags }: StoredRecord, position: number): boolean {
    const index = this.#index;
    const ordinal = this.#ordinal;
    if (ordinal >= index.positions.length || index.positions.get(ordinal) !== position) return false;
    const stream = index.find(streamName);
    if (stream === undefined) return false;
    const isTombstone = (flags & Flag.tombstone) !== 0;
    const at = isTombstone ? index.size(stream, 'pending') - 1 : revision;
    return at < index.size(stream, 'pending') && index.ordinal(stream, at) === ordinal;
  }
}
