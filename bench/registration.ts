import { performance } from 'node:perf_hooks';
import { accepted, RegisterAgent, RegisterAgents } from 'baton-client';
import type { Client } from '#baton/cli/client.js';
import { type Bench, Figures, percentile } from './harness.ts';
import { withServer } from './with-baton.ts';

const SINGLE = { agents: 1_500, atOnce: 75 };
const BULK = { agents: 10_000, perCall: 1_000 };

const described = (agentId: string) => ({
  agentId,
  capabilities: [
    { name: 'footprint', version: '1.2.0', confidence: 0.9, specialisations: ['steel'] },
    { name: 'report', version: '2.0.0' },
  ],
  version: '2.1.0',
  serviceTypes: ['COMPUTATION' as const],
  tags: ['gpu', 'carbon'],
  location: { region: 'eu-west', zone: 'b' },
  weight: 1.5,
  maxConcurrency: 8,
});

/** Registrations one by one, `atOnce` of them under way. */
const oneByOne = async (client: Client, run: number): Promise<number[]> => {
  const timesMs: number[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let n = next++; n < SINGLE.agents; n = next++) {
      const startedAt = performance.now();
      accepted(await client.execute(RegisterAgent, { input: described(`single-${run}-${n}`) }));
      timesMs.push(performance.now() - startedAt);
    }
  };
  await Promise.all(Array.from({ length: SINGLE.atOnce }, worker));
  return timesMs;
};

const inBulk = async (client: Client, run: number): Promise<number> => {
  const startedAt = performance.now();
  for (let from = 0; from < BULK.agents; from += BULK.perCall) {
    const agents = Array.from({ length: BULK.perCall }, (_, n) => ({ agent: described(`bulk-${run}-${from + n}`) }));
    const { items } = (await client.execute(RegisterAgents, { agents })).registerAgents;
    if (items.some(({ error }) => error !== null)) throw new Error('an agent of the list was refused');
  }
  return (performance.now() - startedAt) / 1_000;
};

export const registration: Bench = {
  question: 'How long does it take to register agents over GraphQL, one by one and in bulk?',
  async run({ runs, say, stores }) {
    const figures = new Figures();
    for (let run = 1; run <= runs; run += 1) {
      say(`run ${run} of ${runs}`);
      const measure = async (client: Client): Promise<void> => {
        await oneByOne(client, 0);
        const timesMs = await oneByOne(client, run);
        figures.add('p50Ms', percentile(timesMs, 50), 'ms');
        figures.add('p95Ms', percentile(timesMs, 95), 'ms');
        figures.add('bulk10000S', await inBulk(client, run), 's');
      };
      await withServer(stores, measure, { connections: SINGLE.atOnce, timeoutMs: 120_000 });
    }
    return { runs, figures: figures.spreads(), ratios: {} };
  },
};
