/** Wakes subscriptions when there may be new events. They read for themselves; no events pass through here. */
export class Wakeups {
  readonly #forAll = new Set<() => void>();
  readonly #byStream = new Map<string, Set<() => void>>();

  get count(): number {
    let count = this.#forAll.size;
    for (const wakes of this.#byStream.values()) count += wakes.size;
    return count;
  }

  /** Calls `wake` after events of this stream (or any, if undefined) became visible. Returns how to stop that. */
  add(streamName: string | undefined, wake: () => void): () => void {
    if (streamName === undefined) {
      this.#forAll.add(wake);
      return () => this.#forAll.delete(wake);
    }
    const wakes = this.#byStream.get(streamName) ?? new Set();
    this.#byStream.set(streamName, wakes.add(wake));
    return () => {
      wakes.delete(wake);
      if (wakes.size === 0 && this.#byStream.get(streamName) === wakes) this.#byStream.delete(streamName);
    };
  }

  notify(streamNames: Iterable<string>): void {
    for (const wake of this.#forAll) wake();
    if (this.#byStream.size === 0) return;
    for (const name of new Set(streamNames)) {
      for (const wake of this.#byStream.get(name) ?? []) wake();
    }
  }
}
