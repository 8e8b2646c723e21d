import { LRUCache } from 'lru-cache';

/** Answers kept for repeated calls. */
const REMEMBERED = 10_000;

/**
 * Does the work of an effect key once. A repeated call gets the first one's answer; one that comes while the first is at work waits for it.
 * Work that failed is done again. Kept in memory: after a restart of the agent a key is new.
 */
export class Effects {
  readonly #answers = new LRUCache<string, { readonly value: unknown }>({ max: REMEMBERED });
  readonly #running = new Map<string, Promise<unknown>>();

  /** Whether the work was done, or is being done. */
  knows(key: string): boolean {
    return this.#running.has(key) || this.#answers.has(key);
  }

  async once(key: string, work: () => Promise<unknown>): Promise<unknown> {
    for (let running = this.#running.get(key); running !== undefined; running = this.#running.get(key))
      await running.catch(() => {});
    const known = this.#answers.get(key);
    if (known !== undefined) return known.value;
    const running = work();
    this.#running.set(key, running);
    try {
      const value = await running;
      this.#answers.set(key, { value });
      return value;
    } finally {
      this.#running.delete(key);
    }
  }
}
