import fc from 'fast-check';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { discoverInReadModels } from '../../src/api/reads/discovery.ts';
import { Reads } from '../../src/api/reads/reads.ts';
import { changeAgentHealth } from '../../src/commands/agent/change-agent-health.ts';
import { deregisterAgent } from '../../src/commands/agent/deregister-agent.ts';
import { drainAgent } from '../../src/commands/agent/drain-agent.ts';
import { startMaintenance } from '../../src/commands/agent/maintain-agent.ts';
import { registerAgent } from '../../src/commands/agent/register-agent.ts';
import { completeAttempt, failAttempt } from '../../src/commands/task/close-attempt.ts';
import { submitTask } from '../../src/commands/task/submit-task.ts';
import { DiscoverAgentsInput, READINESS } from '../../src/domain/discovery/query.ts';
import { LEFT_OUT } from '../../src/domain/discovery/rules.ts';
import { type ApiWithReadModels, startApiWithReadModels } from '../support/api-setup.ts';

const caller = { tenant: 'default', actor: 'test' };
const NAMES = ['read', 'write', 'draw'] as const;
const TAGS = ['gpu', 'cpu'] as const;
const AGENTS = 48;
const MISSED = {
  code: 'AGENT_UNREACHABLE',
  message: 'refused',
  source: 'destination',
  retryable: true,
  notSent: true,
} as const;

const BUSY = { code: 'AGENT_BUSY', message: 'busy', source: 'agent', retryable: true } as const;

let api: ApiWithReadModels;
beforeAll(async () => {
  api = await startApiWithReadModels();
  await makeFleet();
});
afterAll(() => api.stop());

const location = fc.record(
  { region: fc.constantFrom('eu', 'us'), zone: fc.constantFrom('a', 'b') },
  { requiredKeys: ['region'] },
);
const version = fc.constantFrom('1.0.0', '1.2.0', '2.0.0');
const described = fc.record(
  {
    capabilities: fc.array(fc.record({ name: fc.constantFrom(...NAMES), version }), { minLength: 1, maxLength: 3 }),
    pool: fc.constantFrom('default', 'other'),
    version,
    serviceTypes: fc.subarray(['analysis', 'storage']),
    tags: fc.subarray([...TAGS]),
    location,
    maxConcurrency: fc.constantFrom(1, 2),
  },
  { requiredKeys: ['capabilities'] },
);

/** What has happened to an agent: each in turn. */
const FATES = [
  'nothing',
  'degraded',
  'unhealthy',
  'drains',
  'maintained',
  'warms up',
  'gone',
  'holds one',
  'missed',
  'missed, then answered',
  'asks for a pause',
  'its breaker opens',
] as const;

const CALLED: ReadonlySet<string> = new Set(['holds one', 'missed', 'missed, then answered', 'asks for a pause']);

const meet = async (agentId: string, fate: (typeof FATES)[number]): Promise<void> => {
  const { commands } = api;
  if (fate === 'degraded' || fate === 'unhealthy')
    await changeAgentHealth(commands, caller, agentId, { to: fate, reason: 'r' });
  if (fate === 'maintained') await startMaintenance(commands, caller, agentId);
  if (fate === 'drains') await drainAgent(commands, caller, agentId);
  if (fate === 'gone') await deregisterAgent(commands, caller, agentId);
  if (fate === 'its breaker opens') {
    for (const capability of ['write', 'read']) await api.changeBreaker(agentId, capability, 'open');
    await api.changeBreaker(agentId, 'write', 'half_open');
  }
  if (!CALLED.has(fate)) return;
  const submitted = await submitTask(commands, caller, {
    capability: 'read',
    retry: { kind: 'immediate', maxAttempts: 9 },
  });
  if (!submitted.ok) throw new Error(submitted.rejection.reason);
  const taskId = submitted.value.id;
  await api.assign([{ taskId, agentId }]);
  if (fate === 'holds one') return;
  const attempt = { taskId, attempt: 1, agentId };
  if (fate === 'asks for a pause')
    return void (await failAttempt(commands, caller, attempt, { error: BUSY, durationMs: 1, retryAfterMs: 3_600_000 }));
  await failAttempt(commands, caller, attempt, { error: MISSED, durationMs: 1 });
  if (fate !== 'missed, then answered') return;
  await api.assign([{ taskId, attempt: 2, agentId }]);
  await completeAttempt(commands, caller, { taskId, attempt: 2, agentId }, { result: 1, durationMs: 1 });
};

const makeFleet = async (): Promise<void> => {
  for (const [n, profile] of fc.sample(described, AGENTS).entries()) {
    const agentId = `agent-${n}`;
    const fate = FATES[n % FATES.length] ?? 'nothing';
    const warmUp = fate === 'warms up' ? { warmUpMs: 3_600_000 } : {};
    await registerAgent(api.commands, caller, { agentId, ...profile, ...warmUp });
    await meet(agentId, fate);
  }
};

const question = fc.record(
  {
    pool: fc.constantFrom('default', 'other'),
    capabilities: fc.array(
      fc.record(
        { name: fc.constantFrom(...NAMES), versionRange: fc.constantFrom('^1.0.0', '>=2') },
        { requiredKeys: ['name'] },
      ),
      { maxLength: 2 },
    ),
    serviceTypes: fc.subarray(['analysis', 'storage']),
    tags: fc.subarray([...TAGS]),
    agentVersion: fc.constantFrom('^1.0.0', '>=1.2.0'),
    preferredLocation: location,
    minHealth: fc.constantFrom(0, 0.5, 1),
    readiness: fc.constantFrom(...READINESS),
    limit: fc.constantFrom(1, 5, 100),
  },
  { requiredKeys: [] },
);

it('memory and read models give the same answer to any question about any fleet', async () => {
  const head = await api.store.head();
  const everything = DiscoverAgentsInput.parse({ minHealth: 0, limit: 100 });
  await vi.waitFor(() => expect(api.fleet.discover(everything, head)).toBeDefined(), 20_000);
  const reads = new Reads(api.readSide, 'default');
  reads.atLeast(head);
  expect((await discoverInReadModels(reads, everything, Date.now())).discovery.total).toBe(
    AGENTS - AGENTS / FATES.length,
  );
  const reasons = new Set<string>();
  await fc.assert(
    fc.asyncProperty(question, async (asked) => {
      const query = DiscoverAgentsInput.parse(asked);
      const answer = api.fleet.discover(query)?.discovery;
      for (const { reason } of answer?.leftOut ?? []) reasons.add(reason);
      expect((await discoverInReadModels(reads, query, Date.now())).discovery).toEqual(answer);
    }),
    { numRuns: 100 },
  );
  expect(reasons.size).toBe(LEFT_OUT.length);
});
