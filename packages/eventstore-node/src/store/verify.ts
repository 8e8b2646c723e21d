import { closeSync, existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { EventIndex } from '../index/event-index.ts';
import { readSnapshot } from '../index/snapshot.ts';
import { lockUnmarked } from '../storage/folder-lock.ts';
import type { StoredRecord } from '../storage/record.ts';
import { openSegments, type Segment } from '../storage/segment-files.ts';
import { walkSegment } from './verify-segment.ts';
import { type LostEvent, SnapshotComparison } from './verify-snapshot.ts';
import { StreamLedger } from './verify-streams.ts';

/** More than this are counted, not listed. */
const LISTED_PROBLEMS = 1_000;
const LISTED_EVENTS = 1_000;

export type Problem = {
  readonly position: number;
  /** File and offset of that position; no file where one is missing. */
  readonly file: string | undefined;
  readonly offset: number;
  readonly message: string;
  /** Bytes that cannot be used. */
  readonly bytes?: number;
  /** Of an event that can be read. */
  readonly stream?: string;
};

export type Verification = {
  readonly folder: string;
  readonly segments: number;
  readonly bytes: number;
  readonly groups: number;
  readonly events: number;
  readonly streams: number;
  readonly tombstones: number;
  readonly unreadableMetadata: number;
  /** What a crash left unfinished at the end of the log; it was never acknowledged, and the next start cuts it off. */
  readonly tornTail:
    | { readonly position: number; readonly file: string; readonly offset: number; readonly bytes: number }
    | undefined;
  /** The index snapshot is disposable: a missing or unreadable one is not damage, one that disagrees is. */
  readonly snapshot: 'agrees' | 'none' | 'unreadable' | 'disagrees';
  /** Those found in the log, in its order, then those of the folder. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  /** Events that the snapshot names where the log is damaged. */
  readonly lostEvents: readonly LostEvent[];
};

/** There is no data to verify. */
export class NoDataFolder extends Error {
  override readonly name = 'NoDataFolder';
}

/**
 * Checks every group and record of a data folder, each stream's revisions, and the index snapshot, and changes nothing.
 * Memory: one entry per stream, the index snapshot, and a few MiB.
 * Errors: `FolderInUse` while a node runs on it, `NoDataFolder` if there is no log.
 */
export const verifyDataFolder = async (
  folder: string,
  onProgress: (doneBytes: number, allBytes: number) => void = () => {},
): Promise<Verification> => {
  if (!existsSync(folder)) throw new NoDataFolder(`${folder} does not exist`);
  const lock = await lockUnmarked(folder);
  let segments: Segment[] = [];
  try {
    segments = openSegments(folder, 'r');
    const hasSnapshot = existsSync(join(folder, 'index.snapshot'));
    if (segments.length === 0 && !hasSnapshot) throw new NoDataFolder(`${folder} holds no log`);
    const { index, logEnd } = readSnapshot(folder);
    const examination = new Examination(folder, segments, { index, logEnd, hasSnapshot });
    const bytes = segments.reduce((sum, { size }) => sum + size, 0);
    for (const done of examination.walk()) {
      onProgress(done, bytes);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return examination.result(bytes);
  } finally {
    for (const { fd } of segments) closeSync(fd);
    await lock.release();
  }
};

type Snapshot = {
  readonly index: EventIndex;
  /** 0 if there is no usable snapshot. */
  readonly logEnd: number;
  readonly hasSnapshot: boolean;
};

class Examination {
  readonly #ledger = new StreamLedger();
  readonly #comparison: SnapshotComparison;
  readonly #problems: Problem[] = [];
  readonly #damaged: { from: number; to: number }[] = [];
  #problemCount = 0;
  #groups = 0;
  #tornTail: Verification['tornTail'];
  readonly #folder: string;
  readonly #segments: readonly Segment[];
  readonly #snapshot: Snapshot;

  constructor(folder: string, segments: readonly Segment[], snapshot: Snapshot) {
    this.#folder = folder;
    this.#segments = segments;
    this.#snapshot = snapshot;
    this.#comparison = new SnapshotComparison(snapshot.index, snapshot.logEnd);
  }

  /** Yields the number of bytes checked. */
  *walk(): Generator<number> {
    let expected = 0;
    let before = 0;
    for (const segment of this.#segments) {
      this.#checkPlace(segment, expected);
      for (const position of this.#walkOne(segment)) yield before + position - segment.base;
      before += segment.size;
      expected = segment.base + segment.size;
      yield before;
    }
    this.#checkEnd(expected);
    this.#checkIdentity();
  }

  result(bytes: number): Verification {
    const { events, streams, tombstones, unreadableMetadata } = this.#ledger;
    const { firstDifference } = this.#comparison;
    if (firstDifference !== undefined)
      this.#report({
        ...this.#place(firstDifference),
        message: 'index.snapshot disagrees from here on; if you delete it, the node reads the log instead',
      });
    return {
      folder: this.#folder,
      segments: this.#segments.length,
      bytes,
      groups: this.#groups,
      events,
      streams,
      tombstones,
      unreadableMetadata,
      tornTail: this.#tornTail,
      snapshot: this.#snapshotState(),
      problems: this.#problems,
      problemCount: this.#problemCount,
      lostEvents: this.#comparison.eventsIn(this.#damaged, LISTED_EVENTS),
    };
  }

  #walkOne(segment: Segment): Generator<number> {
    const isLast = segment === this.#segments.at(-1);
    const at = (position: number) => placeIn(segment, position);
    return walkSegment(
      segment,
      {
        group: () => {
          this.#groups++;
        },
        record: (record, position) => this.#take(record, position, segment),
        damage: (from, to, message) => this.#damage({ ...at(from), message }, to),
        tornTail: (from, to) => {
          this.#tornTail = { ...at(from), bytes: to - from };
        },
      },
      (position) => isLast && position >= this.#snapshot.logEnd,
    );
  }

  #take(record: StoredRecord, position: number, segment: Segment): void {
    const message = this.#ledger.take(record);
    if (message !== undefined) this.#report({ ...placeIn(segment, position), message, stream: record.streamName });
    this.#comparison.take(record, position);
  }

  #checkPlace({ base, path, size }: Segment, expected: number): void {
    if (base > expected)
      this.#damage(
        { position: expected, file: undefined, offset: 0, message: 'no file contains the log from here on' },
        base,
      );
    else if (base < expected)
      this.#report({
        position: base,
        file: basename(path),
        offset: 0,
        message: `another file already contains the log up to position ${expected}`,
        bytes: Math.min(size, expected - base),
      });
  }

  #checkEnd(end: number): void {
    const { logEnd } = this.#snapshot;
    if (end >= logEnd) return;
    this.#damage(
      { position: end, file: undefined, offset: 0, message: 'the log ends here, but more of it was durable' },
      logEnd,
    );
  }

  #checkIdentity(): void {
    const message = identityProblem(this.#folder);
    if (message !== undefined) this.#report({ position: 0, file: 'node.json', offset: 0, message });
  }

  #damage(problem: Problem, to: number): void {
    if (this.#damaged.length < LISTED_PROBLEMS) this.#damaged.push({ from: problem.position, to });
    this.#report({ ...problem, bytes: to - problem.position });
  }

  #report(problem: Problem): void {
    this.#problemCount++;
    if (this.#problems.length < LISTED_PROBLEMS) this.#problems.push(problem);
  }

  #place(position: number): { position: number; file: string | undefined; offset: number } {
    const segment = this.#segments.findLast(({ base }) => base <= position);
    return segment === undefined ? { position, file: undefined, offset: 0 } : placeIn(segment, position);
  }

  #snapshotState(): Verification['snapshot'] {
    if (!this.#snapshot.hasSnapshot) return 'none';
    if (this.#snapshot.logEnd === 0) return 'unreadable';
    return this.#comparison.firstDifference === undefined ? 'agrees' : 'disagrees';
  }
}

const placeIn = ({ base, path }: Segment, position: number): { position: number; file: string; offset: number } => ({
  position,
  file: basename(path),
  offset: position - base,
});

/** A folder without this file gets a new one at the next start, which a client sees as another node. */
const identityProblem = (folder: string): string | undefined => {
  try {
    const { format, instanceId } = JSON.parse(readFileSync(join(folder, 'node.json'), 'utf8'));
    if (format !== 1) return `data format ${format} is not supported, only 1`;
    return typeof instanceId === 'string' ? undefined : 'no instanceId';
  } catch (error) {
    return (error as Error).message;
  }
};
