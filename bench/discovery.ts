import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { DiscoverAgents } from 'baton-client';
import type { Baton } from '#baton/baton.js';
import { registerAgent } from '#baton/commands/agent/register-agent.js';
import { ServiceType } from '#baton/domain/agent/descriptor.js';
import { AgentIndex } from '#baton/domain/discovery/agent-index.js';
import type { Candidate } from '#baton/domain/discovery/candidate.js';
import { DiscoverAgentsInput } from '#baton/domain/discovery/query.js';
import { connect } from './client.ts';
import { type Bench, Figures, percentile } from './harness.ts';
import { withBaton } from './with-baton.ts';

const AGENTS = 10_000;
const KINDS = 50;
const CAPABILITIES_OF_EACH = 4;
const REGIONS = ['eu-west', 'eu-north', 'us-east', 'us-west', 'ap-south'];
const QUESTIONS = { memory: 2_000, graphql: 300 };
const REGISTERED_AT_ONCE = 64;

const described = (n: number) => ({
  agentId: `agent-${n}`,
  capabilities: Array.from({ length: CAPABILITIES_OF_EACH }, (_, i) => ({
    name: `kind-${(n * 7 + i * 13) % KINDS}`,
    version: `${1 + (n % 3)}.${n % 10}.0`,
  })),
  version: `2.${n % 20}.0`,
  serviceTypes: [ServiceType.options[n % ServiceType.options.length]!],
  tags: [n % 2 === 0 ? 'gpu' : 'cpu', `team-${n % 100}`],
  location: { region: REGIONS[n % REGIONS.length]!, zone: 'abc'[n % 3]! },
  maxConcurrency: 1 + (n % 8),
});

const question = (n: number) => ({
  capabilities: [{ name: `kind-${n % KINDS}`, versionRange: n % 2 === 0 ? '^1.0.0' : '>=2.0.0' }],
  tags: [n % 3 === 0 ? 'gpu' : 'cpu'],
  preferredLocation: { region: REGIONS[n % REGIONS.length]!, zone: 'b' },
});

const CONDITION = {
  health: 'healthy',
  draining: false,
  maintenance: false,
  warming: false,
  open: 0,
  unreachable: false,
  openBreakers: [],
} as const;

const indexOfAll = (): AgentIndex => {
  const index = new AgentIndex();
  for (let n = 0; n < AGENTS; n += 1) index.put({ ...described(n), ...CONDITION, pool: 'default' } satisfies Candidate);
  return index;
};

const inMemory = (index: AgentIndex): number[] =>
  Array.from({ length: QUESTIONS.memory }, (_, n) => {
    const query = DiscoverAgentsInput.parse({ ...question(n), readiness: 'able_now' });
    const startedAt = performance.now();
    index.discover(query, Date.now());
    return performance.now() - startedAt;
  });

const registerAll = async ({ commands }: Baton): Promise<void> => {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let n = next++; n < AGENTS; n = next++)
      await registerAgent(commands, { tenant: 'default', actor: 'bench' }, described(n));
  };
  await Promise.all(Array.from({ length: REGISTERED_AT_ONCE }, worker));
};

const overGraphQL = async (baton: Baton): Promise<number[]> => {
  const client = connect(baton.url!);
  const ask = (n: number) => client.execute(DiscoverAgents, { input: { ...question(n), readiness: 'ABLE_NOW' } });
  const counted = async () => {
    const { discovery } = await client.execute(DiscoverAgents, { input: {} });
    return discovery.total;
  };
  while ((await counted()) < AGENTS) await sleep(100);
  const timesMs: number[] = [];
  for (let n = 0; n < QUESTIONS.graphql; n += 1) {
    const startedAt = performance.now();
    await ask(n);
    timesMs.push(performance.now() - startedAt);
  }
  await client.close();
  return timesMs;
};

export const discovery: Bench = {
  question: 'How long does it take to find agents among 10,000, and to say why the others do not fit?',
  async run({ runs, say, stores }) {
    const figures = new Figures();
    const index = indexOfAll();
    await withBaton(stores, async (baton) => {
      say(`registering ${AGENTS} agents`);
      await registerAll(baton);
      for (let run = 1; run <= runs; run += 1) {
        say(`run ${run} of ${runs}`);
        for (const [way, timesMs] of [
          ['memory', inMemory(index)],
          ['graphql', await overGraphQL(baton)],
        ] as const) {
          figures.add(`${way}.p50Ms`, percentile(timesMs, 50), 'ms');
          figures.add(`${way}.p99Ms`, percentile(timesMs, 99), 'ms');
        }
      }
    });
    return { runs, figures: figures.spreads(), ratios: {} };
  },
};
