import { performance } from 'node:perf_hooks';
import type { Baton } from '#baton/baton.js';
import { AgentFailure } from '#baton/dispatch/transports/local.js';
import { type Bench, closedLoop, Figures } from './harness.ts';
import { withBaton } from './with-baton.ts';

const IN_FLIGHT = 64;
const SAGAS = 1_000;
const FANOUTS = 200;
const WIDTH = 20;
const WARM_UP = 300;

/** Agents that do nothing; `refuse` says no for good. */
const registerAgents = async (baton: Baton): Promise<void> => {
  const agent = (agentId: string, ...names: string[]) => ({
    agentId,
    capabilities: names.map((name) => ({ name })),
    maxConcurrency: 2_000,
  });
  await baton.agent(agent('worker', 'noop', 'undo'), () => null);
  await baton.agent(agent('refuser', 'refuse'), () => {
    throw new AgentFailure('REFUSED', 'never', { retryable: false });
  });
};

const step = (id: string, after: readonly string[], capability = 'noop') => ({
  id,
  capability,
  dependsOn: [...after],
  compensation: { capability: 'undo' },
});

const NAMES = ['collect', 'validate', 'calculate', 'generate', 'publish'];

/** Five steps one after the other, each with a compensation. */
const saga = (name: string, failing?: string) => ({
  name,
  version: '1.0.0',
  pattern: 'saga',
  tasks: NAMES.map((id, index) =>
    step(id, NAMES.slice(Math.max(0, index - 1), index), id === failing ? 'refuse' : 'noop'),
  ),
});

const fanOut = {
  name: 'fanout',
  version: '1.0.0',
  tasks: [
    { id: 'split', capability: 'noop' },
    ...Array.from({ length: WIDTH }, (_, index) => ({ id: `part${index}`, capability: 'noop', dependsOn: ['split'] })),
    { id: 'join', capability: 'noop', dependsOn: Array.from({ length: WIDTH }, (_, index) => `part${index}`) },
  ],
};

const runOne = async (baton: Baton, workflow: string, expected: string, samples?: number[]): Promise<void> => {
  const startedAt = performance.now();
  const { executionId } = await baton.start({ workflow });
  const { status } = await baton.executions.wait('default', executionId);
  if (status !== expected) throw new Error(`execution ${executionId} ended as ${status}, expected ${expected}`);
  samples?.push(performance.now() - startedAt);
};

const appendCalls = (baton: Baton): number => baton.counters()['appends']!['calls']!;

/** Throughput and latency of a closed loop; gives the seconds that it took. */
const measure = async (
  figures: Figures,
  baton: Baton,
  { workflow, expected, total, prefix }: { workflow: string; expected: string; total: number; prefix: string },
): Promise<number> => {
  const samples: number[] = [];
  const startedAt = performance.now();
  await closedLoop(total, IN_FLIGHT, () => runOne(baton, workflow, expected, samples));
  const seconds = (performance.now() - startedAt) / 1_000;
  figures.addPercentiles(`${prefix}endToEndMs`, samples);
  return seconds;
};

export const sagas: Bench = {
  question: 'How many sagas of five steps end per second, and how many that fail at the fourth step are undone?',
  async run({ runs, say, stores }) {
    const figures = new Figures();
    for (let run = 1; run <= runs; run += 1) {
      say(`run ${run} of ${runs}`);
      await withBaton(stores, async (baton) => {
        await registerAgents(baton);
        await baton.publish(saga('good'));
        await baton.publish(saga('failing', 'generate'));
        await closedLoop(WARM_UP, IN_FLIGHT, () => runOne(baton, 'good', 'completed'));
        const before = appendCalls(baton);
        const good = await measure(figures, baton, {
          workflow: 'good',
          expected: 'completed',
          total: SAGAS,
          prefix: '',
        });
        figures.add('sagasPerS', SAGAS / good, 'sagas/s');
        figures.add('appendCallsPerSaga', (appendCalls(baton) - before) / SAGAS, 'calls');
        await closedLoop(WARM_UP, IN_FLIGHT, () => runOne(baton, 'failing', 'compensated'));
        const failing = await measure(figures, baton, {
          workflow: 'failing',
          expected: 'compensated',
          total: SAGAS,
          prefix: 'failing.',
        });
        figures.add('failing.sagasPerS', SAGAS / failing, 'sagas/s');
      });
    }
    return { runs, figures: figures.spreads(), ratios: {} };
  },
};

export const fanout: Bench = {
  question: `How many workflows of 1, ${WIDTH} side by side, and 1 tasks end per second?`,
  async run({ runs, say, stores }) {
    const figures = new Figures();
    for (let run = 1; run <= runs; run += 1) {
      say(`run ${run} of ${runs}`);
      await withBaton(stores, async (baton) => {
        await registerAgents(baton);
        await baton.publish(fanOut);
        await closedLoop(100, IN_FLIGHT, () => runOne(baton, 'fanout', 'completed'));
        const seconds = await measure(figures, baton, {
          workflow: 'fanout',
          expected: 'completed',
          total: FANOUTS,
          prefix: '',
        });
        figures.add('workflowsPerS', FANOUTS / seconds, 'workflows/s');
        figures.add('tasksPerS', (FANOUTS * (WIDTH + 2)) / seconds, 'tasks/s');
      });
    }
    return { runs, figures: figures.spreads(), ratios: {} };
  },
};
