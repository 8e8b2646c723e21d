import fc from 'fast-check';
import { DirectedGraph } from 'graphology';
import { hasCycle, topologicalGenerations } from 'graphology-dag';
import { describe, expect, it } from 'vitest';
import { ancestorsOf, descendantsOf, type Plan, planGraph } from './graph.ts';
import type { GraphIssue, GraphNode } from './read-graph.ts';

const node = (id: string, dependsOn: readonly string[] = [], estimateMs?: number): GraphNode =>
  estimateMs === undefined ? { id, dependsOn } : { id, dependsOn, estimateMs };

const planned = (nodes: readonly GraphNode[]): Plan => {
  const result = planGraph(nodes);
  if (result.ok) return result.value;
  throw new Error(result.rejection.issues.map(({ message }) => message).join('\n'));
};

const issuesOf = (nodes: readonly GraphNode[]): readonly GraphIssue[] => {
  const result = planGraph(nodes);
  return result.ok ? [] : result.rejection.issues;
};

const LARGE = 100_000;
const chain = (size: number, first: readonly string[] = []): GraphNode[] =>
  Array.from({ length: size }, (_, index) => node(`n${index}`, index === 0 ? first : [`n${index - 1}`], 1));

describe('an empty graph', () => {
  it('has an empty plan', () => {
    const plan = planned([]);
    expect([plan.size, plan.edges, plan.order.length, plan.levels, plan.roots]).toEqual([0, 0, 0, [], []]);
    expect([plan.criticalPath, plan.totalWorkMs]).toEqual([{ nodes: [], lengthMs: 0 }, 0]);
    expect([plan.maxParallelism, plan.averageParallelism]).toEqual([0, 0]);
  });
});

describe('a graph whose nodes are listed before their dependencies', () => {
  // fetch(10) and read(5) lead to join(20); join and read lead to print(1); tidy(2) stands alone.
  const plan = planned([
    node('print', ['join', 'read'], 1),
    node('join', ['read', 'fetch'], 20),
    node('tidy', [], 2),
    node('read', [], 5),
    node('fetch', [], 10),
  ]);

  it('is ordered by level, and within a level as it was defined', () => {
    expect(plan.levels).toEqual([[2, 3, 4], [1], [0]]);
    expect([...plan.levelOf]).toEqual([2, 1, 0, 0, 0]);
    expect([...plan.order]).toEqual([2, 3, 4, 1, 0]);
    expect(plan.roots).toEqual([2, 3, 4]);
  });

  it('knows both ends of each edge', () => {
    expect([plan.size, plan.edges]).toEqual([5, 4]);
    expect([0, 1, 2].map((index) => Array.from(plan.dependenciesOf(index)))).toEqual([[1, 3], [3, 4], []]);
    expect([3, 1, 0].map((index) => Array.from(plan.dependantsOf(index)))).toEqual([[0, 1], [0], []]);
  });

  it('has no neighbours for an index without a node', () => {
    for (const index of [-1, 5, 6, 100])
      expect([plan.dependenciesOf(index).length, plan.dependantsOf(index).length]).toEqual([0, 0]);
  });

  it('takes as long as its critical path, and has slack on other paths', () => {
    expect(plan.criticalPath).toEqual({ nodes: [4, 1, 0], lengthMs: 31 });
    expect([...plan.earliestStartMs]).toEqual([30, 10, 0, 0, 0]);
    expect([...plan.slackMs]).toEqual([0, 0, 29, 5, 0]);
  });

  it('has an average parallelism of total work divided by the critical path', () => {
    expect(plan.totalWorkMs).toBe(38);
    expect(plan.maxParallelism).toBe(3);
    expect(plan.averageParallelism).toBe(38 / 31);
  });

  it('knows what each node waits for and what waits for it', () => {
    expect(ancestorsOf(plan, 0)).toEqual(new Set([1, 3, 4]));
    expect(descendantsOf(plan, 3)).toEqual(new Set([0, 1]));
    expect([ancestorsOf(plan, 2), descendantsOf(plan, 2)]).toEqual([new Set(), new Set()]);
  });
});

