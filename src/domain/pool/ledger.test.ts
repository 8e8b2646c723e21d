import { describe, expect, it } from 'vitest';
import { copyOf } from '../../../test/support/ledger-snapshot.ts';
import type { AgentEvent, AgentProfile, Health } from '../agent/events.ts';
import type { AttemptError, TaskEvent } from '../task/events.ts';
import type { Assignment, PoolEvent, RoutingReason } from './events.ts';
import { PoolLedger } from './ledger.ts';
import type { LedgerEvent } from './ledger-snapshot.ts';
import { AGEING_STEP_MS } from './ready-queue.ts';
import { DISPATCH_GRACE_MS } from './task-entry.ts';

const START = Date.parse('2026-03-01T12:00:00.000Z');
const iso = (ms: number): string => new Date(START + ms).toISOString();

type Submitted = Extract<TaskEvent, { type: 'TaskSubmitted' }>['data'];
type Profile = Partial<AgentProfile>;

const submitted = (taskId: string, facts: Partial<Submitted> = {}, ms = 0): TaskEvent => ({
  type: 'TaskSubmitted',
  data: {
    taskId,
    pool: 'default',
    capability: 'translate',
    input: null,
    priority: 3,
    strategy: 'least_loaded',
    retry: { kind: 'fixed', maxAttempts: 3, baseMs: 0, factor: 2, maxDelayMs: 0, jitter: 0 },
    timeoutMs: 60_000,
    tags: [],
    submittedAt: iso(ms),
    ...facts,
  },
});
const redriven = (taskId: string, nextAttempt: number, ms: number): TaskEvent => ({
  type: 'TaskRedriven',
  data: {
    taskId,
    pool: 'default',
    capability: 'translate',
    priority: 3,
    strategy: 'least_loaded',
    timeoutMs: 60_000,
    nextAttempt,
    redrivenAt: iso(ms),
  },
});

const TROUBLE: AttemptError = { code: 'AGENT_FAILED', message: 'no', source: 'agent', retryable: true };
const failed = (
  taskId: string,
  attempt: number,
  {
    agentId,
    retryMs,
    failedMs = 0,
    error = TROUBLE,
  }: { agentId?: string; retryMs?: number; failedMs?: number; error?: AttemptError } = {},
): TaskEvent => ({
  type: 'TaskAttemptFailed',
  data: {
    taskId,
    attempt,
    error,
    failedAt: iso(failedMs),
    ...(agentId === undefined ? {} : { agentId }),
    ...(retryMs === undefined ? {} : { retryAt: iso(retryMs) }),
  },
});
const completed = (taskId: string, attempt = 1, agentId = 'a'): TaskEvent => ({
  type: 'TaskCompleted',
  data: { taskId, attempt, agentId, result: null, durationMs: 1, completedAt: iso(0) },
});
const unknown = (taskId: string, agentId = 'a'): TaskEvent => ({
  type: 'TaskOutcomeUnknown',
  data: { taskId, attempt: 1, agentId, error: TROUBLE, occurredAt: iso(0) },
});
const cancelled = (taskId: string): TaskEvent => ({ type: 'TaskCancelled', data: { taskId, cancelledAt: iso(0) } });
const deadLettered = (taskId: string): TaskEvent => ({
  type: 'TaskDeadLettered',
  data: { taskId, reason: 'attempts_exhausted', attempts: 1, error: TROUBLE, deadLetteredAt: iso(0) },
});

const profileWith = (facts: Profile = {}): AgentProfile => ({
  pool: 'default',
  name: 'n',
  capabilities: [{ name: 'translate', version: '1.0.0' }],
  transport: { kind: 'local' },
  maxConcurrency: 10,
  delivery: 'at_least_once',
  labels: {},
  ...facts,
});
const registered = (agentId: string, facts: Profile = {}): AgentEvent => ({
  type: 'AgentRegistered',
  data: { ...profileWith(facts), agentId, registeredAt: iso(0) },
});
const reconfigured = (agentId: string, facts: Profile): AgentEvent => ({
  type: 'AgentReconfigured',
  data: { ...profileWith(facts), agentId, reconfiguredAt: iso(0) },
});
const healthOf = (agentId: string, to: Health): AgentEvent => ({
  type: 'AgentHealthChanged',
  data: { agentId, pool: 'default', from: 'healthy', to, reason: 'r', changedAt: iso(0) },
});
const drainEnded = (agentId: string): AgentEvent => ({
  type: 'AgentDrainEnded',
  data: { agentId, pool: 'default', endedAt: '2026-03-01T12:00:00.000Z' },
});
const draining = (agentId: string, limitMs?: number): AgentEvent => ({
  type: 'AgentDrainStarted',
  data: { agentId, pool: 'default', startedAt: iso(0), ...(limitMs === undefined ? {} : { limitMs }) },
});
const maintained = (agentId: string): AgentEvent => ({
  type: 'AgentMaintenanceStarted',
  data: { agentId, pool: 'default', startedAt: iso(0) },
});
const released = (agentId: string): AgentEvent => ({
  type: 'AgentMaintenanceEnded',
  data: { agentId, pool: 'default', endedAt: iso(0) },
});
const warmedUp = (agentId: string): AgentEvent => ({
  type: 'AgentWarmUpEnded',
  data: { agentId, pool: 'default', by: 'agent', endedAt: iso(0) },
});
const deregistered = (agentId: string): AgentEvent => ({
  type: 'AgentDeregistered',
  data: { agentId, pool: 'default', deregisteredAt: iso(0) },
});

const REASON: RoutingReason = {
  strategy: 'least_loaded',
  strategyVersion: 1,
  eligible: 1,
  candidates: [],
  excluded: {},
  waitedMs: 0,
};
const assigned = (taskId: string, agentId: string, attempt = 1, pool = 'default'): PoolEvent => ({
  type: 'TasksAssigned',
  data: {
    pool,
    assignments: [{ taskId, attempt, agentId, expiresAt: iso(90_000), reason: REASON }],
    assignedAt: iso(0),
  },
});

