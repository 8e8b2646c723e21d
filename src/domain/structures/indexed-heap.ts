type Entry = { readonly id: string; readonly key: number; readonly seq: number };

const before = (a: Entry, b: Entry): boolean => a.key < b.key || (a.key === b.key && a.seq < b.seq);

/**
 * Binary min-heap of ids by key, and by `seq` among equal keys, with removal by id in O(log n). It holds an id at most once: setting
 * it again moves it. No two ids may share key and `seq`: then the order does not depend on when they were put in.
 */
export class IndexedHeap {
  readonly #entries: Entry[] = [];
  readonly #index = new Map<string, number>();

  get size(): number {
    return this.#entries.length;
  }

  peek(): Entry | undefined {
    return this.#entries[0];
  }

  set(id: string, key: number, seq: number): void {
    this.delete(id);
    const entry = { id, key, seq };
    this.#entries.push(entry);
    this.#up(this.#entries.length - 1, entry);
  }

  delete(id: string): boolean {
    const at = this.#index.get(id);
    if (at === undefined) return false;
    this.#index.delete(id);
    const last = this.#entries.pop() as Entry;
    if (at === this.#entries.length) return true;
    const parent = this.#entries[(at - 1) >> 1];
    if (at > 0 && parent && before(last, parent)) this.#up(at, last);
    else this.#down(at, last);
    return true;
  }

  pop(): string | undefined {
    const first = this.#entries[0];
    if (first) this.delete(first.id);
    return first?.id;
  }

  #place(at: number, entry: Entry): void {
    this.#entries[at] = entry;
    this.#index.set(entry.id, at);
  }

  #up(from: number, entry: Entry): void {
    let at = from;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = this.#entries[parentAt] as Entry;
      if (!before(entry, parent)) break;
      this.#place(at, parent);
      at = parentAt;
    }
    this.#place(at, entry);
  }

  #down(from: number, entry: Entry): void {
    let at = from;
    for (;;) {
      const leftAt = 2 * at + 1;
      const left = this.#entries[leftAt];
      if (!left) break;
      const right = this.#entries[leftAt + 1];
      const childAt = right && before(right, left) ? leftAt + 1 : leftAt;
      const child = this.#entries[childAt] as Entry;
      if (!before(child, entry)) break;
      this.#place(at, child);
      at = childAt;
    }
    this.#place(at, entry);
  }
}
