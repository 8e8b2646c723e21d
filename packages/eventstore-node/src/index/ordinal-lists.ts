const FIRST_ARENA = 1 << 12;

/**
 * Many lists of u32, most of them very short, in one array: 4 bytes per entry plus 9 per list, where an array object
 * per stream would take over 100. A list's room doubles when it is full; the room it leaves is used again.
 */
export class OrdinalLists {
  #arena = new Uint32Array(FIRST_ARENA);
  #used = 0;
  #starts = new Uint32Array(FIRST_ARENA);
  #lengths = new Uint32Array(FIRST_ARENA);
  /** Room of list i is `1 << roomBits[i]`. */
  #roomBits = new Uint8Array(FIRST_ARENA);
  readonly #free: number[][] = [];
  count = 0;

  /** Creates an empty list with room for `expected` entries and returns its number. */
  add(expected = 1): number {
    const list = this.count++;
    if (list === this.#starts.length) this.#growTable();
    const bits = expected <= 1 ? 0 : 32 - Math.clz32(expected - 1);
    this.#roomBits[list] = bits;
    this.#starts[list] = this.#allot(bits);
    return list;
  }

  length(list: number): number {
    return this.#lengths[list] as number;
  }

  get(list: number, index: number): number {
    return this.#arena[(this.#starts[list] as number) + index] as number;
  }

  push(list: number, value: number): void {
    const length = this.#lengths[list] as number;
    const bits = this.#roomBits[list] as number;
    if (length === 1 << bits) this.#move(list, bits);
    this.#arena[(this.#starts[list] as number) + length] = value;
    this.#lengths[list] = length + 1;
  }

  /** Creates a list of these entries and returns its number. */
  addAll(values: Uint32Array): number {
    const list = this.add(values.length);
    this.#arena.set(values, this.#starts[list]);
    this.#lengths[list] = values.length;
    return list;
  }

  pop(list: number): void {
    this.#lengths[list] = this.length(list) - 1;
  }

  /** The entries of a list; valid until the next `push` to any list. */
  view(list: number): Uint32Array {
    const start = this.#starts[list] as number;
    return this.#arena.subarray(start, start + this.length(list));
  }

  #move(list: number, bits: number): void {
    const from = this.#starts[list] as number;
    const to = this.#allot(bits + 1);
    this.#arena.copyWithin(to, from, from + (1 << bits));
    this.#starts[list] = to;
    this.#roomBits[list] = bits + 1;
    this.#freeRoom(bits).push(from);
  }

  #allot(bits: number): number {
    const reused = this.#freeRoom(bits).pop();
    if (reused !== undefined) return reused;
    const start = this.#used;
    this.#used += 1 << bits;
    if (this.#used > this.#arena.length) this.#arena = grown(this.#arena, this.#used);
    return start;
  }

  #freeRoom(bits: number): number[] {
    this.#free[bits] ??= [];
    return this.#free[bits];
  }

  #growTable(): void {
    this.#starts = grown(this.#starts, this.count);
    this.#lengths = grown(this.#lengths, this.count);
    const bits = new Uint8Array(this.#starts.length);
    bits.set(this.#roomBits);
    this.#roomBits = bits;
  }
}

/** Half as large again: doubling would keep three times the entries in memory while it copies. */
const grown = (array: Uint32Array, needed: number): Uint32Array<ArrayBuffer> => {
  const larger = new Uint32Array(Math.max(needed, Math.ceil(array.length * 1.5)));
  larger.set(array);
  return larger;
};
