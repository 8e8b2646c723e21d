const CHUNK_BITS = 12;
const CHUNK = 2 ** CHUNK_BITS;

/** An array for a million items and more: it grows by chunks, where an `Array` copies all of itself at once now and then. */
export class LongArray<Item extends object> {
  readonly #chunks: Item[][] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get(at: number): Item | undefined {
    return at < this.#length ? this.#chunks[at >> CHUNK_BITS]?.[at & (CHUNK - 1)] : undefined;
  }

  /** Puts an item where one is, or behind the last one. */
  set(at: number, item: Item): void {
    const index = at >> CHUNK_BITS;
    let chunk = this.#chunks[index];
    if (chunk === undefined) {
      chunk = [];
      this.#chunks[index] = chunk;
    }
    chunk[at & (CHUNK - 1)] = item;
    if (at >= this.#length) this.#length = at + 1;
  }

  pop(): Item | undefined {
    if (this.#length === 0) return undefined;
    this.#length -= 1;
    const chunk = this.#chunks.at(-1);
    const item = chunk?.pop();
    if (chunk?.length === 0) this.#chunks.pop();
    return item;
  }
}