const ledgerOf = (...events: readonly LedgerEvent[]): PoolLedger => {
  const ledger = new PoolLedger('default');
  for (const event of events) ledger.evolve(event);
  return ledger;
};
const assign = (ledger: PoolLedger, ms = 0, limit = 1_000): Assignment[] => ledger.assign(START + ms, limit);
/** `task→agent` of each decision, in order. */
const routes = (ledger: PoolLedger, ms = 0, limit = 1_000): string[] =>
  assign(ledger, ms, limit).map(({ taskId, agentId }) => `${taskId}→${agentId}`);
const reasonOf = (ledger: PoolLedger, ms = 0): RoutingReason | undefined => assign(ledger, ms, 1)[0]?.reason;

describe('a pool without agents', () => {
  it('keeps its tasks waiting', () => {
    const ledger = ledgerOf(submitted('t1'));
    expect(routes(ledger)).toEqual([]);
    expect([ledger.openTasks, ledger.waiting.size]).toEqual([1, 1]);
  });

  it('assigns them when an agent registers', () => {
    const ledger = ledgerOf(submitted('t1'));
    routes(ledger);
    ledger.evolve(registered('a'));
    expect(routes(ledger)).toEqual(['t1→a']);
  });
});

describe('an agent with a free slot', () => {
  it('gets a task, once', () => {
    const ledger = ledgerOf(registered('a'), submitted('t1'));
    expect(routes(ledger)).toEqual(['t1→a']);
    expect(routes(ledger)).toEqual([]);
    expect([ledger.openTasks, ledger.waiting.size]).toEqual([1, 0]);
  });

  it('gets it with its attempt number, its time limit and how long it waited', () =>
    expect(assign(ledgerOf(registered('a'), submitted('t1', {}, 100)), 350)).toMatchObject([
      {
        taskId: 't1',
        attempt: 1,
        agentId: 'a',
        expiresAt: iso(350 + 60_000 + DISPATCH_GRACE_MS),
        reason: { waitedMs: 250 },
      },
    ]));

  it('is listed in the open assignments, with its transport', () => {
    const a2a = { kind: 'a2a', cardUrl: 'http://localhost/', card: {} } as const;
    const ledger = ledgerOf(registered('a', { transport: a2a }), submitted('t1'), assigned('t1', 'a'));
    expect(ledger.openAssignments()).toEqual([
      { taskId: 't1', attempt: 1, agentId: 'a', transport: 'a2a', expiresMs: START + 90_000 },
    ]);
    expect([ledger.transportOf('a'), ledger.transportOf('b')]).toEqual(['a2a', undefined]);
  });

  it('is still listed there when it is no longer known, so that a dispatcher closes the attempt', () =>
    expect(ledgerOf(submitted('t1'), assigned('t1', 'gone')).openAssignments()).toMatchObject([
      { taskId: 't1', attempt: 1, agentId: 'gone', transport: 'a2a' },
    ]));
});

describe('a task whose last attempt failed', () => {
  it('is not assigned before its dead letter is read', () => {
    const ledger = ledgerOf(registered('a'), submitted('t1'), assigned('t1', 'a'), failed('t1', 1, { agentId: 'a' }));
    expect(routes(ledger, 1_000_000)).toEqual([]);
  });
});

describe('a tick with a limit', () => {
  it('assigns no more than the limit, and the rest in the next tick', () => {
    const ledger = ledgerOf(registered('a'), submitted('t1'), submitted('t2'), submitted('t3'));
    expect(routes(ledger, 0, 2)).toEqual(['t1→a', 't2→a']);
    expect(routes(ledger, 0, 2)).toEqual(['t3→a']);
  });
});

describe('an agent whose slots are taken', () => {
  const full = (): PoolLedger => {
    const ledger = ledgerOf(registered('a', { maxConcurrency: 2 }), submitted('t1'), submitted('t2'), submitted('t3'));
    expect(routes(ledger)).toEqual(['t1→a', 't2→a']);
    return ledger;
  };

  it('gets nothing more', () => expect(routes(full())).toEqual([]));

  it.each<[string, LedgerEvent]>([
    ['a completion', completed('t1')],
    ['an unknown outcome', unknown('t1')],
    ['a cancellation', cancelled('t1')],
    ['a dead letter', deadLettered('t1')],
    ['a failed attempt', failed('t1', 1, { agentId: 'a', retryMs: 100_000 })],
  ])('has a slot again after %s', (_, closing) => {
    const ledger = full();
    ledger.evolve(closing);
    expect(routes(ledger)).toEqual(['t3→a']);
    expect(routes(ledger)).toEqual([]);
  });

  it('gains no slot when the same attempt closes twice', () => {
    const ledger = full();
    ledger.evolve(submitted('t4'));
    for (const closing of [completed('t1'), completed('t1'), cancelled('t1')]) ledger.evolve(closing);
    expect(routes(ledger)).toEqual(['t3→a']);
  });

  it('gains no slot from the failure of an attempt that it does not hold', () => {
    const ledger = full();
    ledger.evolve(failed('t1', 2, { agentId: 'a' }));
    expect(routes(ledger)).toEqual([]);
  });

  it('gets more when its limit is raised, and nothing while it is over a lowered limit', () => {
    const ledger = full();
    ledger.evolve(submitted('t4'));
    ledger.evolve(reconfigured('a', { maxConcurrency: 1 }));
    ledger.evolve(completed('t1'));
    expect(routes(ledger)).toEqual([]);
    ledger.evolve(reconfigured('a', { maxConcurrency: 2 }));
    expect(routes(ledger)).toEqual(['t3→a']);
  });
});

