import { IndexedHeap } from '../../../src/domain/structures/indexed-heap.ts';

/** Whose event it is: those of a process wait while it is suspended, and never come after it was killed. */
export type Owner = { readonly suspended: boolean; readonly alive: boolean; readonly backlog: (() => void)[] };

type Planned = { readonly owner: Owner | undefined; readonly run: () => void };

/** Who lets others have their turn goes on after at most so many events. A turn of the event loop takes longer than what most events do. */
const EVENTS_PER_TURN = 16;

/** The one time of a simulated world, in milliseconds. It jumps from event to event; nothing happens in between. */
export class Timeline {
  #nowMs = 0;
  #seq = 0;
  #settled = 0;
  readonly #due = new IndexedHeap();
  readonly #planned = new Map<string, Planned>();

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Returns a function that cancels it. */
  after(delayMs: number, owner: Owner | undefined, run: () => void): () => void {
    const id = String(++this.#seq);
    this.#due.set(id, this.#nowMs + Math.max(0, delayMs), this.#seq);
    this.#planned.set(id, { owner, run });
    return () => {
      this.#due.delete(id);
      // It may wait in the backlog of a suspended owner.
      this.#planned.delete(id);
    };
  }

  /** Runs what is due until then, or until `isDone`. */
  async advance(untilMs: number, isDone: () => boolean = () => false): Promise<void> {
    await this.#settle();
    for (let head = this.#due.peek(); head && head.key <= untilMs && !isDone(); head = this.#due.peek()) {
      this.#due.delete(head.id);
      this.#nowMs = Math.max(this.#nowMs, head.key);
      if (this.#fire(head.id)) await this.#settle();
    }
    if (!isDone()) this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** Lets everything that promises have set in motion run to its end: Node calls back when none is left that can go on. */
  #settle(): Promise<void> {
    this.#settled += 1;
    const later = this.#settled % EVENTS_PER_TURN === 0 ? setImmediate : process.nextTick;
    return new Promise((resolve) => later(resolve));
  }

  #fire(id: string): boolean {
    const planned = this.#planned.get(id);
    if (!planned) return false;
    const { owner, run } = planned;
    if (owner?.alive === false) {
      this.#planned.delete(id);
      return false;
    }
    if (owner?.suspended) {
      owner.backlog.push(() => this.#fire(id));
      return false;
    }
    this.#planned.delete(id);
    run();
    return true;
  }

  /** What came while the owner was suspended happens now, as it does to a process that is continued: one after the other, in order. */
  wake(owner: Owner): void {
    for (const run of owner.backlog.splice(0)) this.after(0, owner, run);
  }
}
