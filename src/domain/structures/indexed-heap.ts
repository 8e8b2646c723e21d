import { LongArray } from './long-array.ts';
import { ShardedMap } from './sharded-map.ts';

type HeapEntry = { readonly id: string; readonly key: number; readonly seq: number };

/** An entry knows its place, so that moving it costs no look-up. */
type Placed = HeapEntry & { at: number };

const before = (a: Placed, b: Placed): boolean => a.key < b.key || (a.key === b.key && a.seq < b.seq);

/**
 * Binary min-heap of ids by key, and by `seq` among equal keys, with removal by id in O(log n). It holds an id at most once: setting
 * it again moves it. No two ids may share key and `seq`: then the order does not depend on when they were put in.
 */
export class IndexedHeap {
  readonly #entries = new LongArray<Placed>();
  readonly #byId = new ShardedMap<Placed>();

  get size(): number {
    return this.#entries.length;
  }

  peek(): HeapEntry | undefined {
    return this.#entries.get(0);
  }

  /** In no particular order. It must not be changed meanwhile. */
  *ids(): Generator<string> {
    for (let at = 0; at < this.#entries.length; at += 1) yield (this.#entries.get(at) as Placed).id;
  }

  has(id: string): boolean {
    return this.#byId.get(id) !== undefined;
  }

  set(id: string, key: number, seq: number): void {
    this.delete(id);
    const entry = { id, key, seq, at: this.#entries.length };
    this.#byId.set(id, entry);
    this.#up(entry.at, entry);
  }

  delete(id: string): boolean {
    const entry = this.#byId.get(id);
    if (entry === undefined) return false;
    this.#byId.delete(id);
    const { at } = entry;
    const last = this.#entries.pop() as Placed;
    if (last === entry) return true;
    const parent = this.#entries.get((at - 1) >> 1);
    if (at > 0 && parent && before(last, parent)) this.#up(at, last);
    else this.#down(at, last);
    return true;
  }

  pop(): string | undefined {
    const first = this.#entries.get(0);
    if (first) this.delete(first.id);
    return first?.id;
  }

  #place(at: number, entry: Placed): void {
    this.#entries.set(at, entry);
    entry.at = at;
  }

  #up(from: number, entry: Placed): void {
    let at = from;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = this.#entries.get(parentAt) as Placed;
      if (!before(entry, parent)) break;
      this.#place(at, parent);
      at = parentAt;
    }
    this.#place(at, entry);
  }

  #down(from: number, entry: Placed): void {
    let at = from;
    for (;;) {
      const leftAt = 2 * at + 1;
      const left = this.#entries.get(leftAt);
      if (!left) break;
      const right = this.#entries.get(leftAt + 1);
      const child = right && before(right, left) ? right : left;
      if (!before(child, entry)) break;
      const childAt = child.at;
      this.#place(at, child);
      at = childAt;
    }
    this.#place(at, entry);
  }
}
