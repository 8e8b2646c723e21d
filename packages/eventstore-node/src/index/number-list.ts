const CHUNK_BITS = 16;
const CHUNK = 1 << CHUNK_BITS;

/** A list of numbers at 8 bytes each that grows without copying its content. */
export class NumberList {
  readonly #chunks: Float64Array[] = [];
  length = 0;

  get(index: number): number {
    return (this.#chunks[index >>> CHUNK_BITS] as Float64Array)[index & (CHUNK - 1)] as number;
  }

  push(value: number): void {
    const chunk = this.length >>> CHUNK_BITS;
    if (chunk === this.#chunks.length) this.#chunks.push(new Float64Array(CHUNK));
    (this.#chunks[chunk] as Float64Array)[this.length & (CHUNK - 1)] = value;
    this.length++;
  }

  pushAll(values: Float64Array): void {
    for (let from = 0; from < values.length; ) {
      const room = CHUNK - (this.length & (CHUNK - 1));
      const part = values.subarray(from, from + room);
      const chunk = this.length >>> CHUNK_BITS;
      if (chunk === this.#chunks.length) this.#chunks.push(new Float64Array(CHUNK));
      (this.#chunks[chunk] as Float64Array).set(part, this.length & (CHUNK - 1));
      this.length += part.length;
      from += part.length;
    }
  }

  truncate(length: number): void {
    this.length = length;
  }

  /** Number of leading values that are at most `value`, in a list in ascending order. */
  countUpTo(value: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.get(middle) <= value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The values as arrays in order, the last one cut to length. For writing them out. */
  *parts(): Generator<Float64Array> {
    for (let from = 0; from < this.length; from += CHUNK) {
      yield (this.#chunks[from >>> CHUNK_BITS] as Float64Array).subarray(0, Math.min(CHUNK, this.length - from));
    }
  }
}