describe('a graph without estimates', () => {
  const plan = planned([node('alone'), node('a'), node('b', ['a']), node('c', ['a'])]);

  it('has the path with the most nodes as its critical path', () => {
    expect(plan.criticalPath).toEqual({ nodes: [1, 2], lengthMs: 0 });
    expect([...plan.slackMs]).toEqual([0, 0, 0, 0]);
  });

  it('counts nodes instead of time for its average parallelism', () => {
    expect(plan.averageParallelism).toBe(2);
  });
});

describe('an estimate that is not a duration', () => {
  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('is a bug in the caller: %d', (estimateMs) => {
    expect(() => planGraph([node('a', [], estimateMs)])).toThrow(`the estimate of "a" is ${estimateMs} ms`);
  });
});

describe('a definition with issues', () => {
  it('reports where an id is used again', () => {
    expect(issuesOf([node('a'), node('b'), node('a')])).toEqual([
      { code: 'DUPLICATE_ID', pointer: '/2/id', message: '"a" is the id of an earlier node' },
    ]);
  });

  it('reports a dependency that does not exist', () => {
    expect(issuesOf([node('a'), node('b', ['a', 'x'])])).toEqual([
      { code: 'UNKNOWN_DEPENDENCY', pointer: '/1/dependsOn/1', message: '"b" depends on "x", which does not exist' },
    ]);
  });

  it('reports a node that depends on itself, but not as a cycle', () => {
    expect(issuesOf([node('a', ['a'])])).toEqual([
      { code: 'SELF_DEPENDENCY', pointer: '/0/dependsOn/0', message: '"a" depends on itself' },
    ]);
  });

  it('reports a dependency that is named twice', () => {
    expect(issuesOf([node('a'), node('b', ['a', 'a']), node('c', ['a'])])).toEqual([
      { code: 'DUPLICATE_DEPENDENCY', pointer: '/1/dependsOn/1', message: '"b" depends on "a" more than once' },
    ]);
  });

  it('reports the nodes of a cycle in order, starting with the one defined first', () => {
    expect(issuesOf([node('root'), node('b', ['c']), node('a', ['b']), node('c', ['root', 'a'])])).toEqual([
      {
        code: 'CYCLE',
        pointer: '/1/dependsOn/0',
        message: 'each depends on the next: b → c → a → b',
        cycle: ['b', 'c', 'a'],
      },
    ]);
  });

  it('reports all of them at once, cycles last', () => {
    const nodes = [node('a', ['x', 'b']), node('b', ['a', 'a']), node('b', ['b']), node('c', ['d']), node('d', ['c'])];
    expect(issuesOf(nodes).map(({ code, pointer }) => `${code} ${pointer}`)).toEqual([
      'DUPLICATE_ID /2/id',
      'UNKNOWN_DEPENDENCY /0/dependsOn/0',
      'DUPLICATE_DEPENDENCY /1/dependsOn/1',
      'SELF_DEPENDENCY /2/dependsOn/0',
      'CYCLE /3/dependsOn/0',
    ]);
  });

  it('reports a cycle among valid edges even if other edges are invalid', () => {
    const nodes = [node('a', ['x', 'a', 'b']), node('b', ['y', 'a', 'a'])];
    expect(issuesOf(nodes).at(-1)).toMatchObject({ code: 'CYCLE', pointer: '/0/dependsOn/2', cycle: ['a', 'b'] });
  });

  it('reports only the first 100 of them', () => {
    const unknown = Array.from({ length: 99 }, (_, index) => node(`n${index}`, ['x']));
    const cycles = [node('a', ['b']), node('b', ['a']), node('c', ['d']), node('d', ['c'])];
    expect(issuesOf([...unknown, ...cycles]).slice(98)).toMatchObject([
      { code: 'UNKNOWN_DEPENDENCY', pointer: '/98/dependsOn/0' },
      { code: 'CYCLE', cycle: ['a', 'b'] },
    ]);
    expect(issuesOf([...unknown, node('e', ['x', 'y']), ...cycles])).toHaveLength(100);
  });

  it('treats an id that is the name of a built-in property like any other', () => {
    expect(issuesOf([node('__proto__', ['constructor'])])).toMatchObject([{ code: 'UNKNOWN_DEPENDENCY' }]);
    expect(planned([node('__proto__'), node('constructor', ['__proto__'])]).edges).toBe(1);
  });
});

