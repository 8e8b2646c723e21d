import { GROUP_HEADER } from './group.ts';

/** Groups in memory, in log order without gaps; the oldest go first when there is more than the limits allow. */
export class GroupCache {
  readonly #starts: number[] = [];
  readonly #groups: Buffer[] = [];
  #bytes = 0;
  readonly #limits: { readonly bytes: number; readonly groups: number };

  constructor(limits: { readonly bytes: number; readonly groups: number }) {
    this.#limits = limits;
  }

  add(start: number, group: Buffer): void {
    this.#starts.push(start);
    this.#groups.push(group);
    this.#bytes += group.length;
    while (this.#groups.length > 1 && (this.#bytes > this.#limits.bytes || this.#groups.length > this.#limits.groups)) {
      this.#starts.shift();
      this.#bytes -= this.#groups.shift()?.length ?? 0;
    }
  }

  removeNewest(): void {
    this.#starts.pop();
    this.#bytes -= this.#groups.pop()?.length ?? 0;
  }

  /**
   * The bytes from `position`, or undefined if they are not here. Shorter at the end of the newest group, and where
   * only (part of) the next group's header is missing.
   */
  read(position: number, length: number): Buffer | undefined {
    let index = this.#groupAt(position);
    const first = this.#groups[index];
    if (!first) return undefined;
    const from = position - (this.#starts[index] as number);
    if (from + length <= first.length + GROUP_HEADER) return first.subarray(from, from + length);
    const parts = [first.subarray(from)];
    let held = first.length - from;
    for (let next = this.#groups[++index]; next && held < length; next = this.#groups[++index]) {
      parts.push(next.subarray(0, length - held));
      held += Math.min(next.length, length - held);
    }
    return Buffer.concat(parts, held);
  }

  #groupAt(position: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] as number) <= position) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
