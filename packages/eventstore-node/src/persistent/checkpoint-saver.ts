import type { CheckpointStream } from './checkpoint-stream.ts';
import type { Checkpoint } from './progress.ts';
import type { GroupSettings } from './settings.ts';

/** When a checkpoint may be stored: after messages were dealt with, on the clock's tick, or for certain. */
export type Occasion = 'progress' | 'tick' | 'now';

type Limits = Pick<GroupSettings, 'minCheckpointCount' | 'maxCheckpointCount' | 'checkpointAfterMs'>;

/** Stores a group's checkpoint when it is due, one write at a time. A checkpoint that could not be stored is due again next time. */
export class CheckpointSaver {
  /** Its sequence counts from where the group started. */
  #saved: { readonly place: number | undefined; readonly sequence: number };
  #savedAt: number;
  #saving: Promise<void> | undefined;
  readonly #stream: CheckpointStream;
  readonly #limits: Limits;
  readonly #now: () => number;

  constructor(
    stream: CheckpointStream,
    limits: Limits,
    now: () => number,
    /** The place that is stored already. */
    place: number | undefined,
  ) {
    this.#stream = stream;
    this.#limits = limits;
    this.#now = now;
    this.#saved = { place, sequence: 0 };
    this.#savedAt = now();
  }

  /** The place that is stored. */
  get place(): number | undefined {
    return this.#saved.place;
  }

  /** Resolves when nothing is being written. */
  get idle(): Promise<void> {
    return this.#saving ?? Promise.resolve();
  }

  offer(checkpoint: Checkpoint, occasion: Occasion): void {
    if (!this.#saving && this.#isDue(checkpoint.sequence - this.#saved.sequence, occasion)) {
      this.#saving = this.#save(checkpoint);
    }
  }

  async #save(checkpoint: Checkpoint): Promise<void> {
    this.#savedAt = this.#now();
    try {
      await this.#stream.write(checkpoint.place);
      this.#saved = checkpoint;
    } catch {
      // The stored checkpoint stays as it was: more events may be repeated after a restart, but none is lost.
    } finally {
      this.#saving = undefined;
    }
  }

  #isDue(progress: number, occasion: Occasion): boolean {
    const { minCheckpointCount, maxCheckpointCount, checkpointAfterMs } = this.#limits;
    if (progress === 0 || occasion === 'now') return progress > 0;
    if (occasion === 'progress') return progress >= maxCheckpointCount;
    return progress >= minCheckpointCount && this.#now() - this.#savedAt >= checkpointAfterMs;
  }
}
