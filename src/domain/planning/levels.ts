import type { Adjacency } from './adjacency.ts';

export type Levels = {
  readonly levelOf: Int32Array;
  readonly levels: readonly (readonly number[])[];
  readonly order: Int32Array;
};

/** Longest distance of every node from a root; undefined if there is a cycle. */
const longestDistances = (dependencies: Adjacency, dependants: Adjacency): Int32Array | undefined => {
  const size = dependencies.starts.length - 1;
  const distances = new Int32Array(size);
  const missing = new Int32Array(size);
  const queue = new Int32Array(size);
  let queued = 0;
  for (let index = 0; index < size; index += 1) {
    missing[index] = (dependencies.starts[index + 1] as number) - (dependencies.starts[index] as number);
    if (missing[index] === 0) queue[queued++] = index;
  }
  for (let at = 0; at < queued; at += 1) {
    const index = queue[at] as number;
    const end = dependants.starts[index + 1] as number;
    for (let edge = dependants.starts[index] as number; edge < end; edge += 1) {
      const dependant = dependants.targets[edge] as number;
      const left = (missing[dependant] as number) - 1;
      missing[dependant] = left;
      // Nodes leave the queue by ascending distance, so the last dependency to leave is the farthest.
      if (left > 0) continue;
      distances[dependant] = (distances[index] as number) + 1;
      queue[queued++] = dependant;
    }
  }
  return queued === size ? distances : undefined;
};

/** Nodes by level, those of one level in the order of the definition; undefined if there is a cycle. */
export const levelsOf = (dependencies: Adjacency, dependants: Adjacency): Levels | undefined => {
  const levelOf = longestDistances(dependencies, dependants);
  if (!levelOf) return undefined;
  const levels: number[][] = [];
  levelOf.forEach((level, index) => {
    while (levels.length <= level) levels.push([]);
    levels[level]?.push(index);
  });
  const order = new Int32Array(levelOf.length);
  let placed = 0;
  for (const level of levels) {
    order.set(level, placed);
    placed += level.length;
  }
  return { levelOf, levels, order };
};