describe('several cycles', () => {
  it('are reported once per strongly connected group, by its shortest cycle', () => {
    // a → b → c → d → a has the short cut c → b; e ⇄ f is another group that leads into the first.
    const nodes = [
      node('a', ['b']),
      node('b', ['c']),
      node('c', ['d', 'b']),
      node('d', ['a']),
      node('f', ['e']),
      node('e', ['a', 'f']),
    ];
    expect(issuesOf(nodes).map(({ cycle }) => cycle)).toEqual([
      ['b', 'c'],
      ['f', 'e'],
    ]);
  });
});

describe('a chain of 100,000 nodes', () => {
  const plan = planned(chain(LARGE));

  it('is planned', () => {
    expect([plan.levels.length, plan.maxParallelism, plan.criticalPath.lengthMs]).toEqual([LARGE, 1, LARGE]);
    expect([plan.criticalPath.nodes.length, plan.averageParallelism]).toEqual([LARGE, 1]);
  });

  it('can be walked from end to end', () => {
    expect([ancestorsOf(plan, LARGE - 1).size, descendantsOf(plan, 0).size]).toEqual([LARGE - 1, LARGE - 1]);
  });
});

describe('a cycle of 100,000 nodes', () => {
  const [issue, ...others] = issuesOf(chain(LARGE, [`n${LARGE - 1}`]));

  it('is found, and its message shows only its beginning', () => {
    expect(others).toHaveLength(0);
    expect(issue?.cycle).toHaveLength(LARGE);
    expect(issue?.message).toMatch(/: n0 → n99999 → .* → n99981 → … 99980 more … → n0$/);
  });
});

describe('100,000 nodes with more cycles than can be compared', () => {
  // A ring of 1,000 layers: every cycle is 1,000 nodes long or a multiple of it.
  const WIDTH = 100;
  const LAYERS = LARGE / WIDTH;
  const nodes = Array.from({ length: LARGE }, (_, index) => {
    const [layer, place] = [Math.floor(index / WIDTH), index % WIDTH];
    const next = [1, 8, 31].map((step) => ((layer + 1) % LAYERS) * WIDTH + ((place * 3 + step) % WIDTH));
    return node(
      `n${index}`,
      next.map((target) => `n${target}`),
    );
  });

  it('have one cycle reported, after a bounded search', () => {
    const [issue, ...others] = issuesOf(nodes);
    expect(others).toHaveLength(0);
    expect(issue?.code).toBe('CYCLE');
    expect((issue?.cycle?.length ?? 0) % LAYERS).toBe(0);
    for (const [at, id] of issue?.cycle?.entries() ?? [])
      expect(nodes[Number(id.slice(1))]?.dependsOn).toContain(issue?.cycle?.[(at + 1) % issue.cycle.length]);
  });
});

/** Up to ten nodes in any order of definition, with whole estimates unless told otherwise. */
const anyGraph = (estimate: fc.Arbitrary<number> = fc.nat(20)): fc.Arbitrary<GraphNode[]> =>
  fc.integer({ min: 1, max: 10 }).chain((size) =>
    fc
      .array(
        fc.record({ dependsOn: fc.uniqueArray(fc.nat(size - 1), { maxLength: 3 }), estimateMs: fc.option(estimate) }),
        { minLength: size, maxLength: size },
      )
      .map((nodes) =>
        nodes.map(({ dependsOn, estimateMs }, index) =>
          node(
            `n${index}`,
            dependsOn.filter((target) => target !== index).map((target) => `n${target}`),
            estimateMs ?? undefined,
          ),
        ),
      ),
  );

/** The edges of any graph that lead down in an order drawn for it. */
const acyclicGraph = (estimate?: fc.Arbitrary<number>): fc.Arbitrary<GraphNode[]> =>
  anyGraph(estimate).chain((nodes) =>
    fc
      .shuffledSubarray(
        nodes.map(({ id }) => id),
        { minLength: nodes.length, maxLength: nodes.length },
      )
      .map((ids) =>
        nodes.map(({ dependsOn, ...rest }) => ({
          ...rest,
          dependsOn: dependsOn.filter((target) => ids.indexOf(target) < ids.indexOf(rest.id)),
        })),
      ),
  );

