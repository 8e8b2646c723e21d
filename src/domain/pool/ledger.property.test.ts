import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { copyOf } from '../../../test/support/ledger-snapshot.ts';
import type { AgentEvent } from '../agent/events.ts';
import type { TaskEvent } from '../task/events.ts';
import type { Assignment } from './events.ts';
import { PoolLedger } from './ledger.ts';
import type { LedgerEvent } from './ledger-snapshot.ts';
import { Recomputation, type Recomputed } from './recomputation.ts';

const START = Date.parse('2026-03-01T12:00:00.000Z');
const CAPABILITIES = ['translate', 'draw'];
const AGENTS = ['a', 'b', 'c'];

/** One step of the world around a pool. `pick` chooses among what is there; steps that find nothing do nothing. */
type Step =
  | {
      readonly kind: 'submit';
      readonly capability: number;
      readonly priority: number;
      readonly robin: boolean;
      readonly ranged: boolean;
      readonly deadlineMs: number | undefined;
    }
  | { readonly kind: 'register' | 'reconfigure'; readonly agent: number; readonly max: number; readonly both: boolean }
  | { readonly kind: 'health'; readonly agent: number; readonly to: 'healthy' | 'unhealthy' }
  | { readonly kind: 'drain' | 'deregister'; readonly agent: number }
  | {
      readonly kind: 'close';
      readonly pick: number;
      readonly how: 'complete' | 'retry' | 'park' | 'lose';
      readonly delayMs: number;
    }
  | { readonly kind: 'cancel' | 'redrive'; readonly pick: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'decide'; readonly limit: number }
  | { readonly kind: 'append' | 'loseAppend' }
  | { readonly kind: 'restart'; readonly from: 'log' | 'snapshot' };

const agent = fc.nat(AGENTS.length - 1);
const pick = fc.nat(20);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('submit' as const),
      capability: fc.nat(1),
      priority: fc.integer({ min: 1, max: 5 }),
      robin: fc.boolean(),
      ranged: fc.boolean(),
      deadlineMs: fc.option(fc.integer({ min: 1, max: 60_000 }), { nil: undefined, freq: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('register' as const, 'reconfigure' as const),
      agent,
      max: fc.integer({ min: 1, max: 3 }),
      both: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('health' as const),
      agent,
      to: fc.constantFrom('healthy' as const, 'unhealthy' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('drain' as const, 'deregister' as const), agent }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('close' as const),
      pick,
      how: fc.constantFrom('complete' as const, 'retry' as const, 'park' as const, 'lose' as const),
      delayMs: fc.constantFrom(0, 1_000, 30_000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('cancel' as const, 'redrive' as const), pick }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1_000, 30_000) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('decide' as const), limit: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('append' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('loseAppend' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('restart' as const),
      from: fc.constantFrom('log' as const, 'snapshot' as const),
    }),
  },
);

type TaskModel = {
  readonly facts: Extract<TaskEvent, { type: 'TaskSubmitted' }>['data'];
  status: 'open' | 'parked' | 'lost' | 'over';
  attempt: number;
  readyMs: number;
  deadlineMs: number | undefined;
  holder: string | undefined;
};
type AgentModel = {
  capabilities: string[];
  max: number;
  status: 'active' | 'draining' | 'gone';
  healthy: boolean;
};
type InFlight = { readonly assignment: Assignment; readonly max: number };

const ELECTED: LedgerEvent = {
  type: 'PoolWriterElected',
  data: { pool: 'default', writerId: 'w', electedAt: new Date(START).toISOString() },
};

/**
 * The log, what is true of it by a model of its own, and the assigner's ledger: live, and `twins` that were restored from snapshots of it
 * and must not be told apart from it. An append of assignments may be under way while other events reach the log before it.
 */
class World {
  /** The position of an event is its index. */
  readonly log: LedgerEvent[] = [ELECTED];
  readonly tasks = new Map<string, TaskModel>();
  readonly agents = new Map<string, AgentModel>();
  readonly decisions: Assignment[] = [];
  live = new PoolLedger('default');
  #twins: PoolLedger[] = [];
  #inFlight: InFlight[] = [];
  /** What the decisions in flight had read, and when they were made. */
  #readTo = 0;
  #decidedAt = '';
  #nowMs = START;

  run(steps: readonly Step[]): this {
    for (const next of steps) {
      this.#take(next);
      this.#expireOverdue();
    }
    return this;
  }

