const BLOCK = 1024 * 1024;

/** Memory for groups, cut from large blocks: one allocation for each would cost more than filling it. */
export class GroupMemory {
  #block: Buffer = Buffer.alloc(0);
  #used = 0;

  /** Room for one group. The next call returns the same bytes, unless these were kept. */
  room(bytes: number): Buffer {
    if (this.#block.length - this.#used < bytes) {
      this.#block = Buffer.allocUnsafeSlow(Math.max(BLOCK, bytes));
      this.#used = 0;
    }
    return this.#block.subarray(this.#used, this.#used + bytes);
  }

  /** The first `bytes` of the last room are a group now. */
  keep(bytes: number): void {
    this.#used += bytes;
  }
}
