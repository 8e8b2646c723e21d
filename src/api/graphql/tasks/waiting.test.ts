import { describe, expect, it } from 'vitest';
import { explainWaiting } from './waiting.ts';

type Situation = Parameters<typeof explainWaiting>[0];
type AgentFacts = Situation['agents'][number];

const agent = (agentId: string, facts: Partial<AgentFacts> = {}): AgentFacts => ({
  agentId,
  capabilities: [{ name: 'echo', version: '1.4.0' }],
  status: 'active',
  health: 'healthy',
  maxConcurrency: 2,
  ...facts,
});

const explain = (agents: AgentFacts[], given: Partial<Situation['task']> = {}, open: Record<string, number> = {}) =>
  explainWaiting({
    task: {
      capability: 'echo',
      versionRange: null,
      pool: 'default',
      retryAt: null,
      submittedAt: '2026-01-01T00:00:00.000Z',
      attempt: 1,
      ...given,
    },
    agents,
    open: (agentId) => open[agentId] ?? 0,
    nowMs: Date.parse('2026-01-01T00:01:00Z'),
  });

describe('a task that no agent has', () => {
  it('waits for its retry, whatever the agents do', () =>
    expect(explain([agent('a')], { retryAt: '2026-01-01T00:02:00.000Z', attempt: 2 })).toMatchObject({
      reason: 'retry_delay',
      since: '2026-01-01T00:02:00.000Z',
      free: 1,
    }));

  it.each([
    ['no_agent_with_capability', [], {}, {}],
    ['no_agent_with_version', [agent('a')], { versionRange: '^2.0.0' }, {}],
    ['agents_draining', [agent('a', { status: 'draining' })], {}, {}],
    ['agents_unhealthy', [agent('a', { health: 'unhealthy' }), agent('b', { status: 'draining' })], {}, {}],
    ['agents_busy', [agent('a'), agent('b', { health: 'unhealthy' })], {}, { a: 2 }],
    ['next_in_turn', [agent('a'), agent('b')], { versionRange: '>=1.0.0' }, { a: 2, b: 1 }],
  ] as const)('waits because of %s', (reason, agents, task, open) =>
    expect(explain([...agents], task, open).reason).toBe(reason),
  );

  it('is told how many agents each obstacle holds back', () =>
    expect(
      explain(
        [
          agent('draining', { status: 'draining' }),
          agent('ill', { health: 'unhealthy' }),
          agent('old', { capabilities: [{ name: 'echo', version: '0.9.0' }] }),
          agent('full'),
          agent('degraded', { health: 'degraded' }),
        ],
        { versionRange: '^1.0.0' },
        { full: 2, degraded: 2 },
      ),
    ).toMatchObject({ reason: 'agents_busy', able: 4, draining: 1, unhealthy: 1, busy: 2, free: 0 }));
});