describe('an agent that cannot take the task', () => {
  it.each<[string, LedgerEvent[]]>([
    ['lacks the capability', [registered('a', { capabilities: [{ name: 'draw', version: '1.0.0' }] })]],
    ['offers another version', [registered('a', { capabilities: [{ name: 'translate', version: '2.0.0' }] })]],
    ['offers a prerelease', [registered('a', { capabilities: [{ name: 'translate', version: '1.3.0-rc.1' }] })]],
    ['is unhealthy', [registered('a'), healthOf('a', 'unhealthy')]],
    ['drains', [registered('a'), draining('a')]],
    ['warms up', [registered('a', { warmUpMs: 1_000 })]],
    ['warms up again', [registered('a', { warmUpMs: 1_000 }), warmedUp('a'), registered('a', { warmUpMs: 1_000 })]],
    ['is under maintenance', [registered('a'), maintained('a')]],
    ['has deregistered', [registered('a'), deregistered('a')]],
    ['is in another pool', [registered('a', { pool: 'other' })]],
    ['has moved to another pool', [registered('a'), registered('a', { pool: 'other' })]],
  ])('is excluded when it %s', (_, history) =>
    expect(routes(ledgerOf(...history, submitted('t1', { versionRange: '^1.0.0' })))).toEqual([]),
  );

  it('does not block work that others can do', () => {
    const ledger = ledgerOf(
      registered('a', { capabilities: [{ name: 'draw', version: '1.0.0' }] }),
      submitted('t1', { priority: 1 }),
      submitted('t2', { capability: 'draw', priority: 5 }),
    );
    expect(routes(ledger)).toEqual(['t2→a']);
  });
});

describe('an agent that can take the task', () => {
  it.each<[string, LedgerEvent[]]>([
    ['is only degraded', [registered('a'), healthOf('a', 'degraded')]],
    ['has recovered', [registered('a'), healthOf('a', 'unhealthy'), healthOf('a', 'healthy')]],
    ['has registered again', [registered('a'), deregistered('a'), registered('a')]],
    ['has registered again while it drained', [registered('a'), draining('a'), registered('a')]],
    ['is warm', [registered('a', { warmUpMs: 1_000 }), warmedUp('a')]],
    ['drained while it warmed up', [registered('a', { warmUpMs: 1_000 }), draining('a'), drainEnded('a')]],
    ['is no longer under maintenance', [registered('a'), maintained('a'), released('a')]],
    ['takes work again after it drained', [registered('a'), draining('a'), drainEnded('a')]],
    ['has learned it since', [registered('a', { capabilities: [] }), reconfigured('a', {})]],
    [
      'offers several versions, one of which will do',
      [
        registered('a', {
          capabilities: [
            { name: 'translate', version: '2.0.0' },
            { name: 'translate', version: '1.9.0' },
          ],
        }),
      ],
    ],
  ])('gets it when it %s', (_, history) =>
    expect(routes(ledgerOf(...history, submitted('t1', { versionRange: '^1.0.0' })))).toEqual(['t1→a']),
  );

  it('is chosen even if it could not take the task before', () => {
    const ledger = ledgerOf(registered('a', { capabilities: [{ name: 'draw', version: '1.0.0' }] }), submitted('t1'));
    expect(routes(ledger)).toEqual([]);
    ledger.evolve(reconfigured('a', {}));
    expect(routes(ledger)).toEqual(['t1→a']);
  });
});

describe('a prerelease', () => {
  const rc = registered('a', { capabilities: [{ name: 'translate', version: '1.0.0-rc.1' }] });

  it('serves a task without a range, but not one with the range *', () => {
    const ledger = ledgerOf(rc, submitted('any'), submitted('star', { versionRange: '*' }));
    expect(routes(ledger)).toEqual(['any→a']);
  });

  it('does so in either order', () => {
    const ledger = ledgerOf(rc, submitted('star', { versionRange: '*' }), submitted('any'));
    expect(routes(ledger)).toEqual(['any→a']);
  });
});

describe('tasks of different priority', () => {
  it('are assigned in the order of their priority, and of arrival within it', () => {
    const ledger = ledgerOf(
      registered('a'),
      submitted('low', { priority: 4 }),
      submitted('normal1'),
      submitted('critical', { priority: 1 }),
      submitted('normal2'),
      submitted('high', { priority: 2 }),
    );
    expect(routes(ledger)).toEqual(['critical→a', 'high→a', 'normal1→a', 'normal2→a', 'low→a']);
  });

  it('are compared across capabilities', () => {
    const both = [
      { name: 'translate', version: '1.0.0' },
      { name: 'draw', version: '1.0.0' },
    ];
    const ledger = ledgerOf(
      registered('a', { capabilities: both }),
      submitted('t1', { priority: 4 }),
      submitted('d1', { capability: 'draw', priority: 2 }),
      submitted('t2', { priority: 1 }),
    );
    expect(routes(ledger)).toEqual(['t2→a', 'd1→a', 't1→a']);
  });

  it('age: one level of priority equals a fixed waiting time', () => {
    const waiting = (ms: number): string[] => {
      const later = submitted('critical', { priority: 1 }, ms);
      return routes(ledgerOf(registered('a'), submitted('background', { priority: 5 }), later), ms);
    };
    expect(waiting(4 * AGEING_STEP_MS - 1)).toEqual(['critical→a', 'background→a']);
    expect(waiting(4 * AGEING_STEP_MS + 1)).toEqual(['background→a', 'critical→a']);
  });

  it('never starve: under a flood of critical tasks the background task is served in bounded time', () => {
    const ledger = ledgerOf(registered('a', { maxConcurrency: 1 }), submitted('background', { priority: 5 }));
    let servedAtSecond: number | undefined;
    // Three critical tasks a second for a slot that serves one a second: their queue only grows.
    for (let second = 0; second < 1_000 && servedAtSecond === undefined; second += 1) {
      for (let n = 0; n < 3; n += 1) ledger.evolve(submitted(`c${second}.${n}`, { priority: 1 }, second * 1_000 + n));
      for (const { taskId } of assign(ledger, second * 1_000 + 500, 1)) {
        if (taskId === 'background') servedAtSecond = second;
        ledger.evolve(completed(taskId));
      }
    }
    // What came within four levels' worth of waiting goes first, and nothing else.
    expect(servedAtSecond).toBe((3 * 4 * AGEING_STEP_MS) / 1_000);
  });
});

