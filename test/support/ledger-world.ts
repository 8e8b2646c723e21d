import fc from 'fast-check';
import { expect } from 'vitest';
import type { AgentEvent } from '../../src/domain/agent/events.ts';
import type { Assignment } from '../../src/domain/pool/events.ts';
import { PoolLedger } from '../../src/domain/pool/ledger.ts';
import type { LedgerEvent } from '../../src/domain/pool/ledger-snapshot.ts';
import type { TaskEvent } from '../../src/domain/task/events.ts';
import { copyOf } from './ledger-snapshot.ts';

const START = Date.parse('2026-03-01T12:00:00.000Z');
const CAPABILITIES = ['translate', 'draw'];
const AGENTS = ['a', 'b', 'c'];
/** Of another pool. */
const OTHER_TASK = 'other';
const EXECUTIONS = ['e0', 'e1'];

/** One step of the world around a pool. `pick` chooses among what is there; steps that find nothing do nothing. */
export type Step =
  | {
      readonly kind: 'submit';
      readonly capability: number;
      readonly priority: number;
      readonly robin: boolean;
      readonly ranged: boolean;
      readonly deadlineMs: number | undefined;
      /** The execution that it belongs to, while that goes on. */
      readonly execution?: number | undefined;
      /** It waits for a task of another pool. */
      readonly blocked?: boolean;
    }
  | { readonly kind: 'execution'; readonly execution: number; readonly how: 'pause' | 'resume' | 'abort' }
  | { readonly kind: 'pool'; readonly how: 'pause' | 'resume' }
  | { readonly kind: 'register' | 'reconfigure'; readonly agent: number; readonly max: number; readonly both: boolean }
  | { readonly kind: 'health'; readonly agent: number; readonly to: 'healthy' | 'unhealthy' }
  | { readonly kind: 'drain' | 'undrain' | 'deregister'; readonly agent: number }
  | {
      readonly kind: 'close';
      readonly pick: number;
      readonly how: 'complete' | 'retry' | 'park' | 'lose';
      readonly delayMs: number;
    }
  | { readonly kind: 'cancel' | 'redrive' | 'unblock'; readonly pick: number }
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
      execution: fc.option(fc.nat(EXECUTIONS.length - 1), { nil: undefined, freq: 3 }),
      blocked: fc.integer({ min: 0, max: 9 }).map((chance) => chance === 0),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.oneof(
      fc.record({
        kind: fc.constant('execution' as const),
        execution: fc.nat(EXECUTIONS.length - 1),
        how: fc.constantFrom('pause' as const, 'resume' as const, 'resume' as const, 'abort' as const),
      }),
      fc.record({
        kind: fc.constant('pool' as const),
        how: fc.constantFrom('pause' as const, 'resume' as const, 'resume' as const),
      }),
    ),
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
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('drain' as const, 'undrain' as const, 'deregister' as const),
      agent,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('close' as const),
      pick,
      how: fc.constantFrom('complete' as const, 'retry' as const, 'park' as const, 'lose' as const),
      delayMs: fc.constantFrom(0, 1_000, 30_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('cancel' as const, 'redrive' as const, 'unblock' as const), pick }),
  },
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

