/** An entry knows its place, so that moving it costs no look-up. */
type Placed<Item> = { readonly item: Item; readonly id: string; score: number; at: number };

const before = <Item>(a: Placed<Item>, b: Placed<Item>): boolean =>
  a.score < b.score || (a.score === b.score && a.id < b.id);

/**
 * Items by a score, the lowest first, and by id among equal scores: that order does not depend on when they came. A binary heap: setting,
 * moving and removing an item takes O(log n), reading the best `count` O(count²) and no more.
 */
export class RankedSet<Item> {
  readonly #heap: Placed<Item>[] = [];
  readonly #places = new Map<string, Placed<Item>>();

  get size(): number {
    return this.#heap.length;
  }

  set(id: string, item: Item, score: number): void {
    const known = this.#places.get(id);
    if (known === undefined) {
      const placed = { item, id, score, at: this.#heap.length };
      this.#places.set(id, placed);
      this.#heap.push(placed);
      this.#up(placed);
      return;
    }
    if (known.score === score) return;
    const rises = score < known.score;
    known.score = score;
    if (rises) this.#up(known);
    else this.#down(known);
  }

  delete(id: string): void {
    const known = this.#places.get(id);
    if (known === undefined) return;
    this.#places.delete(id);
    const last = this.#heap.pop() as Placed<Item>;
    if (last === known) return;
    this.#place(known.at, last);
    this.#up(last);
    this.#down(last);
  }

  /** The best, best first. A child is never better than its parent, so only children of those found can come next. */
  best(count: number): { readonly item: Item; readonly id: string; readonly score: number }[] {
    const found: Placed<Item>[] = [];
    const next: Placed<Item>[] = this.#heap.slice(0, 1);
    while (found.length < count && next.length > 0) {
      let first = 0;
      for (let index = 1; index < next.length; index += 1)
        if (before(next[index] as Placed<Item>, next[first] as Placed<Item>)) first = index;
      const [best] = next.splice(first, 1) as [Placed<Item>];
      found.push(best);
      for (const child of [2 * best.at + 1, 2 * best.at + 2]) {
        const placed = this.#heap[child];
        if (placed) next.push(placed);
      }
    }
    return found;
  }

  #place(at: number, placed: Placed<Item>): void {
    this.#heap[at] = placed;
    placed.at = at;
  }

  #up(placed: Placed<Item>): void {
    let { at } = placed;
    while (at > 0) {
      const parent = this.#heap[(at - 1) >> 1] as Placed<Item>;
      if (!before(placed, parent)) break;
      this.#place(at, parent);
      at = (at - 1) >> 1;
      placed.at = at;
    }
    this.#place(at, placed);
  }

  #down(placed: Placed<Item>): void {
    let { at } = placed;
    for (;;) {
      const left = this.#heap[2 * at + 1];
      if (!left) break;
      const right = this.#heap[2 * at + 2];
      const child = right && before(right, left) ? right : left;
      if (!before(child, placed)) break;
      const childAt = child.at;
      this.#place(at, child);
      at = childAt;
    }
    this.#place(at, placed);
  }
}