describe('a task that waits for its retry', () => {
  it('is assigned at its time, and not before', () => {
    const ledger = ledgerOf(registered('a'), submitted('t1'), assigned('t1', 'a'), failed('t1', 1, { retryMs: 5_000 }));
    expect(routes(ledger)).toEqual([]);
    expect(ledger.nextDueMs()).toBe(START + 5_000);
    expect(routes(ledger, 4_999)).toEqual([]);
    expect(assign(ledger, 5_000)).toMatchObject([{ taskId: 't1', attempt: 2, reason: { waitedMs: 0 } }]);
  });

  it('begins to age only then', () => {
    const ledger = ledgerOf(
      registered('a'),
      submitted('t1'),
      assigned('t1', 'a'),
      failed('t1', 1, { retryMs: 10_000 }),
      submitted('t2', {}, 9_000),
    );
    expect(routes(ledger, 20_000)).toEqual(['t2→a', 't1→a']);
  });
});

describe('a task whose attempt failed', () => {
  const history = [registered('a'), registered('b'), submitted('t1'), assigned('t1', 'a')];

  it('goes to an agent that has not failed it', () => {
    const ledger = ledgerOf(...history, failed('t1', 1, { agentId: 'a', retryMs: 0 }));
    expect(assign(ledger)).toMatchObject([
      { agentId: 'b', attempt: 2, reason: { eligible: 1, excluded: { failed_before: 1 } } },
    ]);
  });

  it('goes to that agent again when no other is free', () => {
    const ledger = ledgerOf(...history, failed('t1', 1, { agentId: 'a', retryMs: 0 }), draining('b'));
    const [again] = assign(ledger);
    expect(again).toMatchObject({ agentId: 'a', attempt: 2 });
    expect(again?.reason.excluded).toEqual({ draining: 1 });
  });

  it('takes the agent from the ledger when the failure does not name it', () => {
    const ledger = ledgerOf(...history, failed('t1', 1, { retryMs: 0 }));
    expect(routes(ledger)).toEqual(['t1→b']);
  });

  it('forgets who failed it when it is redriven', () => {
    const ledger = ledgerOf(...history, failed('t1', 1, { agentId: 'a' }), deadLettered('t1'), redriven('t1', 2, 0));
    expect(reasonOf(ledger)?.excluded).toEqual({});
  });
});

describe('the error rate of an agent', () => {
  const prefers = (...outcomes: LedgerEvent[]): string | undefined =>
    assign(ledgerOf(registered('a'), registered('b'), ...outcomes, submitted('next')))[0]?.agentId;
  const held = [submitted('t1'), assigned('t1', 'a')];

  it('counts against it', () => expect(prefers(...held, failed('t1', 1), cancelled('t1'))).toBe('b'));

  it('is not raised by a failure of Baton itself', () =>
    expect(prefers(...held, failed('t1', 1, { error: { ...TROUBLE, source: 'baton' } }), cancelled('t1'))).toBe('a'));

  it('is raised by an unknown outcome', () => expect(prefers(...held, unknown('t1'))).toBe('b'));

  it('is a moving average of outcomes with weight 0.1', () => {
    const ledger = ledgerOf(
      registered('a'),
      ...held,
      failed('t1', 1),
      cancelled('t1'),
      submitted('t2'),
      completed('t2'),
    );
    ledger.evolve(submitted('next'));
    expect(reasonOf(ledger)?.candidates[0]?.score).toBeCloseTo(0.5 * 0.1 * 0.9);
  });

  it('is forgotten with a new registration', () =>
    expect(prefers(...held, failed('t1', 1), cancelled('t1'), registered('a'))).toBe('a'));
});

describe('an assignment in the ledger that does not count', () => {
  const agents = [registered('a', { maxConcurrency: 1 }), registered('b', { maxConcurrency: 1 })];
  /** Whether `a` still has its one slot. */
  const isFree = (...history: LedgerEvent[]): boolean => {
    const ledger = ledgerOf(...agents, ...history, draining('b'), submitted('probe', { priority: 1 }, -1_000_000));
    return routes(ledger).includes('probe→a');
  };

  it('is one of a task that was cancelled before', () =>
    expect(isFree(submitted('t1'), cancelled('t1'), assigned('t1', 'a'))).toBe(true));

  it('is one of an attempt that had closed before', () =>
    expect(isFree(submitted('t1'), failed('t1', 1, { retryMs: 500_000 }), assigned('t1', 'a', 1))).toBe(true));

  it('is a second one of the same attempt', () =>
    expect(isFree(submitted('t1'), assigned('t1', 'b'), assigned('t1', 'a'))).toBe(true));

  it('is one of another pool', () =>
    expect(isFree(submitted('t1', { deadlineAt: iso(-1) }), assigned('t1', 'a', 1, 'other'))).toBe(true));

  it('takes a slot when it is none of these', () => expect(isFree(submitted('t1'), assigned('t1', 'a'))).toBe(false));
});

