import { LRUCache } from 'lru-cache';

/** Outcomes kept for callers that ask shortly after the end; an older one is read from the stream. */
const REMEMBERED = 10_000;

/** How things ended, by their stream, for code in this process that waits. */
export class OutcomeBook<Outcome extends object> {
  readonly #recent = new LRUCache<string, Outcome>({ max: REMEMBERED });
  readonly #waiting = new Map<string, ((outcome: Outcome) => void)[]>();

  recent(stream: string): Outcome | undefined {
    return this.#recent.get(stream);
  }

  /** Resolves with the next outcome that is settled. */
  next(stream: string): Promise<Outcome> {
    return new Promise((resolve) => {
      const others = this.#waiting.get(stream);
      if (others) others.push(resolve);
      else this.#waiting.set(stream, [resolve]);
    });
  }

  settle(stream: string, outcome: Outcome): void {
    this.#recent.set(stream, outcome);
    const waiting = this.#waiting.get(stream);
    this.#waiting.delete(stream);
    for (const resolve of waiting ?? []) resolve(outcome);
  }

  /** The outcome no longer holds. */
  forget(stream: string): void {
    this.#recent.delete(stream);
  }
}
