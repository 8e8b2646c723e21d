import semver from 'semver';
import type { AgentEvent, Capability, Health, Transport } from '../agent/events.ts';
import type { ExecutionEvent } from '../execution/events.ts';
import { isCompensation } from '../execution/unit.ts';
import { instantOf } from '../instant.ts';
import { strategies } from '../routing/strategies.ts';
import type { Candidate, RoutingStrategy, Scored } from '../routing/strategy.ts';
import { IndexedHeap } from '../structures/indexed-heap.ts';
import type { TaskEvent } from '../task/events.ts';
import type { Assignment, Exclusion, PoolEvent, RoutingReason } from './events.ts';

/** One priority level is worth this much waiting: a background task overtakes a critical one submitted 4 levels × this later. */
export const AGEING_STEP_MS = 30_000;
/** Weight of the newest outcome in an agent's error rate (requirements 1.0: EMA α = 0.1). */
const ERROR_RATE_WEIGHT = 0.1;
/** Time beyond the task's own timeout that an assignment may wait in the queue before it is given up. */
export const DISPATCH_GRACE_MS = 30_000;
const SHOWN_CANDIDATES = 3;

export type LedgerEvent = TaskEvent | AgentEvent | PoolEvent | ExecutionEvent;

type AgentEntry = {
  readonly agentId: string;
  capabilities: readonly Capability[];
  maxConcurrency: number;
  transport: Transport['kind'];
  health: Health;
  draining: boolean;
  deregistered: boolean;
  open: number;
  errorRate: number;
};

type Requirement = { readonly capability: string; readonly versionRange: string | undefined };

type TaskEntry = Requirement & {
  readonly taskId: string;
  attempt: number;
  readonly priority: number;
  readonly strategy: string;
  readonly timeoutMs: number;
  readonly deadlineMs: number | undefined;
  /** From when the current attempt may run; also where its ageing starts. */
  readyMs: number;
  /** Agent that holds the current attempt. */
  agentId: string | undefined;
  expiresMs: number;
  failedOn: readonly string[];
  /** The execution that the task belongs to. */
  readonly executionId: string | undefined;
  /** Undoes something: goes on while its execution aborts. */
  readonly undoes: boolean;
  /** Its execution must be told whether an agent holds it; no agent gets it any more. */
  releasing: boolean;
  /** Order of arrival in the pool: decides between equal times, the same before and after a snapshot. */
  readonly seq: number;
};

/** An assignment that has not closed: what must be (re-)offered to the dispatchers. */
export type OpenAssignment = {
  readonly taskId: string;
  readonly attempt: number;
  readonly agentId: string;
  readonly transport: Transport['kind'];
  readonly executionId: string | undefined;
  readonly expiresMs: number;
};

export type DueTimer =
  | {
      readonly kind: 'attemptExpired';
      readonly taskId: string;
      readonly attempt: number;
      readonly agentId: string;
      readonly executionId: string | undefined;
    }
  | { readonly kind: 'deadlinePassed'; readonly taskId: string; readonly assigned: boolean }
  /** The task's execution aborts. */
  | {
      readonly kind: 'release';
      readonly taskId: string;
      readonly attempt: number;
      readonly executionId: string;
      readonly held: boolean;
    };

export type LedgerSnapshot = {
  readonly version: typeof SNAPSHOT_VERSION;
  readonly agents: readonly AgentEntry[];
  readonly tasks: readonly TaskEntry[];
  readonly turns: readonly (readonly [string, number])[];
  readonly paused: readonly string[];
};

/** Raised with any change of what a snapshot holds or means; older ones are then ignored and the log is read instead. */
export const SNAPSHOT_VERSION = 3;

/** No range is another requirement than `*`, which leaves prereleases out; the empty range is refused at submission. */
const requirementKey = ({ capability, versionRange }: Requirement): string => `${capability}@${versionRange ?? ''}`;

const satisfies = (offered: Capability, { capability, versionRange }: Requirement): boolean =>
  offered.name === capability && (versionRange === undefined || semver.satisfies(offered.version, versionRange));