describe('a pool whose dispatchers have less capacity than its agents', () => {
  const network = { transport: { kind: 'a2a', cardUrl: 'https://a.example/card', card: null } } as const;

  it('gives network agents no more than can be called, and function agents what they can take', () => {
    const ledger = ledgerOf(registered('far', network), registered('near'));
    ledger.places.limit('a2a', 2);
    for (let count = 1; count <= 5; count += 1)
      ledger.evolve(submitted(`t${count}`, { capability: 'translate', strategy: 'round_robin' }));
    const agents = routes(ledger).map((route) => route.split('→')[1]);
    expect(agents.filter((agentId) => agentId === 'far')).toHaveLength(2);
    expect(agents).toHaveLength(5);
  });

  it('assigns the most urgent waiting task when capacity becomes free', () => {
    const ledger = ledgerOf(registered('far', network), submitted('t1'));
    ledger.places.limit('a2a', 1);
    expect(routes(ledger)).toEqual(['t1→far']);
    ledger.evolve(submitted('later'));
    ledger.evolve(submitted('urgent', { priority: 1 }));
    expect(routes(ledger)).toEqual([]);
    ledger.evolve(completed('t1', 1, 'far'));
    expect(routes(ledger)).toEqual(['urgent→far']);
    ledger.places.limit('a2a', undefined);
    expect(routes(ledger)).toEqual(['later→far']);
  });

  it('counts the attempts of an agent where the agent is now', () => {
    const ledger = ledgerOf(registered('a', network), submitted('t1'), assigned('t1', 'a'));
    ledger.places.limit('a2a', 1);
    ledger.evolve(reconfigured('a', {}));
    ledger.evolve(registered('far', network));
    ledger.evolve(submitted('t2'));
    ledger.evolve(draining('a'));
    expect(routes(ledger)).toEqual(['t2→far']);
  });
});

const a = { agentId: 'a', pool: 'default', callsLost: true } as const;

describe.each<[what: string, AgentEvent]>([
  ['that is gone', { type: 'AgentDeregistered', data: { ...a, deregisteredAt: iso(0) } }],
  [
    'that is silent',
    {
      type: 'AgentHealthChanged',
      data: { ...a, from: 'degraded', to: 'unhealthy', reason: 'no heartbeat', changedAt: iso(0) },
    },
  ],
])('an agent %s', (_, lost) => {
  it('has its attempts closed at once', () => {
    const ledger = ledgerOf(registered('a'), submitted('t1'), assigned('t1', 'a'), lost);
    expect(ledger.nextDueMs()).toBe(0);
    expect(ledger.dueTimers(START, 5_000)).toMatchObject([
      { kind: 'attemptExpired', taskId: 't1', attempt: 1, lost: 'gone' },
    ]);
  });

  it('leaves the attempts of others alone', () => {
    const ledger = ledgerOf(registered('a'), registered('b'), submitted('t1'), assigned('t1', 'b'), lost);
    expect(ledger.dueTimers(START, 5_000)).toEqual([]);
  });
});

describe('an agent in reserve', () => {
  const one = { maxConcurrency: 1 };
  const reserve = { ...one, standby: true };
  const tasks = ['t1', 't2', 't3', 't4'].map((taskId) => submitted(taskId));

  it('gets work when no other healthy one is free, before the degraded', () => {
    const agents = [registered('r', reserve), registered('a', one), registered('b', one), registered('z', reserve)];
    const ledger = ledgerOf(...agents, healthOf('a', 'degraded'), healthOf('r', 'degraded'), ...tasks);
    expect(routes(copyOf(ledger))).toEqual(['t1→b', 't2→z', 't3→a', 't4→r']);
    expect(routes(ledger)).toEqual(['t1→b', 't2→z', 't3→a', 't4→r']);
  });

  it('is counted as left out while another is free', () => {
    const ledger = ledgerOf(registered('r', reserve), registered('a', one), submitted('t1'));
    expect(ledger.assign(START, 1)[0]?.reason).toMatchObject({ eligible: 1, excluded: { standby: 1 } });
  });

  it('is called up by a change of its profile, and put back by another', () => {
    const ledger = ledgerOf(registered('a', reserve), registered('b'), reconfigured('a', { ...one, weight: 9 }));
    ledger.evolve(submitted('t1'));
    expect(routes(ledger)).toEqual(['t1→a']);
    ledger.evolve(completed('t1'));
    ledger.evolve(reconfigured('a', reserve));
    ledger.evolve(submitted('t2'));
    expect(routes(ledger)).toEqual(['t2→b']);
  });

  it('gets a task that has failed on the others', () => {
    const ledger = ledgerOf(registered('a'), registered('r', reserve), submitted('t1'), assigned('t1', 'a'));
    ledger.evolve(failed('t1', 1, { agentId: 'a', retryMs: 0 }));
    expect(routes(ledger)).toEqual(['t1→r']);
  });
});

describe('an agent that falls silent', () => {
  const silent: AgentEvent = {
    type: 'AgentHealthChanged',
    data: { ...a, from: 'degraded', to: 'unhealthy', reason: 'no heartbeat', changedAt: iso(0) },
  };

  it('loses also what was assigned to it just before and is in the log just after', () => {
    const ledger = ledgerOf(registered('a'), submitted('t1'), silent, assigned('t1', 'a'));
    expect(copyOf(ledger).dueTimers(START, 5_000)).toMatchObject([{ taskId: 't1', lost: 'gone' }]);
  });

  it('holds what it gets once it is heard again', () => {
    const ledger = ledgerOf(registered('a'), submitted('t1'), silent, healthOf('a', 'healthy'), assigned('t1', 'a'));
    expect(ledger.dueTimers(START, 5_000)).toEqual([]);
  });
});

describe('an agent that drains', () => {
  const holding = (...after: LedgerEvent[]) =>
    ledgerOf(registered('a'), submitted('t1'), assigned('t1', 'a'), ...after);
  const due = (ledger: PoolLedger, ms: number) => ledger.dueTimers(START + ms, 5_000);

  it('keeps what it holds until its limit, and then loses it', () => {
    const ledger = holding(draining('a', 60_000));
    expect(ledger.nextDueMs()).toBe(START + 60_000);
    expect(due(ledger, 59_999)).toEqual([]);
    for (const each of [copyOf(ledger), ledger])
      expect(due(each, 60_000)).toMatchObject([{ kind: 'attemptExpired', taskId: 't1', attempt: 1, lost: 'drained' }]);
    expect(ledger.nextDueMs()).toBe(START + 65_000);
  });

  it.each<[string, LedgerEvent[]]>([
    ['has no limit', [draining('a')]],
    ['takes work again', [draining('a', 60_000), drainEnded('a')]],
    ['has registered again', [draining('a', 60_000), registered('a')]],
  ])('keeps it when it %s', (_, after) => {
    const ledger = holding(...after);
    expect(due(ledger, 60_001)).toEqual([]);
    expect(ledger.nextDueMs()).toBe(START + 90_000);
  });

  it('loses also what was assigned to it before it drained and is in the log after its limit', () => {
    const ledger = ledgerOf(registered('a'), submitted('t1'), draining('a', 1));
    expect(due(ledger, 10)).toEqual([]);
    ledger.evolve(assigned('t1', 'a'));
    expect(due(ledger, 10)).toMatchObject([{ taskId: 't1', lost: 'drained' }]);
  });

  it('has nothing to lose when it finished in time', () => {
    const ledger = holding(draining('a', 60_000), completed('t1'));
    expect(due(ledger, 60_000)).toEqual([]);
    expect(ledger.nextDueMs()).toBeUndefined();
  });
});

