const WIDTH = 64;

/**
 * A list of fixed length that is copied on write, chunk by chunk: setting one of 10,000 elements copies about 220 references, so that a
 * fold over as many events stays fast without anything being changed in place.
 */
export class PersistentVector<T> {
  readonly length: number;
  readonly #chunks: readonly (readonly T[])[];

  private constructor(length: number, chunks: readonly (readonly T[])[]) {
    this.length = length;
    this.#chunks = chunks;
  }

  static from<T>(length: number, make: (index: number) => T): PersistentVector<T> {
    const chunks: T[][] = [];
    for (let start = 0; start < length; start += WIDTH)
      chunks.push(Array.from({ length: Math.min(WIDTH, length - start) }, (_, at) => make(start + at)));
    return new PersistentVector(length, chunks);
  }

  /** Errors: throws `RangeError` for an index that is not in the list. */
  get(index: number): T {
    const chunk = this.#chunks[Math.floor(index / WIDTH)];
    if (chunk === undefined || index < 0 || index >= this.length || !Number.isInteger(index))
      throw new RangeError(`index ${index} of a list of ${this.length}`);
    return chunk[index % WIDTH] as T;
  }

  with(index: number, value: T): PersistentVector<T> {
    if (this.get(index) === value) return this;
    const at = Math.floor(index / WIDTH);
    const chunks = this.#chunks.slice();
    const chunk = (chunks[at] as readonly T[]).slice();
    chunk[index % WIDTH] = value;
    chunks[at] = chunk;
    return new PersistentVector(this.length, chunks);
  }

  *[Symbol.iterator](): Generator<T> {
    for (const chunk of this.#chunks) yield* chunk;
  }
}