/**
 * The one view of a pool: its agents, its open tasks and who holds what. A fold of the log (agents' streams, tasks' streams, the pool's
 * ledger) that also decides the next assignments. It is changed in place, because copying it per event would cost O(open tasks); it has no
 * clock, randomness or I/O, so the same events and the same `now` always give the same decisions.
 *
 * An assignment (task, attempt) is open from its ledger event until the attempt closes in the task's stream. One that the ledger holds for
 * an attempt which had closed before is void.
 */
export class PoolLedger {
  readonly pool: string;
  readonly #agents = new Map<string, AgentEntry>();
  readonly #tasks = new Map<string, TaskEntry>();
  /** Ready attempts per requirement, oldest effective priority first. */
  readonly #ready = new Map<string, IndexedHeap>();
  readonly #delayed = new IndexedHeap();
  readonly #timers = new IndexedHeap();
  /** Decisions made per requirement; what `round_robin` rotates on. */
  readonly #turns = new Map<string, number>();
  /** Agents able to meet a requirement; dropped when any agent's capabilities change. */
  readonly #able = new Map<string, readonly AgentEntry[]>();
  /** Open tasks of each execution. */
  readonly #ofExecution = new Map<string, Set<string>>();
  /** Executions whose tasks no agent gets for the time being. */
  readonly #paused: Set<string>;
  #nextSeq = 0;
  /** Tasks that an agent holds. */
  #held = 0;

  constructor(pool: string, snapshot?: LedgerSnapshot) {
    this.pool = pool;
    this.#paused = new Set(snapshot?.paused);
    for (const agent of snapshot?.agents ?? []) this.#agents.set(agent.agentId, { ...agent });
    for (const [key, turn] of snapshot?.turns ?? []) this.#turns.set(key, turn);
    for (const task of snapshot?.tasks ?? []) {
      this.#tasks.set(task.taskId, { ...task });
      this.#nextSeq = Math.max(this.#nextSeq, task.seq + 1);
      if (task.agentId !== undefined) this.#held += 1;
      this.#index(task);
      this.#reschedule(task);
    }
  }

