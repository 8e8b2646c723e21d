type Cell<T> = { readonly value: T; readonly next: Cell<T> | undefined };

/** First in, first out; each operation gives a new queue and copies nothing but, now and then, what was added last. */
export class PersistentQueue<T> {
  readonly #front: Cell<T> | undefined;
  readonly #back: Cell<T> | undefined;

  private constructor(front: Cell<T> | undefined, back: Cell<T> | undefined) {
    this.#front = front;
    this.#back = back;
  }

  static of<T>(values: Iterable<T> = []): PersistentQueue<T> {
    let queue = new PersistentQueue<T>(undefined, undefined);
    for (const value of values) queue = queue.added(value);
    return queue;
  }

  /** Undefined when the queue is empty. */
  get head(): T | undefined {
    return this.#front?.value;
  }

  added(value: T): PersistentQueue<T> {
    const cell = { value, next: this.#front === undefined ? undefined : this.#back };
    return this.#front === undefined ? new PersistentQueue(cell, undefined) : new PersistentQueue<T>(this.#front, cell);
  }

  /** Without its head. */
  rest(): PersistentQueue<T> {
    const next = this.#front?.next;
    if (next !== undefined) return new PersistentQueue(next, this.#back);
    let turned: Cell<T> | undefined;
    for (let cell = this.#back; cell; cell = cell.next) turned = { value: cell.value, next: turned };
    return new PersistentQueue(turned, undefined);
  }
}
