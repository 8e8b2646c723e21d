import type { Position } from '../eventstore/event-store.ts';
import type { Logger } from '../platform/logger.ts';
import type { FoldId, FoldSnapshots, NewSnapshot, SnapshotToken, Snapshotted } from './fold-snapshots.ts';
import type { ParkedStreams } from './parked-streams.ts';

export type SnapshotWriterOptions = {
  readonly tenant: string;
  readonly snapshots: FoldSnapshots;
  readonly definition: FoldId;
  readonly fold: Snapshotted;
  readonly parked: ParkedStreams;
  /** Of the snapshot that the fold started from. */
  readonly position: Position | undefined;
  readonly token: SnapshotToken | undefined;
  readonly logger: Logger;
};

/** Writes the snapshots of one term, one after the other. */
export class SnapshotWriter {
  readonly #options: SnapshotWriterOptions;
  /** Of the snapshot that was last read or written; undefined when none is known, and the next one is written in full. */
  #position: Position | undefined;
  #token: SnapshotToken | undefined;
  #writing: Promise<void> | undefined;

  constructor(options: SnapshotWriterOptions) {
    this.#options = options;
    this.#position = options.position;
    this.#token = options.token;
  }

  get isWriting(): boolean {
    return this.#writing !== undefined;
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  /** The state at `position` is taken at once, and encoded and written while the term goes on. Not while one is being written. */
  write(position: Position): Promise<void> {
    if (position === this.#position) return Promise.resolve();
    const { fold, parked } = this.#options;
    const basedOn = this.#token;
    const parts = fold.takeParts?.(basedOn === undefined ? 'all' : 'changed') ?? [];
    const head = fold.snapshot();
    const parkedStreams = parked.snapshot();
    const state = parkedStreams.length === 0 ? head : { ...head, parkedStreams };
    this.#writing = this.#save({ position, state, parts, basedOn }).finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #save(snapshot: NewSnapshot): Promise<void> {
    const { snapshots, tenant, definition, logger } = this.#options;
    try {
      this.#token = await snapshots.save(tenant, definition, snapshot);
      this.#position = snapshot.position;
    } catch (error) {
      this.#token = undefined;
      this.#position = undefined;
      logger.warn({ fold: definition.name, err: error }, 'the snapshot could not be saved');
    }
  }
}