describe('an agent that deregisters while it holds attempts', () => {
  const one = { maxConcurrency: 1 };

  it('has no additional slots when it registers again', () => {
    const ledger = ledgerOf(
      registered('a', one),
      submitted('t1'),
      assigned('t1', 'a'),
      deregistered('a'),
      registered('a', one),
    );
    ledger.evolve(submitted('t2'));
    expect(routes(ledger)).toEqual([]);
    ledger.evolve(completed('t1'));
    expect(routes(ledger)).toEqual(['t2→a']);
  });

  it('has no additional slots either when its assignment follows its deregistration in the log', () => {
    const ledger = ledgerOf(
      registered('a', one),
      submitted('t1'),
      deregistered('a'),
      assigned('t1', 'a'),
      registered('a', one),
    );
    ledger.evolve(submitted('t2'));
    ledger.evolve(submitted('t3'));
    expect(routes(ledger)).toEqual([]);
    ledger.evolve(completed('t1'));
    expect(routes(ledger)).toEqual(['t2→a']);
  });

  it('is forgotten once it holds nothing', () => {
    const ledger = ledgerOf(registered('a', one), submitted('t1'), assigned('t1', 'a'), deregistered('a'));
    expect(ledger.snapshot().agents).toHaveLength(1);
    ledger.evolve(completed('t1'));
    expect(ledger.snapshot().agents).toEqual([]);
  });

  it('is forgotten at once when it holds nothing, also when it moves to another pool', () => {
    expect(ledgerOf(registered('a'), deregistered('a')).snapshot().agents).toEqual([]);
    expect(ledgerOf(registered('a'), registered('a', { pool: 'other' })).snapshot().agents).toEqual([]);
  });
});

describe('round robin', () => {
  const agents = [registered('c'), registered('a'), registered('b')];
  const robin = { strategy: 'round_robin' };

  it('rotates over the agents', () => {
    const tasks = ['1', '2', '3', '4', '5'].map((taskId) => submitted(taskId, robin));
    expect(routes(ledgerOf(...agents, ...tasks))).toEqual(['1→a', '2→b', '3→c', '4→a', '5→b']);
  });

  it('continues from the same place in the next tick, and after assignments read from the log', () => {
    const ledger = ledgerOf(...agents, submitted('1', robin), submitted('2', robin), assigned('1', 'a'));
    expect(routes(ledger)).toEqual(['2→b']);
    ledger.evolve(submitted('3', robin));
    expect(routes(ledger)).toEqual(['3→c']);
  });

  it('keeps a separate turn for each kind of work', () => {
    const both = [
      { name: 'translate', version: '1.0.0' },
      { name: 'draw', version: '1.0.0' },
    ];
    const ledger = ledgerOf(
      registered('a', { capabilities: both }),
      registered('b', { capabilities: both }),
      submitted('t1', robin),
      submitted('d1', { ...robin, capability: 'draw' }),
      submitted('t2', robin),
    );
    expect(routes(ledger)).toEqual(['t1→a', 'd1→a', 't2→b']);
  });
});

describe('a task that a rule has routed', () => {
  const rule = { name: 'gold', version: 3, variant: 'new' };

  it('has it in the reason of its assignment, also after a snapshot', () => {
    const routed = submitted('1', { strategy: 'weighted', rule });
    const live = ledgerOf(registered('a'), routed, submitted('2'));
    for (const ledger of [copyOf(live), live]) {
      const decisions = assign(ledger);
      expect(decisions.map(({ reason }) => [reason.strategy, reason.rule])).toEqual([
        ['weighted', rule],
        ['least_loaded', undefined],
      ]);
    }
  });
});

describe('affinity', () => {
  const agents = [registered('a', { maxConcurrency: 2 }), registered('b'), registered('c')];
  const keyed = (taskId: string, affinityKey: string): TaskEvent =>
    submitted(taskId, { strategy: 'affinity', affinityKey });

  it('stays with the agent of the key, also after a snapshot and after the log is read again', () => {
    const events = [...agents, keyed('1', 'k'), keyed('2', 'l')];
    const live = ledgerOf(...events);
    expect(routes(live)).toEqual(['1→a', '2→b']);
    const again = ledgerOf(...events, assigned('1', 'a'), assigned('2', 'b'));
    for (const ledger of [live, copyOf(live), again]) {
      ledger.evolve(completed('1', 1, 'a'));
      ledger.evolve(keyed('3', 'l'));
      ledger.evolve(keyed('4', 'k'));
      expect(routes(ledger)).toEqual(['3→b', '4→a']);
    }
  });

  it('returns to its agent when that was busy for a while', () => {
    const ledger = ledgerOf(...agents, ...['1', '2', '3'].map((taskId) => keyed(taskId, 'k')));
    const decisions = assign(ledger);
    expect(decisions.map(({ agentId, reason }) => [agentId, reason.overflow])).toEqual([
      ['a', undefined],
      ['a', undefined],
      ['b', 'a'],
    ]);
    ledger.evolve(completed('1', 1, 'a'));
    ledger.evolve(keyed('4', 'k'));
    expect(routes(ledger)).toEqual(['4→a']);
  });

  it('keeps the tasks of an execution together without a key', () => {
    const step = (taskId: string): TaskEvent =>
      submitted(taskId, { strategy: 'affinity', executionId: 'e1', unit: taskId });
    expect(routes(ledgerOf(...agents, step('1'), step('2')))).toEqual(['1→a', '2→a']);
  });
});