export type TaskModel = {
  readonly facts: Extract<TaskEvent, { type: 'TaskSubmitted' }>['data'];
  status: 'open' | 'parked' | 'lost' | 'over';
  attempt: number;
  readyMs: number;
  deadlineMs: number | undefined;
  holder: string | undefined;
  blocked: boolean;
};
export type AgentModel = {
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
export class World {
  /** The position of an event is its index. */
  readonly log: LedgerEvent[] = [ELECTED];
  readonly tasks = new Map<string, TaskModel>();
  readonly agents = new Map<string, AgentModel>();
  readonly decisions: Assignment[] = [];
  live = new PoolLedger('default');
  readonly pausedExecutions = new Set<string>();
  readonly abortedExecutions = new Set<string>();
  poolPaused = false;
  #twins: PoolLedger[] = [];
  #inFlight: InFlight[] = [];
  /** What the decisions in flight had read, and when they were made. */
  #readTo = 0;
  #decidedAt = '';
  nowMs = START;

  /** @param look is called after each step, and told how many came before */
  run(steps: readonly Step[], look: (step: number) => void = () => {}): this {
    for (const [index, next] of steps.entries()) {
      this.take(next);
      this.#expireOverdue();
      look(index);
    }
    return this;
  }

  get inFlight(): readonly Assignment[] {
    return this.#inFlight.map(({ assignment }) => assignment);
  }

  take(next: Step): void {
    switch (next.kind) {
      case 'submit':
        this.#submit(next);
        break;
      case 'register':
      case 'reconfigure':
        this.#configure(next);
        break;
      case 'execution':
        this.#changeExecution(EXECUTIONS[next.execution] as string, next.how);
        break;
      case 'pool':
        this.#changePool(next.how);
        break;
      case 'health':
      case 'drain':
      case 'undrain':
      case 'deregister':
        this.#changeAgent(next);
        break;
      case 'close':
        this.#close(next);
        break;
      case 'cancel':
        this.#cancel(next.pick);
        break;
      case 'unblock':
        this.#unblock(next.pick);
        break;
      case 'redrive':
        this.#redrive(next.pick);
        break;
      case 'wait':
        this.nowMs += next.ms;
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

  #iso(ms = this.nowMs): string {
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

  #submit({
    capability,
    priority,
    robin,
    ranged,
    deadlineMs,
    execution,
    blocked,
  }: Extract<Step, { kind: 'submit' }>): void {
    const taskId = `t${this.tasks.size}`;
    const deadline = deadlineMs === undefined ? undefined : this.nowMs + deadlineMs;
    const executionId = EXECUTIONS[execution ?? -1] ?? '';
    const isOfExecution = executionId !== '' && !this.abortedExecutions.has(executionId);
    const isBlocked = blocked === true && !isOfExecution;
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
      ...(ranged ? { versionRange: '^1.0.0', rule: { name: 'ranged', version: 1 } } : {}),
      ...(isBlocked ? { dependsOn: [OTHER_TASK], waitsFor: [OTHER_TASK] } : {}),
      ...(isOfExecution ? { executionId, unit: taskId } : {}),
      ...(deadline === undefined ? {} : { deadlineAt: this.#iso(deadline) }),
    };
    const model = {
      facts,
      status: 'open' as const,
      attempt: 1,
      readyMs: this.nowMs,
      deadlineMs: deadline,
      holder: undefined,
      blocked: isBlocked,
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

  #changeExecution(executionId: string, how: 'pause' | 'resume' | 'abort'): void {
    const [isPaused, isAborted] = [this.pausedExecutions.has(executionId), this.abortedExecutions.has(executionId)];
    if (how === 'pause' && !isPaused && !isAborted) {
      this.pausedExecutions.add(executionId);
      this.#record({ type: 'ExecutionPaused', data: { executionId, pausedAt: this.#iso() } });
    } else if (how === 'resume' && isPaused) {
      this.pausedExecutions.delete(executionId);
      this.#record({ type: 'ExecutionResumed', data: { executionId, resumedAt: this.#iso() } });
    } else if (how === 'abort' && !isAborted) {
      this.pausedExecutions.delete(executionId);
      this.abortedExecutions.add(executionId);
      const kind = { reason: 'cancelled', compensate: false, strategy: 'backward', interrupt: true } as const;
      this.#record({ type: 'ExecutionAborting', data: { executionId, ...kind, abortedAt: this.#iso() } });
    }
  }

  isAborted({ facts: { executionId } }: TaskModel): boolean {
    return executionId !== undefined && this.abortedExecutions.has(executionId);
  }

  isPaused({ facts: { executionId } }: TaskModel): boolean {
    return executionId !== undefined && this.pausedExecutions.has(executionId);
  }

  #changePool(how: 'pause' | 'resume'): void {
    if (this.poolPaused === (how === 'pause')) return;
    this.poolPaused = how === 'pause';
    this.#record(
      how === 'pause'
        ? { type: 'PoolPaused', data: { pool: 'default', pausedAt: this.#iso() } }
        : { type: 'PoolResumed', data: { pool: 'default', resumedAt: this.#iso() } },
    );
  }

  #changeAgent(next: Extract<Step, { kind: 'health' | 'drain' | 'undrain' | 'deregister' }>): void {
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
      undrain: { type: 'AgentDrainEnded', data: { ...subject, endedAt: this.#iso() } },
      deregister: { type: 'AgentDeregistered', data: { ...subject, deregisteredAt: this.#iso() } },
    };
    const statuses = { drain: 'draining', undrain: 'active', deregister: 'gone' } as const;
    if (next.kind === 'health') known.healthy = next.to === 'healthy';
    else known.status = statuses[next.kind];
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
      task.readyMs = this.nowMs + delayMs;
      const failed = { taskId, attempt, agentId, error, failedAt: this.#iso() };
      if (how === 'retry' && !this.isAborted(task))
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
      if (task.status !== 'open' || task.deadlineMs === undefined || task.deadlineMs + 20_000 > this.nowMs) continue;
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

  #unblock(pick: number): void {
    const task = this.#chosen(pick, ({ status, blocked }) => status === 'open' && blocked);
    if (!task) return;
    Object.assign(task, { blocked: false, readyMs: this.nowMs });
    this.#record({ type: 'TaskUnblocked', data: { taskId: task.facts.taskId, unblockedAt: this.#iso() } });
  }

  #redrive(pick: number): void {
    const task = this.#chosen(
      pick,
      (each) => (each.status === 'parked' || each.status === 'lost') && !this.isAborted(each),
    );
    if (!task) return;
    if (task.status === 'lost') task.attempt += 1;
    Object.assign(task, { status: 'open', readyMs: this.nowMs, deadlineMs: undefined });
    const { taskId, pool, capability, versionRange, priority, strategy, timeoutMs, executionId, unit } = task.facts;
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
        ...(executionId === undefined ? {} : { executionId, unit }),
        ...(task.blocked ? { waitsFor: [OTHER_TASK] } : {}),
      },
    });
  }

  #decide(limit: number): void {
    if (this.#inFlight.length > 0) return; // one append at a time
    this.#readTo = this.log.length - 1;
    this.#decidedAt = this.#iso();
    const assignments = this.live.assign(this.nowMs, limit);
    for (const twin of this.#twins) {
      expect(twin.assign(this.nowMs, limit)).toEqual(assignments);
      expect([twin.openTasks, twin.waiting.size, twin.nextDueMs()]).toEqual([
        this.live.openTasks,
        this.live.waiting.size,
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
    expect([this.poolPaused, this.isPaused(task), this.isAborted(task), task.blocked]).not.toContain(true);
    expect(task.readyMs).toBeLessThanOrEqual(this.nowMs);
    if (task.deadlineMs !== undefined) expect(task.deadlineMs).toBeGreaterThan(this.nowMs);
    expect(agent).toMatchObject({ status: 'active', healthy: true });
    expect(agent.capabilities).toContain(task.facts.capability);
    const counted = Object.values(reason.excluded).reduce((sum, count) => sum + count, reason.eligible);
    expect(counted).toBe([...this.agents.values()].filter(({ status }) => status !== 'gone').length);
    expect(reason.waitedMs).toBe(this.nowMs - task.readyMs);
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

export const replayed = (log: readonly LedgerEvent[]): PoolLedger => {
  const ledger = new PoolLedger('default');
  for (const event of log) ledger.evolve(event);
  return ledger;
};

export const OPENING: readonly Step[] = [
  { kind: 'register', agent: 0, max: 1, both: true },
  { kind: 'register', agent: 1, max: 2, both: false },
];
export const steps = fc
  .array(step, { minLength: 10, maxLength: 150, size: 'max' })
  .map((course): Step[] => [...OPENING, ...course]);