  snapshot(): LedgerSnapshot {
    return {
      version: SNAPSHOT_VERSION,
      agents: [...this.#agents.values()].map((agent) => ({ ...agent })),
      tasks: [...this.#tasks.values()].map((task) => ({ ...task })),
      turns: [...this.#turns],
      paused: [...this.#paused],
    };
  }

  get openTasks(): number {
    return this.#tasks.size;
  }

  /** Attempts that have no agent yet, whether due or delayed. */
  get waitingTasks(): number {
    return this.#tasks.size - this.#held;
  }

  openAssignments(): OpenAssignment[] {
    const open: OpenAssignment[] = [];
    for (const task of this.#tasks.values()) {
      const { taskId, attempt, agentId, expiresMs, executionId } = task;
      if (agentId === undefined) continue;
      // An agent that was gone when its assignment was appended: a dispatcher of the pool closes the attempt.
      const transport = this.transportOf(agentId) ?? 'a2a';
      open.push({ taskId, attempt, agentId, transport, executionId, expiresMs });
    }
    return open;
  }

  executionOf(taskId: string): string | undefined {
    return this.#tasks.get(taskId)?.executionId;
  }

  transportOf(agentId: string): Transport['kind'] | undefined {
    return this.#agents.get(agentId)?.transport;
  }

  /** Takes in one event of the log. Events of other pools change nothing. */
  evolve(event: LedgerEvent): void {
    switch (event.type) {
      case 'TaskSubmitted':
        if (event.data.pool === this.pool) this.#open(event.data, 1, Date.parse(event.data.submittedAt));
        return;
      case 'TaskRedriven':
        if (event.data.pool === this.pool)
          this.#open(event.data, event.data.nextAttempt, Date.parse(event.data.redrivenAt));
        return;
      case 'TaskAttemptFailed':
        this.#attemptFailed(event.data);
        return;
      case 'TaskCompleted':
        this.#rate(event.data.agentId, 0);
        this.#close(event.data.taskId);
        return;
      case 'TaskOutcomeUnknown':
        this.#rate(event.data.agentId, 1);
        this.#close(event.data.taskId);
        return;
      case 'TaskCancelled':
      case 'TaskFailed':
      case 'TaskDeadLettered':
        this.#close(event.data.taskId);
        return;
      case 'ExecutionPaused':
        this.#pause(event.data.executionId);
        return;
      case 'ExecutionResumed':
        this.#resume(event.data.executionId);
        return;
      case 'ExecutionAborting':
        this.#abort(event.data);
        return;
      case 'ExecutionCompleted':
      case 'ExecutionCancelled':
      case 'ExecutionCompensated':
        this.#paused.delete(event.data.executionId);
        return;
      case 'TaskAttemptStarted':
      case 'TaskProgressReported':
      case 'PoolWriterElected':
        return;
      case 'TasksAssigned':
        if (event.data.pool === this.pool) for (const assignment of event.data.assignments) this.#assigned(assignment);
        return;
      case 'AgentRegistered':
      case 'AgentReconfigured':
      case 'AgentHealthChanged':
      case 'AgentDrainStarted':
      case 'AgentDeregistered':
        this.#evolveAgent(event);
        return;
      default:
        // What else happens to an execution does not concern its tasks' assignment.
        return;
    }
  }

  /**
   * Decides up to `limit` assignments and takes them in at once; the caller appends them. When that append fails this ledger no longer
   * mirrors the log and must be dropped.
   */
  assign(nowMs: number, limit: number): Assignment[] {
    this.#wake(nowMs);
    const assignments: Assignment[] = [];
    const stuck = new Set<string>();
    while (assignments.length < limit) {
      const key = this.#nextRequirement(stuck, nowMs);
      if (key === undefined) break;
      const assignment = this.#route(key, nowMs);
      if (assignment) {
        this.#assigned(assignment);
        assignments.push(assignment);
      } else stuck.add(key);
    }
    return assignments;
  }

  /** When the next timer or delayed attempt is due; undefined when none is set. */
  nextDueMs(): number | undefined {
    const timer = this.#timers.peek()?.key;
    const delayed = this.#delayed.peek()?.key;
    return timer === undefined ? delayed : delayed === undefined ? timer : Math.min(timer, delayed);
  }

  /**
   * Timers that are due. Each is returned once per call until the events it leads to arrive, so the caller spaces repeats; `holdMs` puts
   * a returned timer off by that much.
   */
  dueTimers(nowMs: number, holdMs: number): DueTimer[] {
    const due: DueTimer[] = [];
    for (let head = this.#timers.peek(); head && head.key <= nowMs; head = this.#timers.peek()) {
      const task = this.#tasks.get(head.id) as TaskEntry;
      due.push(this.#timerOf(task, nowMs));
      this.#timers.set(task.taskId, nowMs + holdMs, task.seq);
    }
    return due;
  }

  #timerOf(task: TaskEntry, nowMs: number): DueTimer {
    const { taskId, attempt, agentId, executionId, releasing } = task;
    // A task that an agent holds on to for too long is given up in any case.
    const expired = agentId !== undefined && task.expiresMs <= nowMs;
    if (releasing && executionId !== undefined && !expired)
      return { kind: 'release', taskId, attempt, executionId, held: agentId !== undefined };
    if (task.deadlineMs !== undefined && task.deadlineMs <= nowMs)
      return { kind: 'deadlinePassed', taskId, assigned: agentId !== undefined };
    return { kind: 'attemptExpired', taskId, attempt, agentId: agentId as string, executionId };
  }

  #index({ taskId, executionId }: TaskEntry): void {
    if (executionId === undefined) return;
    const known = this.#ofExecution.get(executionId);
    if (known) known.add(taskId);
    else this.#ofExecution.set(executionId, new Set([taskId]));
  }

  *#tasksOf(executionId: string): Generator<TaskEntry> {
    for (const taskId of this.#ofExecution.get(executionId) ?? []) yield this.#tasks.get(taskId) as TaskEntry;
  }

  #pause(executionId: string): void {
    this.#paused.add(executionId);
    for (const task of this.#tasksOf(executionId)) this.#unqueue(task);
  }

  #resume(executionId: string): void {
    if (!this.#paused.delete(executionId)) return;
    for (const task of this.#tasksOf(executionId)) this.#reschedule(task);
  }

  /** From here on no agent gets a step of the execution. It is told of each whether an agent holds it, unless it waits for those. */
  #abort({ executionId, interrupt, reason }: Extract<ExecutionEvent, { type: 'ExecutionAborting' }>['data']): void {
    if (reason !== 'step_failed') this.#resume(executionId);
    for (const task of this.#tasksOf(executionId)) {
      if (task.undoes || (task.agentId !== undefined && !interrupt)) continue;
      task.releasing = true;
      this.#unqueue(task);
      this.#schedule(task);
    }
  }

  #open(
    facts: Omit<
      TaskEntry,
      | 'attempt'
      | 'readyMs'
      | 'agentId'
      | 'expiresMs'
      | 'failedOn'
      | 'seq'
      | 'deadlineMs'
      | 'versionRange'
      | 'executionId'
      | 'undoes'
      | 'releasing'
    > & {
      readonly versionRange?: string | undefined;
      readonly deadlineAt?: string | undefined;
      readonly executionId?: string | undefined;
      readonly unit?: string | undefined;
    },
    attempt: number,
    readyMs: number,
  ): void {
    const task: TaskEntry = {
      taskId: facts.taskId,
      capability: facts.capability,
      versionRange: facts.versionRange,
      priority: facts.priority,
      strategy: facts.strategy,
      timeoutMs: facts.timeoutMs,
      deadlineMs: facts.deadlineAt === undefined ? undefined : Date.parse(facts.deadlineAt),
      attempt,
      readyMs,
      agentId: undefined,
      expiresMs: 0,
      failedOn: [],
      executionId: facts.executionId,
      undoes: facts.unit !== undefined && isCompensation(facts.unit),
      releasing: false,
      seq: this.#nextSeq++,
    };
    this.#tasks.set(task.taskId, task);
    this.#index(task);
    this.#reschedule(task);
  }

  #close(taskId: string): void {
    const task = this.#tasks.get(taskId);
    if (!task) return;
    this.#release(task);
    this.#unqueue(task);
    this.#timers.delete(taskId);
    this.#tasks.delete(taskId);
    if (task.executionId === undefined) return;
    const others = this.#ofExecution.get(task.executionId);
    others?.delete(taskId);
    if (others?.size === 0) this.#ofExecution.delete(task.executionId);
  }

  #attemptFailed(data: Extract<TaskEvent, { type: 'TaskAttemptFailed' }>['data']): void {
    const task = this.#tasks.get(data.taskId);
    if (!task || data.attempt !== task.attempt) return;
    const holder = data.agentId ?? task.agentId;
    if (holder !== undefined && data.error.source !== 'baton') this.#rate(holder, 1);
    if (data.retryAt === undefined) {
      // The dead letter follows in the same append. Until it is read here, the task must not be given to anyone.
      this.#close(task.taskId);
      return;
    }
    this.#release(task);
    this.#unqueue(task);
    task.attempt = data.attempt + 1;
    if (holder !== undefined && !task.failedOn.includes(holder)) task.failedOn = [...task.failedOn, holder];
    task.readyMs = Date.parse(data.retryAt);
    this.#reschedule(task);
  }

