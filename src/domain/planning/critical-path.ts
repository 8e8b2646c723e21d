import type { Adjacency } from './adjacency.ts';

export type Schedule = {
  readonly criticalPath: { readonly nodes: readonly number[]; readonly lengthMs: number };
  readonly earliestStartMs: Float64Array;
  readonly slackMs: Float64Array;
};

type Graph = {
  readonly dependencies: Adjacency;
  /** Topological. */
  readonly order: Int32Array;
  readonly estimates: Float64Array;
  readonly levels: number;
};

/** Estimates from each node to the farthest end, its own included. */
const remaining = ({ dependencies, order, estimates }: Graph): Float64Array => {
  const remainingMs = new Float64Array(order.length);
  for (let at = order.length - 1; at >= 0; at -= 1) {
    const index = order[at] as number;
    const fromHere = (remainingMs[index] as number) + (estimates[index] as number);
    remainingMs[index] = fromHere;
    const end = dependencies.starts[index + 1] as number;
    for (let edge = dependencies.starts[index] as number; edge < end; edge += 1) {
      const dependency = dependencies.targets[edge] as number;
      if ((remainingMs[dependency] as number) < fromHere) remainingMs[dependency] = fromHere;
    }
  }
  return remainingMs;
};

/**
 * Sums of fractions differ in their last bits by the end they are added up from, by at most this much over a whole path. What is
 * left of a slack below it is rounding, and would take nodes off the critical path.
 */
const roundingOf = (lengthMs: number, levels: number): number => 2 * levels * Number.EPSILON * lengthMs;

/**
 * Of equally long paths the critical one is the one with the most nodes, so that it means something where there are no estimates;
 * then, from its end backwards, that of the nodes defined first.
 */
export const scheduleOf = (graph: Graph): Schedule => {
  const { dependencies, order, estimates, levels } = graph;
  const earliestStartMs = new Float64Array(order.length);
  const endMs = new Float64Array(order.length);
  /** Nodes on the longest path that ends with this one. */
  const nodesTo = new Int32Array(order.length);
  const isFarther = (a: number, b: number): boolean =>
    ((endMs[a] as number) - (endMs[b] as number) || (nodesTo[a] as number) - (nodesTo[b] as number) || b - a) > 0;
  const farthest = (among: Int32Array, from: number, to: number): number | undefined => {
    if (from === to) return undefined;
    let best = among[from] as number;
    for (let at = from + 1; at < to; at += 1) if (isFarther(among[at] as number, best)) best = among[at] as number;
    return best;
  };
  const lastDependency = (index: number): number | undefined =>
    farthest(dependencies.targets, dependencies.starts[index] as number, dependencies.starts[index + 1] as number);
  for (const index of order) {
    const last = lastDependency(index);
    const startMs = last === undefined ? 0 : (endMs[last] as number);
    earliestStartMs[index] = startMs;
    endMs[index] = startMs + (estimates[index] as number);
    nodesTo[index] = last === undefined ? 1 : (nodesTo[last] as number) + 1;
  }
  const nodes: number[] = [];
  for (let at = farthest(order, 0, order.length); at !== undefined; at = lastDependency(at)) nodes.push(at);
  const lengthMs = endMs[nodes[0] ?? 0] ?? 0;
  const rounding = roundingOf(lengthMs, levels);
  const slackMs = remaining(graph).map((remainingMs, index) => {
    const slack = lengthMs - remainingMs - (earliestStartMs[index] as number);
    return slack > rounding ? slack : 0;
  });
  return { criticalPath: { nodes: nodes.reverse(), lengthMs }, earliestStartMs, slackMs };
};
