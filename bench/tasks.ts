import { performance } from 'node:perf_hooks';
import { accepted, SubmitTask, WatchTasks } from 'baton-client';
import type { Baton } from '#baton/baton.js';
import type { Client } from '#baton/cli/client.js';
import { Tracker } from '#baton/cli/demo/tracker.js';
import { registerAgent } from '#baton/commands/agent/register-agent.js';
import { spawnCarbonAgent } from '#baton/examples/carbon/spawn-agent.js';
import { type Bench, type BenchStores, closedLoop, Figures, openLoop } from './harness.ts';
import { NOOP_AGENT } from './noop-agent.ts';
import { withBaton, withServer } from './with-baton.ts';

const TASKS = 5_000;
const A2A_TASKS = 1_000;
const IN_FLIGHT = 64;
const WARM_UP = 1_000;

const NOOP = { capability: 'noop', input: { n: 1 } };
const FOOTPRINT = { capability: 'footprint', input: { supplier: 'bench', country: 'DEU', kWh: 1_000 } };

type Samples = { readonly submitMs: number[]; readonly endToEndMs: number[] };

/** Submits a task and waits until its completion is recorded. */
export const oneTask = async (
  baton: Baton,
  samples?: Samples,
  dueAt = performance.now(),
  task: object = NOOP,
): Promise<void> => {
  const { taskId } = await baton.submit(task);
  samples?.submitMs.push(performance.now() - dueAt);
  const outcome = await baton.outcomes.wait('default', taskId);
  if (outcome.status !== 'completed') throw new Error(`task ${taskId} ended as ${outcome.status}`);
  samples?.endToEndMs.push(performance.now() - dueAt);
};

const measureClosed = async (
  figures: Figures,
  key: string,
  baton: Baton,
  total: number,
  task: object,
): Promise<void> => {
  const samples: Samples = { submitMs: [], endToEndMs: [] };
  const appendsBefore = baton.counters()['appends']!['calls']!;
  const startedAt = performance.now();
  await closedLoop(total, IN_FLIGHT, () => oneTask(baton, samples, performance.now(), task));
  figures.add(`${key}.tasksPerS`, (total * 1_000) / (performance.now() - startedAt), 'tasks/s');
  figures.addPercentiles(`${key}.submitMs`, samples.submitMs);
  figures.addPercentiles(`${key}.endToEndMs`, samples.endToEndMs);
  if (key === 'inProcess')
    figures.add('appendCallsPerTask', (baton.counters()['appends']!['calls']! - appendsBefore) / total, 'calls');
};

const measureOpen = async (figures: Figures, baton: Baton): Promise<void> => {
  const samples: Samples = { submitMs: [], endToEndMs: [] };
  await openLoop(50, 20, (_, dueAt) => oneTask(baton, samples, dueAt));
  figures.addPercentiles('rate50.endToEndMs', samples.endToEndMs);
};

/** Submits by mutation from this process and hears of completions by one subscription. */
const overGraphql = async (client: Client, total: number): Promise<Tracker> => {
  const tracker = new Tracker();
  const listening = new AbortController();
  const waiting = new Map<string, () => void>();
  const listen = async (): Promise<void> => {
    const variables = { types: ['TaskCompleted'] };
    for await (const { tasksChanged } of client.subscribe(WatchTasks, variables, { signal: listening.signal }))
      for (const { taskId } of tasksChanged.changes) {
        tracker.heard(taskId, performance.now());
        waiting.get(taskId)?.();
        waiting.set(taskId, () => {});
      }
  };
  const listener = listen();
  await closedLoop(total, IN_FLIGHT, async () => {
    const calledAt = performance.now();
    const { id } = accepted(await client.execute(SubmitTask, { input: NOOP }));
    tracker.submitted(id, calledAt, performance.now());
    if (!waiting.has(id)) await new Promise<void>((resolve) => waiting.set(id, resolve));
  });
  listening.abort();
  await listener;
  return tracker;
};

const measureGraphql = (figures: Figures, stores: BenchStores): Promise<void> =>
  withServer(stores, async (client) => {
    await overGraphql(client, WARM_UP);
    const { submitMs, endToEndMs, spanMs } = (await overGraphql(client, TASKS)).times();
    figures.add('graphql.tasksPerS', (TASKS * 1_000) / spanMs, 'tasks/s');
    figures.addPercentiles('graphql.submitMs', submitMs);
    figures.addPercentiles('graphql.endToEndMs', endToEndMs);
  });

const measureA2a = async (figures: Figures, baton: Baton): Promise<void> => {
  const agent = await spawnCarbonAgent('calculator');
  try {
    const caller = { tenant: 'default', actor: 'bench' };
    await registerAgent(baton.commands, caller, { agentId: 'a2a', cardUrl: agent.cardUrl, maxConcurrency: IN_FLIGHT });
    await closedLoop(100, IN_FLIGHT, () => oneTask(baton, undefined, undefined, FOOTPRINT));
    await measureClosed(figures, 'a2a', baton, A2A_TASKS, FOOTPRINT);
  } finally {
    await agent.stop();
  }
};

export const tasks: Bench = {
  question: 'How fast are tasks, from submission to recorded completion?',
  async run({ runs, say, stores }) {
    const figures = new Figures();
    for (let run = 1; run <= runs; run += 1) {
      say(`run ${run} of ${runs}`);
      await withBaton(stores, async (baton) => {
        await baton.agent(NOOP_AGENT, () => null);
        await closedLoop(WARM_UP, IN_FLIGHT, () => oneTask(baton));
        await measureClosed(figures, 'inProcess', baton, TASKS, NOOP);
        await measureOpen(figures, baton);
        await measureA2a(figures, baton);
        figures.add('fellBehind', baton.counters()['logFeed']!['fellBehind']!, 'times');
      });
      await measureGraphql(figures, stores);
    }
    return { runs, figures: figures.spreads(), ratios: {} };
  },
};