describe('a degraded agent', () => {
  it('gets work only while no healthy one is free', () => {
    const ledger = ledgerOf(
      registered('a', { maxConcurrency: 5 }),
      healthOf('a', 'degraded'),
      registered('b', { maxConcurrency: 1 }),
      submitted('1'),
      submitted('2'),
    );
    const [first, second] = assign(ledger);
    expect(first).toMatchObject({ agentId: 'b', reason: { excluded: { degraded: 1 } } });
    expect(second).toMatchObject({ agentId: 'a', reason: { excluded: { no_slot: 1 } } });
  });
});

describe('a strategy that this build does not know', () => {
  it('is replaced by least_loaded, and the decision says so', () =>
    expect(reasonOf(ledgerOf(registered('a'), submitted('t1', { strategy: 'psychic' })))).toMatchObject({
      strategy: 'least_loaded',
      strategyVersion: 1,
    }));
});

describe('the reason of a decision', () => {
  it('counts each agent of the pool once', () => {
    const history = [
      registered('able1'),
      registered('able2'),
      registered('able3'),
      registered('able4', { maxConcurrency: 20 }),
      registered('failed'),
      registered('full', { maxConcurrency: 1 }),
      registered('sick'),
      healthOf('sick', 'unhealthy'),
      registered('leaving'),
      draining('leaving'),
      registered('old', { capabilities: [{ name: 'translate', version: '0.9.0' }] }),
      registered('painter', { capabilities: [{ name: 'draw', version: '1.0.0' }] }),
      registered('other', { pool: 'other' }),
      registered('gone'),
      submitted('g', { capability: 'x' }),
      assigned('g', 'gone'),
      deregistered('gone'),
      submitted('f', { capability: 'x' }),
      assigned('f', 'full'),
      submitted('h', { capability: 'x' }),
      assigned('h', 'able4'),
      submitted('t1', { versionRange: '^1.0.0' }),
      assigned('t1', 'failed'),
      failed('t1', 1, { agentId: 'failed', retryMs: 100, error: { ...TROUBLE, source: 'baton' } }),
    ];
    expect(reasonOf(ledgerOf(...history), 350)).toEqual({
      strategy: 'least_loaded',
      strategyVersion: 1,
      eligible: 4,
      candidates: [
        { agentId: 'able1', score: 0, open: 0, terms: { load: 0, errors: 0 } },
        { agentId: 'able2', score: 0, open: 0, terms: { load: 0, errors: 0 } },
        { agentId: 'able3', score: 0, open: 0, terms: { load: 0, errors: 0 } },
        { agentId: 'able4', score: 0.01, open: 1, terms: { load: 0.01, errors: 0 } },
      ],
      excluded: { failed_before: 1, no_slot: 1, unhealthy: 1, draining: 1, version: 1, capability: 1 },
      waitedMs: 250,
    });
  });

  it('shows the load as it was when it was decided', () => {
    const ledger = ledgerOf(registered('a'), submitted('t1'), submitted('t2'));
    expect(assign(ledger).map(({ reason }) => reason.candidates)).toEqual([
      [{ agentId: 'a', score: 0, open: 0, terms: { load: 0, errors: 0 } }],
      [{ agentId: 'a', score: 0.01, open: 1, terms: { load: 0.01, errors: 0 } }],
    ]);
  });
});

describe('the timer of an assigned attempt', () => {
  const ledger = (): PoolLedger => ledgerOf(registered('a'), submitted('t1'), assigned('t1', 'a'));

  it('is due when the attempt expires, and names the attempt and its agent', () => {
    const held = ledger();
    expect(held.nextDueMs()).toBe(START + 90_000);
    expect(held.dueTimers(START + 89_999, 5_000)).toEqual([]);
    expect(held.dueTimers(START + 90_000, 5_000)).toEqual([
      {
        kind: 'attemptExpired',
        taskId: 't1',
        attempt: 1,
        agentId: 'a',
        expiresMs: START + 90_000,
        limitMs: 90_000,
      },
    ]);
  });

  it('is due again after a pause, until something happens', () => {
    const held = ledger();
    held.dueTimers(START + 90_000, 5_000);
    expect(held.dueTimers(START + 94_999, 5_000)).toEqual([]);
    expect(held.nextDueMs()).toBe(START + 95_000);
    expect(held.dueTimers(START + 95_000, 5_000)).toHaveLength(1);
    held.evolve(failed('t1', 1, { retryMs: 200_000 }));
    expect(held.dueTimers(START + 500_000, 5_000)).toEqual([]);
  });

  it('is gone when the task is', () => {
    const held = ledger();
    held.evolve(completed('t1'));
    expect(held.nextDueMs()).toBeUndefined();
  });
});

