import type { Adjacency } from './adjacency.ts';
import { strongComponents } from './strong-components.ts';

/**
 * Edges checked in search of shorter cycles, in equal shares for the components, what one leaves over for the next. Whoever sent a
 * definition with cycles waits for the answer, and any cycle shows where it goes wrong: beyond the bound the shortest so far is given.
 */
const MAX_STEPS = 10_000_000;

const NONE = -1;

/** Searches in breadth, one from each node of a component, over arrays that all of them share. */
class CycleSearch {
  readonly #neighbours: Adjacency;
  /** The component of each node; none once every cycle through the node was checked. */
  readonly #componentOf: Int32Array;
  /** Of the last search that came to each node: its start, the node before, and how many nodes the path has up to here. */
  readonly #seenFrom: Int32Array;
  readonly #cameFrom: Int32Array;
  readonly #length: Int32Array;
  readonly #queue: Int32Array;
  #steps = 0;

  constructor(neighbours: Adjacency, groups: readonly (readonly number[])[]) {
    const size = neighbours.starts.length - 1;
    this.#neighbours = neighbours;
    this.#componentOf = new Int32Array(size).fill(NONE);
    for (const [component, members] of groups.entries())
      for (const member of members) this.#componentOf[member] = component;
    this.#seenFrom = new Int32Array(size).fill(NONE);
    this.#cameFrom = new Int32Array(size);
    this.#length = new Int32Array(size);
    this.#queue = new Int32Array(size);
  }

  /** At least one: the first search is never cut short. */
  shortest(members: readonly number[], maxSteps: number): number[] {
    let best: number[] = [];
    for (const start of members) {
      const found = best.length === 0 ? this.#through(start) : this.#through(start, best.length, maxSteps);
      best = found ?? best;
      this.#componentOf[start] = NONE;
      if (best.length === 2 || this.#steps >= maxSteps) break;
    }
    return best;
  }

  /** The shortest cycle through a node, if it is shorter than `below`. */
  #through(start: number, below = Number.POSITIVE_INFINITY, maxSteps = Number.POSITIVE_INFINITY): number[] | undefined {
    const { starts, targets } = this.#neighbours;
    this.#length[start] = 1;
    this.#queue[0] = start;
    let queued = 1;
    for (let at = 0; at < queued; at += 1) {
      const index = this.#queue[at] as number;
      const length = this.#length[index] as number;
      if (length >= below || this.#steps >= maxSteps) return undefined;
      const end = starts[index + 1] as number;
      for (let edge = starts[index] as number; edge < end; edge += 1) {
        const next = targets[edge] as number;
        this.#steps += 1;
        if (next === start) return this.#pathTo(index, length);
        if (this.#componentOf[next] !== this.#componentOf[start] || this.#seenFrom[next] === start) continue;
        this.#seenFrom[next] = start;
        this.#cameFrom[next] = index;
        this.#length[next] = length + 1;
        this.#queue[queued++] = next;
      }
    }
    return undefined;
  }

  #pathTo(end: number, length: number): number[] {
    const path = [end];
    while (path.length < length) path.push(this.#cameFrom[path.at(-1) as number] as number);
    return path.reverse();
  }
}

/**
 * The shortest cycle of each strong component, or the shortest found within the bound; the first `limit` of them, by their components'
 * first nodes. Each node leads to the next, the last to the first, and the first is the smallest index.
 */
export const shortestCycles = (neighbours: Adjacency, limit: number): number[][] => {
  const components = strongComponents(neighbours);
  const search = new CycleSearch(neighbours, components);
  const examined = components.slice(0, limit);
  return examined.map((members, nth) => search.shortest(members, (MAX_STEPS * (nth + 1)) / examined.length));
};
