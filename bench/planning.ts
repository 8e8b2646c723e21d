import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { planGraph } from '#baton/domain/planning/graph.js';
import type { GraphNode } from '#baton/domain/planning/read-graph.js';
import { type Bench, Figures, median, round } from './harness.ts';

const SEED = 20_260_301;
const EDGES_PER_NODE = 3;
const RECORDED = process.env['WFINSTANCES_DIR'] ?? '../shared/data/wfinstances';

/** Plans per figure and run, for graphs of about this size. */
const PLANS = { small: 101, large: 25, huge: 9 };

/** Park and Miller's generator, in (0, 1). */
const randomOf = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
};

/** Nodes that depend on three earlier ones, drawn from all of them, and take up to a minute. As parsed, which is how definitions come. */
const generate = (size: number): GraphNode[] => {
  const random = randomOf(SEED);
  const nodes = Array.from({ length: size }, (_, index): GraphNode => {
    const dependsOn = new Set<string>();
    while (dependsOn.size < Math.min(EDGES_PER_NODE, index)) dependsOn.add(`node-${Math.floor(random() * index)}`);
    return { id: `node-${index}`, dependsOn: [...dependsOn], estimateMs: Math.ceil(random() * 60_000) };
  });
  return JSON.parse(JSON.stringify(nodes));
};

/** What is read of WfFormat 1.5. */
type Recorded = {
  readonly workflow: {
    readonly specification: { readonly tasks: readonly { readonly id: string; readonly parents: readonly string[] }[] };
    readonly execution: { readonly tasks: readonly { readonly id: string; readonly runtimeInSeconds: number }[] };
  };
};

const nodesOf = ({ workflow: { specification, execution } }: Recorded): GraphNode[] => {
  const seconds = new Map(execution.tasks.map(({ id, runtimeInSeconds }) => [id, runtimeInSeconds]));
  return specification.tasks.map(({ id, parents }) => ({
    id,
    dependsOn: parents,
    estimateMs: (seconds.get(id) ?? 0) * 1_000,
  }));
};

const recordedGraphs = async (say: (line: string) => void): Promise<Map<string, GraphNode[]>> => {
  const graphs = new Map<string, GraphNode[]>();
  const files = await readdir(RECORDED).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    say(`recorded graphs are left out: there is no ${RECORDED} (WFINSTANCES_DIR)`);
    return [];
  });
  for (const file of files.filter((name) => name.endsWith('.json')).sort())
    graphs.set(file.replace(/\.json$/, ''), nodesOf(JSON.parse(await readFile(join(RECORDED, file), 'utf8'))));
  return graphs;
};

const timeMs = (nodes: readonly GraphNode[]): number => {
  const startedAt = performance.now();
  const planned = planGraph(nodes);
  const tookMs = performance.now() - startedAt;
  if (!planned.ok) throw new Error(planned.rejection.issues[0]?.message);
  return tookMs;
};

/** The median of `plans`, after a fifth as many that do not count. */
const planMs = (nodes: readonly GraphNode[], plans: number): number => {
  const timesMs = Array.from({ length: Math.ceil(plans * 1.2) }, () => timeMs(nodes));
  return median(timesMs.slice(-plans));
};

export const planning: Bench = {
  question: 'How long does validating and planning a graph take?',
  async run({ runs, say }) {
    const figures = new Figures();
    const ratios: number[] = [];
    const [of1k, of10k, of100k] = [generate(1_000), generate(10_000), generate(100_000)];
    const recorded = await recordedGraphs(say);
    for (let run = 1; run <= runs; run += 1) {
      say(`run ${run} of ${runs}`);
      figures.add('plan1000Ms', planMs(of1k, PLANS.small), 'ms');
      const for10kMs = planMs(of10k, PLANS.large);
      const for100kMs = planMs(of100k, PLANS.huge);
      figures.add('plan10000Ms', for10kMs, 'ms');
      figures.add('plan100000Ms', for100kMs, 'ms');
      ratios.push(for100kMs / for10kMs);
      for (const [name, nodes] of recorded) figures.add(`plan.${name}Ms`, planMs(nodes, PLANS.small), 'ms');
    }
    return { runs, figures: figures.spreads(), ratios: { time100kOver10k: round(median(ratios)) } };
  },
};
