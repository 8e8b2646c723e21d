import type { Adjacency } from './adjacency.ts';

export type GraphNode = {
  readonly id: string;
  readonly dependsOn: readonly string[];
  /** Expected duration, ms, finite and not negative; 0 when absent. */
  readonly estimateMs?: number | undefined;
};

export type GraphIssue = {
  readonly code: 'DUPLICATE_ID' | 'UNKNOWN_DEPENDENCY' | 'SELF_DEPENDENCY' | 'DUPLICATE_DEPENDENCY' | 'CYCLE';
  /** JSON pointer relative to the list of nodes, e.g. `/3/dependsOn/0`. */
  readonly pointer: string;
  readonly message: string;
  /** Of a cycle, all ids: each depends on the next, the last on the first. */
  readonly cycle?: readonly string[];
};

/** Enough to see what is wrong with a definition. Without a bound, one that a program wrote could have an issue for every edge. */
export const MAX_ISSUES = 100;

type Report = (issue: GraphIssue) => void;

/** Of nodes that share an id, the last has it: to ask for the first would be one more look-up for every node. */
const indicesById = (nodes: readonly GraphNode[], report: Report): Map<string, number> => {
  const indices = new Map<string, number>();
  nodes.forEach(({ id }, index) => {
    const known = indices.size;
    indices.set(id, index);
    if (indices.size === known)
      report({ code: 'DUPLICATE_ID', pointer: `/${index}/id`, message: `"${id}" is the id of an earlier node` });
  });
  return indices;
};

type Unsound = 'UNKNOWN_DEPENDENCY' | 'SELF_DEPENDENCY' | 'DUPLICATE_DEPENDENCY';

const messageOf = (code: Unsound, id: string, dependency: string): string => {
  switch (code) {
    case 'UNKNOWN_DEPENDENCY':
      return `"${id}" depends on "${dependency}", which does not exist`;
    case 'SELF_DEPENDENCY':
      return `"${id}" depends on itself`;
    case 'DUPLICATE_DEPENDENCY':
      return `"${id}" depends on "${dependency}" more than once`;
  }
};

/** The edges that are sound, and the first issues: those of ids, then those of dependencies, each in the order of the definition. */
export const readGraph = (
  nodes: readonly GraphNode[],
): { readonly dependencies: Adjacency; readonly issues: GraphIssue[] } => {
  const issues: GraphIssue[] = [];
  const report: Report = (issue) => {
    if (issues.length < MAX_ISSUES) issues.push(issue);
  };
  const indices = indicesById(nodes, report);
  const starts = new Int32Array(nodes.length + 1);
  const targets = new Int32Array(nodes.reduce((sum, { dependsOn }) => sum + dependsOn.length, 0));
  /** The last node that named this one. */
  const namedBy = new Int32Array(nodes.length).fill(-1);
  const refuse = (code: Unsound, index: number, at: number): void => {
    const { id, dependsOn } = nodes[index] as GraphNode;
    report({ code, pointer: `/${index}/dependsOn/${at}`, message: messageOf(code, id, dependsOn[at] as string) });
  };
  let edges = 0;
  for (let index = 0; index < nodes.length; index += 1) {
    const { id, dependsOn } = nodes[index] as GraphNode;
    for (let at = 0; at < dependsOn.length; at += 1) {
      const dependency = dependsOn[at] as string;
      const target = indices.get(dependency);
      if (target === undefined) refuse('UNKNOWN_DEPENDENCY', index, at);
      else if (dependency === id) refuse('SELF_DEPENDENCY', index, at);
      else if (namedBy[target] === index) refuse('DUPLICATE_DEPENDENCY', index, at);
      else {
        namedBy[target] = index;
        targets[edges] = target;
        edges += 1;
      }
    }
    starts[index + 1] = edges;
  }
  return { dependencies: { starts, targets: targets.subarray(0, edges) }, issues };
};