  #assigned({ taskId, attempt, agentId, expiresAt }: Assignment): void {
    const task = this.#tasks.get(taskId);
    const agent = this.#agents.get(agentId);
    if (!task || task.attempt !== attempt || task.agentId !== undefined) return;
    this.#unqueue(task);
    task.agentId = agentId;
    this.#held += 1;
    task.expiresMs = Date.parse(expiresAt);
    if (agent) agent.open += 1;
    const key = requirementKey(task);
    this.#turns.set(key, (this.#turns.get(key) ?? 0) + 1);
    this.#schedule(task);
  }

  #release(task: TaskEntry): void {
    if (task.agentId === undefined) return;
    const agent = this.#agents.get(task.agentId);
    task.agentId = undefined;
    this.#held -= 1;
    if (!agent) return;
    agent.open -= 1;
    if (agent.deregistered && agent.open === 0) this.#agents.delete(agent.agentId);
  }

  /** Puts a task where it belongs by its fields: held by an agent, ready, or delayed. */
  #reschedule(task: TaskEntry): void {
    const paused = task.executionId !== undefined && this.#paused.has(task.executionId);
    if (task.agentId === undefined && !task.releasing && !paused)
      this.#delayed.set(task.taskId, task.readyMs, task.seq);
    this.#schedule(task);
  }

  #schedule(task: TaskEntry): void {
    if (task.releasing) {
      this.#timers.set(task.taskId, 0, task.seq);
      return;
    }
    const expires = task.agentId === undefined ? Number.POSITIVE_INFINITY : task.expiresMs;
    const due = Math.min(expires, task.deadlineMs ?? Number.POSITIVE_INFINITY);
    if (due === Number.POSITIVE_INFINITY) this.#timers.delete(task.taskId);
    else this.#timers.set(task.taskId, due, task.seq);
  }

  #unqueue(task: TaskEntry): void {
    if (!this.#delayed.delete(task.taskId)) this.#ready.get(requirementKey(task))?.delete(task.taskId);
  }

  #wake(nowMs: number): void {
    for (let head = this.#delayed.peek(); head && head.key <= nowMs; head = this.#delayed.peek()) {
      const task = this.#tasks.get(head.id) as TaskEntry;
      this.#delayed.delete(task.taskId);
      const key = requirementKey(task);
      const heap = this.#ready.get(key) ?? new IndexedHeap();
      this.#ready.set(key, heap);
      heap.set(task.taskId, task.readyMs + task.priority * AGEING_STEP_MS, task.seq);
    }
  }

  /** The requirement whose head has waited longest by effective priority, leaving out those that found no agent in this tick. */
  #nextRequirement(stuck: ReadonlySet<string>, nowMs: number): string | undefined {
    let best: { readonly key: string; readonly order: number; readonly seq: number } | undefined;
    for (const [key, heap] of this.#ready) {
      this.#dropOverdue(heap, nowMs);
      const head = heap.peek();
      if (!head) this.#ready.delete(key);
      else if (stuck.has(key)) continue;
      else if (!best || head.key < best.order || (head.key === best.order && head.seq < best.seq))
        best = { key, order: head.key, seq: head.seq };
    }
    return best?.key;
  }

  /** A task whose deadline has passed is about to be dead-lettered: an agent that got it now would work for nothing. */
  #dropOverdue(ready: IndexedHeap, nowMs: number): void {
    for (let head = ready.peek(); head; head = ready.peek()) {
      const { deadlineMs } = this.#tasks.get(head.id) as TaskEntry;
      if (deadlineMs === undefined || deadlineMs > nowMs) return;
      ready.delete(head.id);
    }
  }

  #ableAgents(task: Requirement): readonly AgentEntry[] {
    const key = requirementKey(task);
    const known = this.#able.get(key);
    if (known) return known;
    const able = [...this.#agents.values()].filter((agent) =>
      agent.capabilities.some((offered) => satisfies(offered, task)),
    );
    this.#able.set(key, able);
    return able;
  }

  #route(key: string, nowMs: number): Assignment | undefined {
    const taskId = this.#ready.get(key)?.peek()?.id as string;
    const task = this.#tasks.get(taskId) as TaskEntry;
    const free = this.#ableAgents(task).filter((agent) => isFree(agent));
    const untried = task.failedOn.length === 0 ? free : free.filter((agent) => !task.failedOn.includes(agent.agentId));
    const candidates = untried.length > 0 ? untried : free;
    if (candidates.length === 0) return undefined;
    const strategy = (strategies as Record<string, RoutingStrategy>)[task.strategy] ?? strategies.least_loaded;
    const ranked = strategy.rank(candidates.map(toCandidate), this.#turns.get(key) ?? 0);
    const chosen = ranked[0] as Scored;
    return {
      taskId,
      attempt: task.attempt,
      agentId: chosen.candidate.agentId,
      expiresAt: instantOf(nowMs + task.timeoutMs + DISPATCH_GRACE_MS),
      reason: this.#reason(task, strategy, ranked, nowMs, free.length - candidates.length),
    };
  }

  #reason(
    task: TaskEntry,
    strategy: RoutingStrategy,
    ranked: readonly Scored[],
    nowMs: number,
    failedBefore: number,
  ): RoutingReason {
    return {
      strategy: strategy.name,
      strategyVersion: strategy.version,
      eligible: ranked.length,
      candidates: ranked.slice(0, SHOWN_CANDIDATES).map(({ candidate, score }) => ({
        agentId: candidate.agentId,
        score: Math.round(score * 1e6) / 1e6,
        open: candidate.open,
      })),
      excluded: this.#exclusions(task, failedBefore),
      waitedMs: Math.max(0, nowMs - task.readyMs),
    };
  }

  #exclusions(task: Requirement, failedBefore: number): RoutingReason['excluded'] {
    const counts: Partial<Record<Exclusion, number>> = {};
    const count = (exclusion: Exclusion, by = 1): void => {
      if (by > 0) counts[exclusion] = (counts[exclusion] ?? 0) + by;
    };
    for (const agent of this.#agents.values()) {
      const exclusion = exclusionOf(agent, task);
      if (exclusion) count(exclusion);
    }
    count('failed_before', failedBefore);
    return counts;
  }

  #rate(agentId: string, outcome: 0 | 1): void {
    const agent = this.#agents.get(agentId);
    if (agent) agent.errorRate += ERROR_RATE_WEIGHT * (outcome - agent.errorRate);
  }

  #evolveAgent(event: AgentEvent): void {
    this.#able.clear();
    const { agentId, pool } = event.data;
    const agent = this.#agents.get(agentId);
    if (pool !== this.pool) {
      if (agent && event.type === 'AgentRegistered') this.#deregister(agent);
      return;
    }
    switch (event.type) {
      case 'AgentRegistered':
        this.#agents.set(agentId, {
          ...profileFacts(event.data),
          agentId,
          health: 'healthy',
          draining: false,
          deregistered: false,
          // It may hold attempts although it is not known here: they were assigned just before its deregistration was seen.
          open: agent?.open ?? this.#heldBy(agentId),
          errorRate: 0,
        });
        return;
      case 'AgentReconfigured':
        if (agent) Object.assign(agent, profileFacts(event.data));
        return;
      case 'AgentHealthChanged':
        if (agent) agent.health = event.data.to;
        return;
      case 'AgentDrainStarted':
        if (agent) agent.draining = true;
        return;
      case 'AgentDeregistered':
        if (agent) this.#deregister(agent);
        return;
    }
  }

  /** Kept while it holds attempts, so that its slots are still counted if it registers again. */
  #deregister(agent: AgentEntry): void {
    agent.deregistered = true;
    if (agent.open === 0) this.#agents.delete(agent.agentId);
  }

  #heldBy(agentId: string): number {
    let held = 0;
    for (const task of this.#tasks.values()) if (task.agentId === agentId) held += 1;
    return held;
  }
}

const profileFacts = (profile: Extract<AgentEvent, { type: 'AgentRegistered' | 'AgentReconfigured' }>['data']) => ({
  capabilities: profile.capabilities,
  maxConcurrency: profile.maxConcurrency,
  transport: profile.transport.kind,
});

const isFree = (agent: AgentEntry): boolean =>
  !agent.deregistered && !agent.draining && agent.health !== 'unhealthy' && agent.open < agent.maxConcurrency;

const toCandidate = ({ agentId, open, maxConcurrency, errorRate }: AgentEntry): Candidate => ({
  agentId,
  open,
  maxConcurrency,
  errorRate,
});

const exclusionOf = (agent: AgentEntry, task: Requirement): Exclusion | undefined => {
  if (agent.deregistered) return undefined;
  if (!agent.capabilities.some((offered) => offered.name === task.capability)) return 'capability';
  if (!agent.capabilities.some((offered) => satisfies(offered, task))) return 'version';
  if (agent.draining) return 'draining';
  if (agent.health === 'unhealthy') return 'unhealthy';
  return agent.open >= agent.maxConcurrency ? 'no_slot' : undefined;
};
