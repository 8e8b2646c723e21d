import { GroupCache } from './group-cache.ts';
import type { Log } from './log.ts';

/** Keeps everything in memory and nothing else: for tests, and to measure what durability costs. */
export class MemoryLog implements Log {
  readonly #groups = new GroupCache({ bytes: Number.POSITIVE_INFINITY, groups: Number.POSITIVE_INFINITY });
  end = 0;

  async append(group: Buffer): Promise<void> {
    this.#groups.add(this.end, group);
    this.end += group.length;
  }

  read(position: number, length: number): Buffer {
    return this.#groups.read(position, length) ?? Buffer.alloc(0);
  }

  async close(): Promise<void> {}
}
