import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { type Baton, startBaton } from '../src/main.ts';
import { readConfig } from '../src/platform/config.ts';
import { type Bench, closedLoop, Figures, openLoop } from './harness.ts';

const TASKS = 5_000;
const IN_FLIGHT = 64;
const WARM_UP = 500;
export const NOOP_AGENT = { agentId: 'noop', capabilities: [{ name: 'noop' }], maxConcurrency: 1_000 };

/** A Baton of its own in a temporary folder, durable settings, all roles in this process, its stores as children. */
export const withBaton = async <Value>(
  run: (baton: Baton) => Promise<Value>,
  env: Record<string, string> = {},
): Promise<Value> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'baton-bench-'));
  const baton = await startBaton(
    readConfig({ BATON_DATA_DIR: dataDir, BATON_PORT: '0', BATON_LOG_LEVEL: 'warn', ...env }),
  );
  try {
    return await run(baton);
  } finally {
    await baton.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
};

type Samples = { readonly submitMs: number[]; readonly endToEndMs: number[] };

/** Submits a no-op task and waits until its completion is recorded. */
export const oneTask = async (baton: Baton, samples?: Samples, dueAt = performance.now()): Promise<void> => {
  const { taskId } = await baton.submit({ capability: 'noop', input: { n: 1 } });
  samples?.submitMs.push(performance.now() - dueAt);
  const outcome = await baton.outcomes.wait('default', taskId);
  if (outcome.status !== 'completed') throw new Error(`task ${taskId} ended as ${outcome.status}`);
  samples?.endToEndMs.push(performance.now() - dueAt);
};

const measureClosed = async (figures: Figures, baton: Baton): Promise<void> => {
  const samples: Samples = { submitMs: [], endToEndMs: [] };
  const startedAt = performance.now();
  await closedLoop(TASKS, IN_FLIGHT, () => oneTask(baton, samples));
  figures.add('inProcess.tasksPerS', (TASKS * 1_000) / (performance.now() - startedAt), 'tasks/s');
  figures.addPercentiles('inProcess.submitMs', samples.submitMs);
  figures.addPercentiles('inProcess.endToEndMs', samples.endToEndMs);
};

const measureOpen = async (figures: Figures, baton: Baton): Promise<void> => {
  const samples: Samples = { submitMs: [], endToEndMs: [] };
  await openLoop(50, 20, (_, dueAt) => oneTask(baton, samples, dueAt));
  figures.addPercentiles('rate50.endToEndMs', samples.endToEndMs);
};

export const tasks: Bench = {
  question: 'How fast are no-op tasks, from submission to recorded completion?',
  async run({ runs, say }) {
    const figures = new Figures();
    for (let run = 1; run <= runs; run += 1) {
      say(`run ${run} of ${runs}`);
      await withBaton(async (baton) => {
        await baton.agent(NOOP_AGENT, () => null);
        await closedLoop(WARM_UP, IN_FLIGHT, () => oneTask(baton));
        await measureClosed(figures, baton);
        await measureOpen(figures, baton);
      });
    }
    return { runs, figures: figures.spreads(), ratios: {} };
  },
};
