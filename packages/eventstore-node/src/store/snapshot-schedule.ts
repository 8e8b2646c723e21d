import type { DataFolder } from './data-folder.ts';

/** A new snapshot is due after this many events, which take half a second to read again, or a quarter of all if that is more. */
const MIN_EVENTS = 250_000;
const MIN_SHARE = 0.25;

/**
 * Decides when to write the index snapshot while the node runs: often enough that a restart after a crash reads little of
 * the log, seldom enough that all snapshots together cost about as much as a few writes of the last one.
 */
export class SnapshotSchedule {
  #covered: number;
  #writing: Promise<void> | undefined;
  readonly #folder: DataFolder;

  constructor(folder: DataFolder) {
    this.#folder = folder;
    this.#covered = folder.savedEvents;
  }

  /** Between two groups: nothing is pending. */
  afterCommit(): void {
    const { visible } = this.#folder.index;
    if (this.#writing || visible - this.#covered < Math.max(MIN_EVENTS, visible * MIN_SHARE)) return;
    this.#covered = visible;
    this.#writing = this.#write();
  }

  /** The last one, when nothing is appended any more. */
  async finish(): Promise<void> {
    await this.#writing;
    if (this.#folder.index.visible > this.#covered) await this.#write();
  }

  async #write(): Promise<void> {
    try {
      await this.#folder.saveIndex();
    } catch {
      // It only saves time at the next start; when there is no room for it, the log alone is enough.
    }
    this.#writing = undefined;
  }
}