const graphOf = (nodes: readonly GraphNode[]): DirectedGraph => {
  const graph = new DirectedGraph();
  for (const { id } of nodes) graph.addNode(id);
  for (const { id, dependsOn } of nodes) for (const target of dependsOn) graph.addEdge(target, id);
  return graph;
};

const indexOf = (id: string): number => Number(id.slice(1));

/** Fewest edges from each node to each, one at least; all pairs by trying every node in between. */
const distancesIn = (nodes: readonly GraphNode[]): number[][] => {
  const all = nodes.map(({ dependsOn }) =>
    nodes.map(({ id }) => (dependsOn.includes(id) ? 1 : Number.POSITIVE_INFINITY)),
  );
  const far = (from: number, to: number): number => all[from]?.[to] ?? Number.NaN;
  for (const via of nodes.keys())
    for (const [from, row] of all.entries())
      for (const to of nodes.keys()) row[to] = Math.min(far(from, to), far(from, via) + far(via, to));
  return all;
};

const pathsTo = (nodes: readonly GraphNode[], index: number): number[][] => {
  const before = (nodes[index]?.dependsOn ?? []).flatMap((id) => pathsTo(nodes, indexOf(id)));
  return before.length === 0 ? [[index]] : before.map((path) => [...path, index]);
};

/** Every path from a root to a node that nothing depends on, with its length by estimates. */
const wholePaths = (nodes: readonly GraphNode[]): { path: number[]; lengthMs: number }[] =>
  nodes
    .filter(({ id }) => !nodes.some(({ dependsOn }) => dependsOn.includes(id)))
    .flatMap(({ id }) => pathsTo(nodes, indexOf(id)))
    .map((path) => ({ path, lengthMs: path.reduce((sum, index) => sum + (nodes[index]?.estimateMs ?? 0), 0) }));

const longest = (paths: readonly { lengthMs: number }[]): number => Math.max(...paths.map(({ lengthMs }) => lengthMs));

describe('any graph', () => {
  it('is planned if and only if it has no cycle', () =>
    fc.assert(
      fc.property(anyGraph(), (nodes) => {
        expect(planGraph(nodes).ok).toBe(!hasCycle(graphOf(nodes)));
      }),
      { numRuns: 1_000 },
    ));

  it('reports the shortest cycle of each strongly connected group, and nothing else', () =>
    fc.assert(
      fc.property(anyGraph(), (nodes) => {
        const distances = distancesIn(nodes);
        const far = (from: number, to: number): number => distances[from]?.[to] ?? Number.NaN;
        const groupOf = (index: number): number[] =>
          [...nodes.keys()].filter((other) => far(index, other) + far(other, index) < Number.POSITIVE_INFINITY);
        const groups = [...nodes.keys()].map(groupOf).filter((group, index) => group[0] === index);
        const issues = issuesOf(nodes);
        expect(issues.map(({ code }) => code)).toEqual(groups.map(() => 'CYCLE'));
        for (const [nth, group] of groups.entries()) {
          const { cycle = [], pointer, message } = issues[nth] as GraphIssue;
          const indices = cycle.map(indexOf);
          expect(group).toEqual(expect.arrayContaining(indices));
          expect(new Set(indices).size).toBe(Math.min(...group.map((index) => far(index, index))));
          expect(cycle).toHaveLength(new Set(indices).size);
          for (const [at, index] of indices.entries())
            expect(nodes[index]?.dependsOn).toContain(cycle[(at + 1) % cycle.length]);
          expect(indices[0]).toBe(Math.min(...indices));
          expect(pointer).toBe(`/${indices[0]}/dependsOn/${nodes[indices[0] ?? 0]?.dependsOn.indexOf(cycle[1] ?? '')}`);
          expect(message).toBe(`each depends on the next: ${[...cycle, cycle[0]].join(' → ')}`);
        }
      }),
      { numRuns: 2_000 },
    ));
});