  #take(next: Step): void {
    switch (next.kind) {
      case 'submit':
        this.#submit(next);
        break;
      case 'register':
      case 'reconfigure':
        this.#configure(next);
        break;
      case 'health':
      case 'drain':
      case 'deregister':
        this.#changeAgent(next);
        break;
      case 'close':
        this.#close(next);
        break;
      case 'cancel':
        this.#cancel(next.pick);
        break;
      case 'redrive':
        this.#redrive(next.pick);
        break;
      case 'wait':
        this.#nowMs += next.ms;
        break;
      case 'decide':
        this.#decide(next.limit);
        break;
      case 'append':
        this.#append();
        break;
      case 'loseAppend':
        if (this.#inFlight.length > 0) this.#replay();
        break;
      case 'restart':
        if (next.from === 'log') this.#replay();
        else this.#restore();
    }
  }

  #iso(ms = this.#nowMs): string {
    return new Date(ms).toISOString();
  }

  /** Appended and seen by the assigner at once. */
  #record(event: LedgerEvent): void {
    const stored = JSON.parse(JSON.stringify(event)) as LedgerEvent;
    this.log.push(stored);
    for (const ledger of [this.live, ...this.#twins]) ledger.evolve(stored);
  }

  #chosen(pick: number, wanted: (task: TaskModel) => boolean): TaskModel | undefined {
    const found = [...this.tasks.values()].filter(wanted);
    return found[pick % Math.max(1, found.length)];
  }

  #submit({ capability, priority, robin, ranged, deadlineMs }: Extract<Step, { kind: 'submit' }>): void {
    const taskId = `t${this.tasks.size}`;
    const deadline = deadlineMs === undefined ? undefined : this.#nowMs + deadlineMs;
    const facts: TaskModel['facts'] = {
      taskId,
      pool: 'default',
      capability: CAPABILITIES[capability] as string,
      input: null,
      priority,
      strategy: robin ? 'round_robin' : 'least_loaded',
      retry: { kind: 'fixed', maxAttempts: 3, baseMs: 0, factor: 2, maxDelayMs: 0, jitter: 0 },
      timeoutMs: 60_000,
      tags: [],
      submittedAt: this.#iso(),
      ...(ranged ? { versionRange: '^1.0.0' } : {}),
      ...(deadline === undefined ? {} : { deadlineAt: this.#iso(deadline) }),
    };
    const model = {
      facts,
      status: 'open' as const,
      attempt: 1,
      readyMs: this.#nowMs,
      deadlineMs: deadline,
      holder: undefined,
    };
    this.tasks.set(taskId, model);
    this.#record({ type: 'TaskSubmitted', data: facts });
  }

  #configure({ kind, agent, max, both }: Extract<Step, { max: number }>): void {
    const agentId = AGENTS[agent] as string;
    const known = this.agents.get(agentId);
    if (kind === 'reconfigure' && (!known || known.status === 'gone')) return;
    const capabilities = both ? CAPABILITIES : CAPABILITIES.slice(0, 1);
    if (known && kind === 'reconfigure') Object.assign(known, { capabilities, max });
    else this.agents.set(agentId, { capabilities, max, status: 'active', healthy: true });
    const data = {
      agentId,
      pool: 'default',
      name: 'n',
      capabilities: capabilities.map((name) => ({ name, version: '1.1.0' })),
      transport: { kind: 'local' as const },
      maxConcurrency: max,
      delivery: 'at_least_once' as const,
      labels: {},
    };
    this.#record(
      kind === 'register'
        ? { type: 'AgentRegistered', data: { ...data, registeredAt: this.#iso() } }
        : { type: 'AgentReconfigured', data: { ...data, reconfiguredAt: this.#iso() } },
    );
  }

  #changeAgent(next: Extract<Step, { kind: 'health' | 'drain' | 'deregister' }>): void {
    const agentId = AGENTS[next.agent] as string;
    const known = this.agents.get(agentId);
    if (!known || known.status === 'gone') return;
    const subject = { agentId, pool: 'default' };
    const events: Record<typeof next.kind, AgentEvent> = {
      health: {
        type: 'AgentHealthChanged',
        data: {
          ...subject,
          from: 'healthy',
          to: 'to' in next ? next.to : 'healthy',
          reason: 'r',
          changedAt: this.#iso(),
        },
      },
      drain: { type: 'AgentDrainStarted', data: { ...subject, startedAt: this.#iso() } },
      deregister: { type: 'AgentDeregistered', data: { ...subject, deregisteredAt: this.#iso() } },
    };
    if (next.kind === 'health') known.healthy = next.to === 'healthy';
    else known.status = next.kind === 'drain' ? 'draining' : 'gone';
    this.#record(events[next.kind]);
  }

  #close({ pick, how, delayMs }: Extract<Step, { kind: 'close' }>): void {
    const task = this.#chosen(pick, ({ holder }) => holder !== undefined);
    if (!task) return;
    const { taskId } = task.facts;
    const { attempt } = task;
    const agentId = task.holder as string;
    const error = { code: 'E', message: 'm', source: 'agent' as const, retryable: true };
    task.holder = undefined;
    if (how === 'complete') {
      task.status = 'over';
      this.#record({
        type: 'TaskCompleted',
        data: { taskId, attempt, agentId, result: null, durationMs: 1, completedAt: this.#iso() },
      });
    } else if (how === 'lose') {
      task.status = 'lost';
      this.#record({ type: 'TaskOutcomeUnknown', data: { taskId, attempt, agentId, error, occurredAt: this.#iso() } });
    } else {
      task.attempt += 1;
      task.readyMs = this.#nowMs + delayMs;
      const failed = { taskId, attempt, agentId, error, failedAt: this.#iso() };
      if (how === 'retry')
        this.#record({ type: 'TaskAttemptFailed', data: { ...failed, retryAt: this.#iso(task.readyMs) } });
      else {
        task.status = 'parked';
        this.#record({ type: 'TaskAttemptFailed', data: failed });
        this.#deadLetter(taskId, attempt);
      }
    }
  }

  #deadLetter(taskId: string, attempts: number): void {
    const error = { code: 'E', message: 'm', source: 'agent' as const, retryable: true };
    this.#record({
      type: 'TaskDeadLettered',
      data: { taskId, reason: 'attempts_exhausted', attempts, error, deadLetteredAt: this.#iso() },
    });
  }

  #expireOverdue(): void {
    for (const task of this.tasks.values()) {
      if (task.status !== 'open' || task.deadlineMs === undefined || task.deadlineMs + 20_000 > this.#nowMs) continue;
      task.status = 'parked';
      task.holder = undefined;
      task.attempt += 1;
      this.#deadLetter(task.facts.taskId, task.attempt - 2);
    }
  }

  #cancel(pick: number): void {
    const task = this.#chosen(pick, ({ status }) => status !== 'over');
    if (!task) return;
    task.status = 'over';
    task.holder = undefined;
    this.#record({ type: 'TaskCancelled', data: { taskId: task.facts.taskId, cancelledAt: this.#iso() } });
  }

  #redrive(pick: number): void {
    const task = this.#chosen(pick, ({ status }) => status === 'parked' || status === 'lost');
    if (!task) return;
    if (task.status === 'lost') task.attempt += 1;
    Object.assign(task, { status: 'open', readyMs: this.#nowMs, deadlineMs: undefined });
    const { taskId, pool, capability, versionRange, priority, strategy, timeoutMs } = task.facts;
    this.#record({
      type: 'TaskRedriven',
      data: {
        taskId,
        pool,
        capability,
        priority,
        strategy,
        timeoutMs,
        nextAttempt: task.attempt,
        redrivenAt: this.#iso(),
        ...(versionRange === undefined ? {} : { versionRange }),
      },
    });
  }

  #decide(limit: number): void {
    if (this.#inFlight.length > 0) return; // one append at a time
    this.#readTo = this.log.length - 1;
    this.#decidedAt = this.#iso();
    const assignments = this.live.assign(this.#nowMs, limit);
    for (const twin of this.#twins) {
      expect(twin.assign(this.#nowMs, limit)).toEqual(assignments);
      expect([twin.openTasks, twin.waitingTasks, twin.nextDueMs()]).toEqual([
        this.live.openTasks,
        this.live.waitingTasks,
        this.live.nextDueMs(),
      ]);
    }
    expect(assignments.length).toBeLessThanOrEqual(limit);
    this.#inFlight = assignments.map((assignment) => {
      this.#checkDecision(assignment);
      return { assignment, max: this.agents.get(assignment.agentId)?.max ?? 0 };
    });
    this.decisions.push(...assignments);
  }

  #checkDecision({ taskId, attempt, agentId, reason }: Assignment): void {
    const task = this.tasks.get(taskId) as TaskModel;
    const agent = this.agents.get(agentId) as AgentModel;
    expect(task).toMatchObject({ status: 'open', attempt, holder: undefined });
    expect(task.readyMs).toBeLessThanOrEqual(this.#nowMs);
    if (task.deadlineMs !== undefined) expect(task.deadlineMs).toBeGreaterThan(this.#nowMs);
    expect(agent).toMatchObject({ status: 'active', healthy: true });
    expect(agent.capabilities).toContain(task.facts.capability);
    const counted = Object.values(reason.excluded).reduce((sum, count) => sum + count, reason.eligible);
    expect(counted).toBe([...this.agents.values()].filter(({ status }) => status !== 'gone').length);
    expect(reason.waitedMs).toBe(this.#nowMs - task.readyMs);
  }

  #append(): void {
    if (this.#inFlight.length === 0) return;
    const assignments = this.#inFlight.map(({ assignment }) => assignment);
    this.log.push({
      type: 'TasksAssigned',
      data: { pool: 'default', assignments, readTo: String(this.#readTo), assignedAt: this.#decidedAt },
    });
    for (const { assignment, max } of this.#inFlight) {
      const task = this.tasks.get(assignment.taskId) as TaskModel;
      if (task.status !== 'open' || task.attempt !== assignment.attempt) continue; // void
      expect(task.holder).toBeUndefined();
      task.holder = assignment.agentId;
      expect(this.heldBy(assignment.agentId)).toBeLessThanOrEqual(max);
    }
    this.#inFlight = [];
  }

  heldBy(agentId: string): number {
    return [...this.tasks.values()].filter(({ holder }) => holder === agentId).length;
  }

  /** A new writer reads the log; what was being appended is lost. */
  #replay(): void {
    this.#inFlight = [];
    this.#twins = [];
    this.log.push(ELECTED);
    this.live = replayed(this.log);
  }

  #restore(): void {
    if (this.#inFlight.length > 0) return; // snapshots are only taken between appends
    this.#twins.push(copyOf(this.live));
  }
}

const replayed = (log: readonly LedgerEvent[]): PoolLedger => {
  const ledger = new PoolLedger('default');
  for (const event of log) ledger.evolve(event);
  return ledger;
};

const recomputed = (log: readonly LedgerEvent[]): readonly Recomputed[] => {
  const recomputation = new Recomputation('default');
  return log.flatMap((event, index) => recomputation.take({ event, position: BigInt(index) }));
};

const OPENING: readonly Step[] = [
  { kind: 'register', agent: 0, max: 1, both: true },
  { kind: 'register', agent: 1, max: 2, both: false },
];
const steps = fc
  .array(step, { minLength: 10, maxLength: 150, size: 'max' })
  .map((course): Step[] => [...OPENING, ...course]);

describe('any sequence of events', () => {
  it('never fills more than an agent’s slots, even over restarts and late appends, and gives it only work it can do (S7)', () =>
    fc.assert(
      fc.property(steps, (course) => {
        new World().run(course);
      }),
      { numRuns: 250 },
    ));

  it('reaches decisions, so that the property above means something', () => {
    const counts = fc.sample(steps, { numRuns: 50, seed: 7 }).map((course) => new World().run(course).decisions.length);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(300);
  });

  it('gives the same decisions every time', () =>
    fc.assert(
      fc.property(steps, (course) => {
        expect(new World().run(course).decisions).toEqual(new World().run(course).decisions);
      }),
      { numRuns: 50 },
    ));

  it('lets each decision be made again from the log', () =>
    fc.assert(
      fc.property(steps, (course) => {
        expect(recomputed(new World().run(course).log).filter(({ outcome }) => outcome !== 'same')).toEqual([]);
      }),
      { numRuns: 200 },
    ));

  it('shows a decision that was recorded wrongly', () => {
    const { log } = new World().run([
      ...OPENING,
      { kind: 'submit', capability: 0, priority: 3, robin: false, ranged: false, deadlineMs: undefined },
      { kind: 'decide', limit: 1 },
      { kind: 'append' },
    ]);
    const forged = JSON.parse(JSON.stringify(log), (name, value) => (name === 'eligible' ? 1 : value));
    expect(recomputed(forged)).toMatchObject([
      { outcome: 'different', differences: [{ field: 'reason.eligible', recorded: 1, computed: 2 }] },
    ]);
  });

  it('leaves the same attempts open in a ledger that reads the log again', () =>
    fc.assert(
      fc.property(steps, (course) => {
        const world = new World().run([...course, { kind: 'append' }]);
        const known = replayed(world.log);
        const held = [...world.tasks.values()].filter(({ holder }) => holder !== undefined);
        expect(known.openTasks).toBe([...world.tasks.values()].filter(({ status }) => status === 'open').length);
        for (const { taskId, agentId, attempt } of known.openAssignments())
          expect(world.tasks.get(taskId)).toMatchObject({ holder: agentId, attempt });
        for (const { facts, holder } of held)
          if (world.agents.get(holder as string)?.status !== 'gone')
            expect(known.openAssignments().map(({ taskId }) => taskId)).toContain(facts.taskId);
      }),
      { numRuns: 100 },
    ));
});
