/** Lists of node indices, one per node, end to end in one array: the list of node `i` runs from `starts[i]` to `starts[i + 1]`. */
export type Adjacency = { readonly starts: Int32Array; readonly targets: Int32Array };

/** A view, not a copy; empty for an index that no node has. Loops over whole graphs go by edges instead: a view costs more than its list. */
export const neighboursOf = ({ starts, targets }: Adjacency, index: number): Int32Array =>
  targets.subarray(starts[index] ?? 0, starts[index + 1] ?? 0);

/** The same edges from their other end. Every list comes out in ascending order. */
export const transpose = ({ starts, targets }: Adjacency): Adjacency => {
  const size = starts.length - 1;
  const reversed = { starts: new Int32Array(size + 1), targets: new Int32Array(targets.length) };
  for (const target of targets) reversed.starts[target + 1] = (reversed.starts[target + 1] as number) + 1;
  for (let index = 0; index < size; index += 1)
    reversed.starts[index + 1] = (reversed.starts[index + 1] as number) + (reversed.starts[index] as number);
  const next = reversed.starts.slice();
  for (let index = 0; index < size; index += 1)
    for (let edge = starts[index] as number; edge < (starts[index + 1] as number); edge += 1) {
      const target = targets[edge] as number;
      const at = next[target] as number;
      reversed.targets[at] = index;
      next[target] = at + 1;
    }
  return reversed;
};