describe('any graph without cycles', () => {
  it('has the topological generations as its levels, and an order made from them', () =>
    fc.assert(
      fc.property(acyclicGraph(), (nodes) => {
        const plan = planned(nodes);
        const generations = topologicalGenerations(graphOf(nodes)).map((ids) => ids.map(indexOf).sort((a, b) => a - b));
        expect(plan.levels).toEqual(generations);
        expect([...plan.order]).toEqual(generations.flat());
        expect(plan.roots).toEqual(generations[0]);
        expect(plan.maxParallelism).toBe(Math.max(...generations.map(({ length }) => length)));
        for (const [level, members] of generations.entries())
          for (const index of members) expect(plan.levelOf[index]).toBe(level);
      }),
      { numRuns: 1_000 },
    ));

  it('orders every node after its dependencies, and knows both ends of each edge', () =>
    fc.assert(
      fc.property(acyclicGraph(), (nodes) => {
        const plan = planned(nodes);
        for (const [index, { dependsOn }] of nodes.entries()) {
          expect(Array.from(plan.dependenciesOf(index))).toEqual(dependsOn.map(indexOf));
          const dependants = [...nodes.keys()].filter((other) => nodes[other]?.dependsOn.includes(`n${index}`));
          expect(Array.from(plan.dependantsOf(index))).toEqual(dependants);
          for (const dependant of dependants)
            expect(plan.order.indexOf(dependant)).toBeGreaterThan(plan.order.indexOf(index));
        }
        expect(plan.edges).toBe(nodes.flatMap(({ dependsOn }) => dependsOn).length);
      }),
      { numRuns: 500 },
    ));

  it('has the critical path, starts and slack found by comparing all its paths', () =>
    fc.assert(
      fc.property(acyclicGraph(), (nodes) => {
        const plan = planned(nodes);
        const paths = wholePaths(nodes);
        const lengthMs = longest(paths);
        const { nodes: critical } = plan.criticalPath;
        expect(plan.criticalPath.lengthMs).toBe(lengthMs);
        const mostNodes = Math.max(
          ...paths.filter((path) => path.lengthMs === lengthMs).map(({ path }) => path.length),
        );
        expect(critical).toHaveLength(mostNodes);
        expect(paths).toContainEqual({ path: critical, lengthMs });
        for (const [index, { estimateMs = 0 }] of nodes.entries()) {
          const through = paths.filter(({ path }) => path.includes(index));
          expect(plan.slackMs[index]).toBe(lengthMs - longest(through));
          const upTo = through.map(({ path }) => path.slice(0, path.indexOf(index)));
          const startMs = Math.max(
            ...upTo.map((path) => path.reduce((sum, before) => sum + (nodes[before]?.estimateMs ?? 0), 0)),
          );
          expect(plan.earliestStartMs[index]).toBe(startMs);
          expect(startMs + estimateMs).toBeLessThanOrEqual(lengthMs);
        }
        const totalMs = nodes.reduce((sum, { estimateMs = 0 }) => sum + estimateMs, 0);
        expect(plan.totalWorkMs).toBe(totalMs);
        expect(plan.averageParallelism).toBe(lengthMs > 0 ? totalMs / lengthMs : nodes.length / plan.levels.length);
      }),
      { numRuns: 1_000 },
    ));

  it('has no slack on its critical path even with fractional estimates, and the right slack elsewhere', () =>
    fc.assert(
      fc.property(acyclicGraph(fc.double({ min: 0, max: 10, noNaN: true })), (nodes) => {
        const { slackMs, criticalPath } = planned(nodes);
        for (const index of criticalPath.nodes) expect(slackMs[index]).toBe(0);
        const paths = wholePaths(nodes);
        for (const index of nodes.keys())
          expect(slackMs[index]).toBeCloseTo(
            longest(paths) - longest(paths.filter(({ path }) => path.includes(index))),
          );
      }),
      { numRuns: 1_000 },
    ));

  it('gives as ancestors of a node those that reach it, and as descendants those that it reaches', () =>
    fc.assert(
      fc.property(acyclicGraph(), (nodes) => {
        const plan = planned(nodes);
        const distances = distancesIn(nodes);
        const leadsTo = (from: number, to: number): boolean => distances[from]?.[to] !== Number.POSITIVE_INFINITY;
        for (const index of nodes.keys()) {
          const others = [...nodes.keys()];
          expect(ancestorsOf(plan, index)).toEqual(new Set(others.filter((other) => leadsTo(index, other))));
          expect(descendantsOf(plan, index)).toEqual(new Set(others.filter((other) => leadsTo(other, index))));
        }
      }),
      { numRuns: 500 },
    ));
});