describe('the deadline of a task', () => {
  const deadlineAt = iso(10_000);

  it('is a timer that says which agent holds the task', () => {
    const ledger = ledgerOf(
      registered('a'),
      submitted('held', { deadlineAt }),
      submitted('waiting', { deadlineAt }),
      assigned('held', 'a'),
    );
    expect(ledger.dueTimers(START + 9_999, 1)).toEqual([]);
    expect(ledger.dueTimers(START + 10_000, 1)).toEqual([
      { kind: 'deadlinePassed', taskId: 'held', heldBy: 'a' },
      { kind: 'deadlinePassed', taskId: 'waiting', heldBy: undefined },
    ]);
  });

  it('comes before a later expiry, and an expiry before a later deadline', () => {
    expect(ledgerOf(submitted('t1', { deadlineAt }), assigned('t1', 'a')).nextDueMs()).toBe(START + 10_000);
    const long = ledgerOf(registered('a'), submitted('t1', { deadlineAt: iso(900_000) }), assigned('t1', 'a'));
    expect(long.dueTimers(START + 90_000, 1)).toMatchObject([{ kind: 'attemptExpired' }]);
  });

  it('prevents a waiting task from being assigned once it has passed', () => {
    const ledger = ledgerOf(
      registered('a'),
      submitted('late', { deadlineAt, priority: 1 }),
      submitted('later', { deadlineAt, priority: 1 }),
      submitted('fine'),
    );
    expect(ledger.dueTimers(START + 10_000, 5_000)).toHaveLength(2);
    expect(routes(ledger, 10_000)).toEqual(['fine→a']);
    expect(ledger.openTasks).toBe(3);
    ledger.evolve(deadLettered('late'));
    ledger.evolve(deadLettered('later'));
    expect([ledger.openTasks, ledger.nextDueMs()]).toEqual([1, START + 10_000 + 60_000 + DISPATCH_GRACE_MS]);
  });

  it('is lifted by a redrive', () => {
    const ledger = ledgerOf(
      registered('a'),
      submitted('t1', { deadlineAt }),
      deadLettered('t1'),
      redriven('t1', 2, 20_000),
    );
    expect(ledger.dueTimers(START + 20_000, 1)).toEqual([]);
    expect(assign(ledger, 20_000)).toMatchObject([{ taskId: 't1', attempt: 2 }]);
  });
});

describe('events of another pool or of an unknown agent', () => {
  it('change nothing', () => {
    const ledger = ledgerOf(registered('a'), submitted('t1', { pool: 'other' }), assigned('t1', 'a', 1, 'other'));
    for (const event of [failed('t1', 1), completed('t1'), cancelled('t1'), healthOf('x', 'unhealthy'), draining('x')])
      ledger.evolve(event);
    expect([ledger.openTasks, ledger.nextDueMs(), routes(ledger)]).toEqual([0, undefined, []]);
  });
});

describe('a task that is redriven', () => {
  it('is open again with the attempt that the redrive names', () => {
    const ledger = ledgerOf(registered('a'), submitted('t1'), assigned('t1', 'a'), unknown('t1'));
    expect(ledger.openTasks).toBe(0);
    ledger.evolve(redriven('t1', 2, 0));
    expect(assign(ledger)).toMatchObject([{ taskId: 't1', attempt: 2, agentId: 'a' }]);
  });
});

describe('a retry that a process whose clock is ahead has recorded', () => {
  const failedAhead = failed('t1', 1, { failedMs: 3_600_000, retryMs: 3_605_000 });
  const afterFailure = () => ledgerOf(registered('a'), submitted('t1'), assigned('t1', 'a'), failedAhead);

  it('waits as long as its policy says, from when the leader sees it', () => {
    const ledger = afterFailure();
    expect(routes(ledger, 100)).toEqual([]);
    expect(ledger.nextDueMs()).toBe(START + 5_100);
    expect(routes(ledger, 5_099)).toEqual([]);
    expect(routes(ledger, 5_100)).toEqual(['t1→a']);
  });

  it('does so when the clock of the leader is set back', () => {
    const late = ledgerOf(registered('a'), submitted('t1'), assigned('t1', 'a'), failed('t1', 1, { retryMs: 5_000 }));
    expect(routes(late)).toEqual([]);
    expect(routes(late, -3_600_000)).toEqual([]);
    expect(routes(late, -3_595_000)).toEqual(['t1→a']);
  });

  it('does so after a change of the leader too', () => {
    const ledger = copyOf(afterFailure());
    expect(routes(ledger, 200)).toEqual([]);
    expect(routes(ledger, 5_200)).toEqual(['t1→a']);
  });
});

describe('a submission by a process whose clock is ahead', () => {
  const AHEAD = 60_000;

  it('is assigned at once, in the order of arrival among the others', () => {
    const ledger = new PoolLedger('default');
    ledger.evolve(registered('a', { maxConcurrency: 5 }));
    for (const event of [submitted('t1', {}, AHEAD), submitted('t2', {}, 0), redriven('t3', 2, AHEAD)])
      ledger.evolve(event);
    expect(ledger.nextDueMs()).toBeLessThanOrEqual(START);
    expect(
      ledger
        .assign(START, 10)
        .map(({ taskId }) => taskId)
        .sort(),
    ).toEqual(['t1', 't2', 't3']);
  });

  it('ages from the time at which it arrived, not from a time to come', () => {
    const ledger = new PoolLedger('default');
    ledger.evolve(registered('a', { maxConcurrency: 1 }));
    ledger.evolve(submitted('ahead', {}, 10 * AHEAD), iso(0));
    ledger.evolve(submitted('later', {}, AGEING_STEP_MS), iso(AGEING_STEP_MS));
    const later = START + AGEING_STEP_MS;
    expect(ledger.assign(later, 10).map(({ taskId }) => taskId)).toEqual(['ahead']);
  });
});

describe('a deadline soon after the attempt has expired', () => {
  it('is due at its time, although the attempt was put off until later', () => {
    const ledger = new PoolLedger('default');
    ledger.evolve(registered('a'));
    ledger.evolve(submitted('t', { timeoutMs: 1_000, deadlineAt: iso(1_000 + DISPATCH_GRACE_MS + 10) }));
    ledger.recorded(ledger.assign(START, 1));
    const expired = START + 1_000 + DISPATCH_GRACE_MS;
    expect(ledger.dueTimers(expired, 5_000).map(({ kind }) => kind)).toEqual(['attemptExpired']);
    expect(ledger.nextDueMs()).toBe(expired + 10);
    expect(ledger.dueTimers(expired + 10, 5_000).map(({ kind }) => kind)).toEqual(['deadlinePassed']);
    expect(ledger.nextDueMs()).toBe(expired + 5_010);
  });
});
