import { ok, type Result, rejected } from '../result.ts';
import { neighboursOf, transpose } from './adjacency.ts';
import { scheduleOf } from './critical-path.ts';
import { shortestCycles } from './cycles.ts';
import { levelsOf } from './levels.ts';
import { type GraphIssue, type GraphNode, MAX_ISSUES, readGraph } from './read-graph.ts';

/** A graph without cycles. Nodes are named by their index in the definition, here and in every list. */
export type Plan = {
  readonly size: number;
  readonly edges: number;
  /** Topological: by level, and within a level in the order of the definition. */
  readonly order: Int32Array;
  /** A node's level is the longest distance from a root, in edges. */
  readonly levels: readonly (readonly number[])[];
  readonly levelOf: Int32Array;
  /** In the order of the definition; a view, not a copy. */
  dependenciesOf(index: number): ArrayLike<number>;
  /** In the order of the definition; a view, not a copy. */
  dependantsOf(index: number): ArrayLike<number>;
  readonly roots: readonly number[];
  /** The longest path by estimates, from its root. */
  readonly criticalPath: { readonly nodes: readonly number[]; readonly lengthMs: number };
  readonly totalWorkMs: number;
  /** Width of the widest level. A schedule may do better where a level's nodes take different times. */
  readonly maxParallelism: number;
  /** Total work by the critical path's length; without estimates, nodes by levels. 0 for an empty graph. */
  readonly averageParallelism: number;
  /** By how much a node may start late without the whole taking longer; 0 on the critical path. */
  readonly slackMs: Float64Array;
  /** With nothing in the way but dependencies. */
  readonly earliestStartMs: Float64Array;
};

/** Messages name only the beginning of a longer cycle; `cycle` holds all of it. */
const MAX_NAMED = 20;

const cycleIssue = (nodes: readonly GraphNode[], indices: readonly number[]): GraphIssue => {
  const cycle = indices.map((index) => nodes[index]?.id as string);
  const [first, second] = cycle as [string, string];
  const left = cycle.length - MAX_NAMED;
  const named = [...cycle.slice(0, MAX_NAMED), ...(left > 0 ? [`… ${left} more …`] : []), first];
  return {
    code: 'CYCLE',
    pointer: `/${indices[0]}/dependsOn/${nodes[indices[0] as number]?.dependsOn.indexOf(second)}`,
    message: `each depends on the next: ${named.join(' → ')}`,
    cycle,
  };
};

const estimatesOf = (nodes: readonly GraphNode[]): Float64Array => {
  const estimates = new Float64Array(nodes.length);
  nodes.forEach(({ id, estimateMs = 0 }, index) => {
    if (!(estimateMs >= 0 && estimateMs < Number.POSITIVE_INFINITY))
      throw new RangeError(`the estimate of "${id}" is ${estimateMs} ms`);
    estimates[index] = estimateMs;
  });
  return estimates;
};

/**
 * Validates a graph and works out what can be known of it before it runs.
 *
 * Errors: rejects with the first 100 issues, those of cycles last, one for every group of nodes that lead to each other. Edges with an
 *         issue are left out in search of cycles. Throws on an estimate that is negative or not finite.
 * Cost:   time and memory grow with nodes plus edges. Only where there are cycles, the search for the shortest is bounded (`cycles.ts`).
 */
export const planGraph = (nodes: readonly GraphNode[]): Result<Plan, { readonly issues: readonly GraphIssue[] }> => {
  const { dependencies, issues } = readGraph(nodes);
  const estimates = estimatesOf(nodes);
  const dependants = transpose(dependencies);
  const layers = levelsOf(dependencies, dependants);
  if (!layers) {
    const cycles = shortestCycles(dependencies, MAX_ISSUES - issues.length);
    return rejected({ issues: [...issues, ...cycles.map((cycle) => cycleIssue(nodes, cycle))] });
  }
  if (issues.length > 0) return rejected({ issues });
  const { levels, order } = layers;
  const schedule = scheduleOf({ dependencies, order, estimates, levels: levels.length });
  const totalWorkMs = estimates.reduce((sum, estimateMs) => sum + estimateMs, 0);
  const { lengthMs } = schedule.criticalPath;
  return ok({
    size: nodes.length,
    edges: dependencies.targets.length,
    ...layers,
    dependenciesOf: (index: number) => neighboursOf(dependencies, index),
    dependantsOf: (index: number) => neighboursOf(dependants, index),
    roots: levels[0] ?? [],
    ...schedule,
    totalWorkMs,
    maxParallelism: levels.reduce((widest, { length }) => Math.max(widest, length), 0),
    averageParallelism: lengthMs > 0 ? totalWorkMs / lengthMs : nodes.length / Math.max(1, levels.length),
  });
};

const reachedFrom = (index: number, neighboursOfNode: (index: number) => ArrayLike<number>): Set<number> => {
  const reached = new Set<number>();
  const open = [index];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const neighbours = neighboursOfNode(at);
    for (let nth = 0; nth < neighbours.length; nth += 1) {
      const next = neighbours[nth] as number;
      if (reached.has(next)) continue;
      reached.add(next);
      open.push(next);
    }
  }
  return reached;
};

/** All that a node waits for, directly or through others; not the node itself. */
export const ancestorsOf = (plan: Plan, index: number): Set<number> => reachedFrom(index, plan.dependenciesOf);

/** All that waits for a node, directly or through others; not the node itself. */
export const descendantsOf = (plan: Plan, index: number): Set<number> => reachedFrom(index, plan.dependantsOf);
