const CHUNK_BYTES = 64 * 1024;

/** Frames that leave in one write. */
export class OutputChunk {
  readonly #frames: Buffer[] = [];
  #bytes = 0;

  add(frame: Buffer): void {
    this.#frames.push(frame);
    this.#bytes += frame.length;
  }

  get isFull(): boolean {
    return this.#bytes >= CHUNK_BYTES;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** A copy: the frames point into larger buffers, which a slow reader must not keep in memory. */
  join(): Buffer {
    return Buffer.concat(this.#frames, this.#bytes);
  }
}

/**
 * Something to read from. `fill` adds frames and says what comes next: `more` at once, nothing until woken (`idle`),
 * or the end (`done`). What it adds before it throws is still sent.
 */
export interface MessageSource {
  fill(chunk: OutputChunk): 'more' | 'idle' | 'done';
  /** Called when there may be something new while the reader does not take what it has. Throws to end the call. */
  waiting?(): void;
}

/** Asks before each chunk whether the reader may still have it: `check` throws when not. */
export const guarded = (source: MessageSource, check: () => void): MessageSource => ({
  fill(chunk) {
    check();
    return source.fill(chunk);
  },
  waiting: () => source.waiting?.(),
});
