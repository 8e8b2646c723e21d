import { describe, expect, it } from 'vitest';
import type { AgentState } from './eligibility.ts';
import { OBSTACLES } from './obstacles.ts';
import { WAITING, WAITING_REASONS, type WaitingTask } from './waiting-reasons.ts';
import { explainWaiting } from './why-waiting.ts';

const agent = (agentId: string, facts: Partial<AgentState> = {}): AgentState => ({
  agentId,
  capabilities: [{ name: 'echo', version: '1.4.0' }],
  draining: false,
  health: 'healthy',
  open: 0,
  maxConcurrency: 2,
  ...facts,
});

const explain = (agents: readonly AgentState[], facts: Partial<WaitingTask> = {}) =>
  explainWaiting(
    {
      capability: 'echo',
      versionRange: undefined,
      pool: 'default',
      poolIsLed: true,
      retryAt: undefined,
      submittedAt: '2026-01-01T00:00:00.000Z',
      attempt: 1,
      ...facts,
    },
    agents,
    Date.parse('2026-01-01T00:01:00Z'),
  );

const OPEN = { echo: { state: 'open', held: 0, untilMs: Date.parse('2026-01-01T00:01:30Z') } } as const;

describe('a task that no agent holds', () => {
  it('waits for a leader of its pool, whatever the state of the agents', () => {
    const { reason, message } = explain([], { pool: 'x', poolIsLed: false });
    expect(reason).toBe('pool_not_led');
    expect(message).toContain('no process leads pool x');
  });

  it.each([
    [[{ taskId: 'x', status: 'assigned' }], 'waits for task x (assigned)'],
    [
      [
        { taskId: 'x', status: 'completed' },
        { taskId: 'y', status: 'ready' },
        { taskId: 'z', status: 'dead_lettered' },
      ],
      'waits for task z (dead lettered) and 1 more, which waits until someone redrives or cancels that one',
    ],
    [[{ taskId: 'x', status: undefined }], 'waits for task x'],
    [
      [{ taskId: 'x', status: 'completed' }],
      'the tasks that it depends on have completed: it is ready as soon as its pool has recorded that',
    ],
  ])('waits for the tasks that it depends on before anything else: %j', (dependencies, message) =>
    expect(explain([], { dependencies, poolIsLed: false })).toMatchObject({ reason: 'dependency', message }),
  );

  it('waits for its retry, whatever the state of the agents', () =>
    expect(explain([agent('a')], { retryAt: '2026-01-01T00:02:00.000Z', attempt: 2, poolIsLed: false })).toMatchObject({
      reason: 'retry_delay',
      since: '2026-01-01T00:02:00.000Z',
      free: 1,
    }));

  it.each([
    ['execution_aborting', [], { execution: { executionId: 'e', state: 'aborting' }, unreadable: true }],
    ['stream_unreadable', [], { unreadable: true, execution: { executionId: 'e', state: 'paused' } }],
    ['execution_paused', [], { execution: { executionId: 'e', state: 'paused' }, retryAt: '2026-01-01T00:02:00.000Z' }],
    ['deadline_passed', [], { deadlineAt: '2026-01-01T00:01:00.000Z', retryAt: '2026-01-01T00:02:00.000Z' }],
    ['next_in_turn', [agent('a')], { deadlineAt: '2026-01-01T00:01:00.001Z' }],
    ['pool_paused', [], { poolIsLed: false, pausedPool: { since: '2026-01-01T00:00:00.000Z' } }],
    ['no_agent_with_capability', [], {}],
    ['no_agent_with_capability', [agent('a', { capabilities: [{ name: 'other', version: '1.4.0' }] })], {}],
    ['no_agent_with_version', [agent('a')], { versionRange: '^2.0.0' }],
    ['agents_draining', [agent('a', { draining: true })], {}],
    ['agents_in_maintenance', [agent('a', { maintenance: true }), agent('b', { draining: true })], {}],
    ['agents_warming', [agent('a', { warming: true }), agent('b', { maintenance: true })], {}],
    ['agents_unhealthy', [agent('a', { warming: true }), agent('b', { health: 'unhealthy' })], {}],
    ['agents_unhealthy', [agent('a', { health: 'unhealthy' }), agent('b', { draining: true })], {}],
    ['agents_paused', [agent('a', { pausedUntilMs: 1 }), agent('b', { draining: true })], {}],
    ['agents_breaker_open', [agent('a', { pausedUntilMs: 1 }), agent('b', { circuits: OPEN })], {}],
    ['agents_breaker_open', [agent('a', { circuits: OPEN }), agent('b', { draining: true })], {}],
    ['agents_busy', [agent('a', { circuits: OPEN }), agent('b', { open: 2 })], {}],
    ['next_in_turn', [agent('a', { circuits: { echo: { state: 'half_open', held: 0 } } })], {}],
    ['agents_busy', [agent('a', { open: 2 }), agent('b', { health: 'unhealthy' })], {}],
    ['next_in_turn', [agent('a', { open: 2 }), agent('b', { open: 1 })], { versionRange: '>=1.0.0' }],
  ] as const)('waits because of %s', (reason, agents, task) => expect(explain(agents, task).reason).toBe(reason));

  it('is told when a failing agent is tried next', () =>
    expect(explain([agent('a', { circuits: OPEN })])).toMatchObject({
      breaker: 1,
      message: expect.stringContaining('tries the first of them at 2026-01-01T00:01:30.000Z'),
    }));

  const since = (time: string, until: string) => ({
    misses: 3,
    sinceMs: Date.parse(time),
    untilMs: Date.parse(until),
    error: 'connect ECONNREFUSED 127.0.0.1:9',
  });
  const down = since('2026-01-01T00:00:30.000Z', '2026-01-01T00:01:02.000Z');

  it('says since when no agent can be reached, why, and when the next one is tried', () => {
    const later = since('2026-01-01T00:00:10.000Z', '2026-01-01T00:01:09.000Z');
    const agents = [
      agent('a', { rest: later, restsUntilMs: later.untilMs }),
      agent('b', { rest: down, restsUntilMs: down.untilMs }),
      agent('c', { draining: true }),
    ];
    expect(explain(agents)).toMatchObject({
      reason: 'agents_unreachable',
      message:
        'no able agent can be reached: b since 2026-01-01T00:00:30.000Z (connect ECONNREFUSED 127.0.0.1:9), its next try is at 2026-01-01T00:01:02.000Z',
      unreachable: 2,
      unhealthy: 2,
      free: 0,
    });
  });

  it.each([
    ['agents_unreachable', [agent('a', { rest: down, open: 1 })]],
    ['next_in_turn', [agent('a', { rest: down })]],
    ['agents_busy', [agent('a', { rest: down, restsUntilMs: down.untilMs }), agent('b', { open: 2 })]],
  ] as const)('waits because of %s when some cannot be reached', (reason, agents) =>
    expect(explain(agents).reason).toBe(reason),
  );

  it('is explained by how many agents each obstacle excludes', () =>
    expect(
      explain(
        [
          agent('draining', { draining: true }),
          agent('ill', { health: 'unhealthy' }),
          agent('old', { capabilities: [{ name: 'echo', version: '0.9.0' }] }),
          agent('full', { open: 2 }),
          agent('degraded', { health: 'degraded', open: 2 }),
        ],
        { versionRange: '^1.0.0' },
      ),
    ).toMatchObject({ reason: 'agents_busy', able: 4, draining: 1, unhealthy: 1, busy: 2, free: 0 }));

  it('is told the least that would have to change, and until when that lasts', () => {
    const said = (agents: readonly AgentState[], task: Partial<WaitingTask> = {}) => {
      const { obstacle, unblock, until } = explain(agents, task);
      return [obstacle, unblock, until];
    };
    const retryAt = '2026-01-01T00:02:00.000Z';
    expect(said([], { retryAt })).toEqual(['timer', `nothing: the delay ends at ${retryAt}`, retryAt]);
    expect(said([], { execution: { executionId: 'e', state: 'paused' } })).toEqual([
      'human',
      'resume execution e',
      null,
    ]);
    expect(said([])).toEqual(['no_capable_agent', 'register an agent in pool default that offers echo', null]);
    // The one that comes closest.
    expect(said([agent('c', { open: 2 }), agent('a', { draining: true }), agent('b', { open: 2 })])).toEqual([
      'capacity',
      'let one attempt of agent b end, or raise its maxConcurrency',
      null,
    ]);
    expect(said([agent('a', { draining: true }), agent('b', { circuits: OPEN })])).toEqual([
      'breaker',
      'let a call of agent b for echo succeed',
      '2026-01-01T00:01:30.000Z',
    ]);
  });
});

describe('the table of reasons', () => {
  it('is in the order of their obstacles, each of which has a reason', () => {
    const order = WAITING_REASONS.map((reason) => OBSTACLES.indexOf(WAITING[reason].obstacle));
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(new Set(order).size).toBe(OBSTACLES.length);
  });
});
