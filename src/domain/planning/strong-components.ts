import type { Adjacency } from './adjacency.ts';

/** One search in depth (Tarjan's), its path kept in an array: a chain of 100,000 nodes would end the call stack. */
class Search {
  readonly found: number[][] = [];
  readonly #neighbours: Adjacency;
  readonly #nextEdge: Int32Array;
  /** When each node was met, from 1; 0 where it was not yet. */
  readonly #metAt: Int32Array;
  /** When the earliest met node was met that this one leads back to. */
  readonly #leadsTo: Int32Array;
  readonly #path: number[] = [];
  /** Nodes met whose component is not complete, and a flag for each. */
  readonly #open: number[] = [];
  readonly #isOpen: Uint8Array;
  #met = 0;

  constructor(neighbours: Adjacency) {
    const size = neighbours.starts.length - 1;
    this.#neighbours = neighbours;
    this.#nextEdge = neighbours.starts.slice(0, size);
    this.#metAt = new Int32Array(size);
    this.#leadsTo = new Int32Array(size);
    this.#isOpen = new Uint8Array(size);
  }

  from(root: number): void {
    if (this.#metAt[root] === 0) this.#enter(root);
    for (let at = this.#path.at(-1); at !== undefined; at = this.#path.at(-1)) {
      const next = this.#follow(at);
      if (next === undefined) this.#leave(at);
      else if (this.#metAt[next] === 0) this.#enter(next);
      else if (this.#isOpen[next] === 1) this.#leadBack(at, this.#metAt[next] as number);
    }
  }

  #follow(at: number): number | undefined {
    const edge = this.#nextEdge[at] as number;
    if (edge === this.#neighbours.starts[at + 1]) return undefined;
    this.#nextEdge[at] = edge + 1;
    return this.#neighbours.targets[edge];
  }

  #leadBack(at: number, met: number): void {
    this.#leadsTo[at] = Math.min(this.#leadsTo[at] as number, met);
  }

  #enter(index: number): void {
    this.#met += 1;
    this.#metAt[index] = this.#met;
    this.#leadsTo[index] = this.#met;
    this.#isOpen[index] = 1;
    this.#open.push(index);
    this.#path.push(index);
  }

  #leave(index: number): void {
    this.#path.pop();
    const before = this.#path.at(-1);
    if (before !== undefined) this.#leadBack(before, this.#leadsTo[index] as number);
    if (this.#leadsTo[index] === this.#metAt[index]) this.#close(index);
  }

  #close(first: number): void {
    const members = this.#open.splice(this.#open.lastIndexOf(first));
    for (const member of members) this.#isOpen[member] = 0;
    if (members.length > 1) this.found.push(members.sort((a, b) => a - b));
  }
}

/** Groups of two nodes or more, each reachable from each: members in ascending order, groups by their first member. */
export const strongComponents = (neighbours: Adjacency): number[][] => {
  const search = new Search(neighbours);
  for (let root = 0; root < neighbours.starts.length - 1; root += 1) search.from(root);
  return search.found.sort((a, b) => (a[0] as number) - (b[0] as number));
};
