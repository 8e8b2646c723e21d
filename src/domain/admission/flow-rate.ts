const SLOT_MS = 5_000;
const SLOTS = 12;

/** How many came or went within the last minute, counted in slots of time. */
export class FlowRate {
  readonly #slots = new Uint32Array(SLOTS);
  /** The latest slot that was counted in. */
  #latest = Number.NEGATIVE_INFINITY;

  count(atMs: number): void {
    const slot = Math.floor(atMs / SLOT_MS);
    // Another process's clock may be behind: what it stamped counts as of now.
    if (slot > this.#latest) this.#turnTo(slot);
    const place = this.#latest % SLOTS;
    this.#slots[place] = (this.#slots[place] ?? 0) + 1;
  }

  /** Per second, over the last minute. */
  perSecond(nowMs: number): number {
    const slot = Math.floor(nowMs / SLOT_MS);
    if (slot > this.#latest) this.#turnTo(slot);
    return this.#slots.reduce((sum, count) => sum + count, 0) / ((SLOTS * SLOT_MS) / 1_000);
  }

  #turnTo(slot: number): void {
    const passed = Math.min(SLOTS, slot - this.#latest);
    for (let n = 0; n < passed; n += 1) this.#slots[(slot - n) % SLOTS] = 0;
    this.#latest = slot;
  }
}
