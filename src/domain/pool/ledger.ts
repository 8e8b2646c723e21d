import type { AdmissionEvent } from '../admission/events.ts';
import { eventsOf, evolveControl, isAdmissionEvent, NO_CONTROL, type PoolControl } from '../admission/pool-control.ts';
import { type AgentEvent, isAgentEvent, type Transport } from '../agent/events.ts';
import { categoryOf, idOf } from '../ids.ts';
import type { TaskEvent } from '../task/events.ts';
import type { AgentLoads } from './agent-loads.ts';
import { learnFromEnd } from './attempt-outcomes.ts';
import { Dependents } from './dependents.ts';
import type { Assignment, BreakerChange } from './events.ts';
import { LanePlaces } from './lane-places.ts';
import { type LedgerEvent, type LedgerSnapshot, SNAPSHOT_VERSION } from './ledger-snapshot.ts';
import { type Lane, Matching } from './matching.ts';
import { ReadyQueue } from './ready-queue.ts';
import { Recalls } from './recalls.ts';
import { Roster } from './roster.ts';
import { route } from './route.ts';
import { RoutingMemory } from './routing-memory.ts';
import { LOST, nextAttempt, type OpenAssignment, openEntry, type TaskEntry, unblocked } from './task-entry.ts';
import { type TaskPart, TaskTable } from './task-table.ts';
import { TasksOfExecutions } from './tasks-of-executions.ts';
import { type DueTimer, TaskTimers } from './timers.ts';
import { takeUnreachable } from './unreachable-tasks.ts';
import { WaitingTasks } from './waiting-tasks.ts';

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
  /**
   * Agents of a lane get no more attempts together than the dispatchers can call at once. Waiting beyond that happens here, where priorities
   * count. Without a limit (the start) only the agents' own limits hold. Not part of the snapshot.
   */
  readonly places = new LanePlaces();
  readonly #matching = new Matching();
  readonly #roster: Roster;
  readonly #tasks = new TaskTable();
  readonly #queue = new ReadyQueue(this.#tasks, this.#matching);
  /** Those that no agent has. */
  readonly waiting = new WaitingTasks(this.#tasks, this.#queue);
  readonly #timers = new TaskTimers(this.#tasks);
  readonly #memory: RoutingMemory;
  readonly #executions: TasksOfExecutions;
  /** Whoever leads the pool looks at those that are due. */
  readonly dependents = new Dependents();
  /** Tasks and executions of which no more is known; not in the snapshot. */
  readonly #halted = new Set<string>();
  /** Tasks whose assignment was decided but is not known to be in the log: nobody may be told of it yet. */
  readonly #unrecorded = new Set<string>();
  readonly #recalls = new Recalls();
  #control: PoolControl = NO_CONTROL;
  #nextSeq = 0;
  #recordedMs = Number.POSITIVE_INFINITY;

  constructor(pool: string, snapshot?: LedgerSnapshot) {
    this.pool = pool;
    this.#roster = new Roster(pool, this.#matching, snapshot?.agents);
    this.#executions = new TasksOfExecutions(
      {
        tasks: this.#tasks,
        queue: this.#queue,
        timers: this.#timers,
        reschedule: (task) => this.#reschedule(task),
      },
      snapshot?.paused,
    );
    this.#memory = new RoutingMemory(snapshot?.memory);
    for (const event of snapshot?.control ?? []) this.evolve(event);
  }

  snapshot(): LedgerSnapshot {
    const control = eventsOf(this.pool, this.#control);
    return {
      version: SNAPSHOT_VERSION,
      agents: this.#roster.snapshot(),
      memory: this.#memory.snapshot(),
      paused: this.#executions.paused,
      ...(control.length === 0 ? {} : { control }),
    };
  }

  takeParts(which: 'changed' | 'all'): TaskPart[] {
    return this.#tasks.take(which);
  }

  restorePart({ items }: TaskPart): void {
    for (const task of items) {
      this.#nextSeq = Math.max(this.#nextSeq, task.seq + 1);
      this.#tasks.restore(task);
      this.#enter(task);
    }
  }

  get openTasks(): number {
    return this.#tasks.size;
  }

  /** Those that are in the log: one that is only decided may never get there. */
  openAssignments(): OpenAssignment[] {
    const open: OpenAssignment[] = [];
    for (const task of this.#tasks.held()) {
      const assignment = this.#openAssignment(task);
      if (assignment) open.push(assignment);
    }
    return open;
  }

  #openAssignment(task: TaskEntry): OpenAssignment | undefined {
    const { taskId, attempt, agentId, expiresMs, executionId } = task;
    if (agentId === undefined || this.#unrecorded.has(taskId) || this.#isHalted(task)) return undefined;
    // An agent that was gone when its assignment was appended: a dispatcher of the pool closes the attempt.
    const transport = this.transportOf(agentId) ?? 'a2a';
    return { taskId, attempt, agentId, transport, executionId, expiresMs };
  }

  /** The open assignment of a task; undefined when no agent holds it. */
  assignmentOf(taskId: string): OpenAssignment | undefined {
    const task = this.#tasks.get(taskId);
    return task && this.#openAssignment(task);
  }

  get loads(): AgentLoads {
    return this.#roster.loads;
  }

  executionOf(taskId: string): string | undefined {
    return this.#tasks.get(taskId)?.executionId;
  }

  transportOf(agentId: string): Transport['kind'] | undefined {
    return this.#roster.transportOf(agentId);
  }

  /** Takes in one event of the log. Events of other pools change nothing. No attempt is younger than `recordedAt`, whatever other clocks say. */
  evolve(event: LedgerEvent, recordedAt?: string): void {
    this.#recordedMs = recordedAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(recordedAt);
    this.dependents.notice(event);
    switch (event.type) {
      case 'TaskSubmitted':
        if (event.data.pool === this.pool) this.#open(event.data, 1, event.data.submittedAt);
        return;
      case 'TaskRedriven':
        if (event.data.pool === this.pool) this.#open(event.data, event.data.nextAttempt, event.data.redrivenAt);
        return;
      case 'TaskAttemptFailed':
        this.#attemptFailed(event.data);
        return;
      case 'TaskUnblocked':
        this.#unblocked(event.data);
        return;
      case 'TaskCompleted':
      case 'TaskOutcomeUnknown':
        learnFromEnd(this.#roster, this.#tasks.get(event.data.taskId), event);
        this.#close(event.data.taskId);
        return;
      case 'TaskCancelled':
      case 'TaskFailed':
      case 'TaskDeadLettered':
        this.#close(event.data.taskId);
        return;
      case 'TasksAssigned':
        if (event.data.pool !== this.pool) return;
        for (const assignment of event.data.assignments) this.#assigned(assignment);
        this.recorded(event.data.assignments);
        return;
      case 'AgentLoadsChanged':
        if (event.data.pool === this.pool) this.loads.apply(event.data.changes, Date.parse(event.data.changedAt));
        return;
      case 'BreakersChanged':
        if (event.data.pool === this.pool) this.#changeBreakers(event.data.changes, Date.parse(event.data.changedAt));
        return;
      default:
        if (isAgentEvent(event)) this.#evolveAgent(event);
        else if (isAdmissionEvent(event)) this.#evolveControl(event);
        else this.#executions.evolve(event);
    }
  }

  #evolveControl(event: AdmissionEvent): void {
    if (event.data.pool === this.pool) this.#control = evolveControl(this.#control, event);
  }

  #evolveAgent(event: AgentEvent): void {
    this.#roster.evolve(event, (agentId) => this.#tasks.heldBy(agentId).map(({ capability }) => capability));
    if ('callsLost' in event.data && event.data.callsLost) this.#loseCalls(event.data.agentId, LOST.gone);
  }

  /**
   * Makes delayed attempts ready whose time has come, at most `limit`; returns how many. Before all of them are, the order of what is ready
   * is not the right one.
   */
  wake(nowMs: number, limit: number): number {
    this.#roster.wake(nowMs);
    return this.#queue.wake(nowMs, limit);
  }

  /**
   * Decides which breakers change, up to `limit`, and takes that in at once; the caller appends it before it assigns anything else.
   */
  changeBreakers(nowMs: number, limit: number): BreakerChange[] {
    const changes = this.#roster.dueBreakers(nowMs, limit);
    this.#changeBreakers(changes, nowMs);
    return changes;
  }

  #changeBreakers(changes: readonly BreakerChange[], atMs: number): void {
    for (const change of changes) this.#roster.changeBreaker(change, atMs);
    this.#recalls.add(changes, this.#tasks);
  }

  /** Attempts of agents whose breaker has just opened, each once: whoever has not sent them yet is not to. */
  takeRecalls(): OpenAssignment[] {
    return this.#recalls.take().flatMap((taskId) => this.assignmentOf(taskId) ?? []);
  }

  /**
   * Decides up to `limit` assignments and takes them in at once; the caller appends them and then calls `recorded`. When that append fails
   * this ledger no longer mirrors the log and must be dropped. `due`: tasks that are known to be ready by then.
   */
  assign(nowMs: number, limit: number, due: readonly string[] = []): Assignment[] {
    this.wake(nowMs, Number.POSITIVE_INFINITY);
    this.#queue.hasten(due);
    const assignments: Assignment[] = [];
    if (this.#control.paused) return assignments;
    while (assignments.length < limit) {
      this.#roster.settle();
      const lanes = this.places.open(this.#roster.held);
      const task = this.#queue.next(nowMs, lanes);
      if (!task) break;
      const assignment = this.#route(task, lanes, nowMs);
      this.#assigned(assignment);
      this.#unrecorded.add(task.taskId);
      assignments.push(assignment);
    }
    return assignments;
  }

  #route(task: TaskEntry, lanes: readonly Lane[], nowMs: number): Assignment {
    const skills = this.#matching.skillsFor(task);
    return route({
      task,
      skills,
      unable: this.#roster.unable(task.capability, skills),
      lanes,
      last: this.#memory.lastFor(task),
      bound: this.#memory.boundTo(task),
      nowMs,
    });
  }

  /** The decisions are in the log. */
  recorded(assignments: readonly Assignment[]): void {
    for (const { taskId } of assignments) this.#unrecorded.delete(taskId);
  }

  /** When the next timer or delayed attempt is due; undefined when none is set. */
  nextDueMs(): number | undefined {
    const due = [this.#timers, this.#queue, this.#roster, this.dependents].flatMap((each) => each.nextDueMs() ?? []);
    return due.length === 0 ? undefined : Math.min(...due);
  }

  /**
   * Timers that are due, at most `limit`. Each is returned again until the events that it leads to arrive; `holdMs` puts a returned timer
   * off by that much.
   */
  dueTimers(nowMs: number, holdMs: number, limit = Number.POSITIVE_INFINITY): DueTimer[] {
    for (const agentId of this.#roster.drained(nowMs)) this.#loseCalls(agentId, LOST.drained);
    return this.#timers.due(nowMs, holdMs, limit).filter(({ taskId }) => !this.#rests(taskId));
  }

  /**
   * Ready tasks without a deadline that have waited for `patienceMs` while no agent that can do them was reached, at most `limit`. They leave
   * the queue: what they lead to ends them, or `keepWaiting` puts them back.
   */
  unreachableTasks(nowMs: number, patienceMs: number, limit: number): DueTimer[] {
    return takeUnreachable(this.#queue, this.#roster, nowMs - patienceMs, limit);
  }

  /** The end of such a task could not be recorded. */
  keepWaiting(taskId: string): void {
    const task = this.#tasks.get(taskId);
    if (!task) return;
    this.#queue.delete(task);
    this.#reschedule(task);
  }

  /** Tasks of that stream are given to nobody and have no timers, or its agent gets no more work: events that follow in it are missing here. */
  halt(stream: string): void {
    const id = idOf(stream);
    if (categoryOf(stream) === 'agent') this.#roster.halt(id);
    else this.#halted.add(id);
    const task = this.#tasks.get(id);
    for (const halted of task ? [task] : this.#executions.of(id)) {
      if (halted.agentId === undefined) this.#queue.withhold(halted, 'unreadable');
      this.dependents.delete(halted);
      this.#schedule(halted);
    }
  }

  /** Whether the task is halted. Its attempt is over by now and holds no slot: others do not wait for a newer build. */
  #rests(taskId: string): boolean {
    const task = this.#tasks.get(taskId);
    if (!task || !this.#isHalted(task)) return false;
    this.#timers.delete(taskId);
    this.#giveBack(task);
    this.#queue.withhold(this.#tasks.change(task, { agentId: undefined }), 'unreadable');
    return true;
  }

  #schedule(task: TaskEntry): void {
    this.#timers.schedule(this.#isHalted(task) ? { ...task, deadlineMs: undefined, releasing: false } : task);
  }

  #isHalted({ taskId, executionId }: TaskEntry): boolean {
    return this.#halted.has(executionId ?? taskId);
  }

  #open(facts: Parameters<typeof openEntry>[0], attempt: number, readyAt: string): void {
    const task = openEntry(facts, attempt, Math.min(Date.parse(readyAt), this.#recordedMs), this.#nextSeq++);
    this.#tasks.set(task);
    this.#enter(task);
  }

  #enter(task: TaskEntry): void {
    this.#executions.add(task);
    this.dependents.add(task);
    this.#reschedule(task);
  }

  #close(taskId: string): void {
    const task = this.#tasks.get(taskId);
    if (!task) return;
    this.#giveBack(task);
    this.#queue.delete(task);
    this.#timers.delete(taskId);
    this.#tasks.delete(task);
    this.#unrecorded.delete(taskId);
    this.#executions.delete(task);
    this.dependents.delete(task);
  }

  #unblocked({ taskId, unblockedAt }: Extract<TaskEvent, { type: 'TaskUnblocked' }>['data']): void {
    const task = this.#tasks.get(taskId);
    if (task?.waitsFor)
      this.#enter(this.#tasks.change(task, unblocked(Math.min(Date.parse(unblockedAt), this.#recordedMs))));
  }

  #attemptFailed(data: Extract<TaskEvent, { type: 'TaskAttemptFailed' }>['data']): void {
    const task = this.#tasks.get(data.taskId);
    if (!task || data.attempt !== task.attempt) return;
    const holder = data.agentId ?? task.agentId;
    if (holder !== undefined) this.#roster.judge({ ...task, agentId: holder }, data);
    if (data.retryAt === undefined) {
      // The dead letter follows in the same append. Until it is read here, the task must not be given to anyone.
      this.#close(task.taskId);
      return;
    }
    this.#giveBack(task);
    this.#queue.delete(task);
    const failedOn = data.error.notSent ? undefined : holder;
    this.#reschedule(
      this.#tasks.change(
        task,
        nextAttempt(task, { ...data, retryAt: data.retryAt, failedOn, recordedMs: this.#recordedMs }),
      ),
    );
  }

  #assigned(assignment: Assignment): void {
    const { taskId, attempt, agentId, expiresAt } = assignment;
    const task = this.#tasks.get(taskId);
    if (!task || task.attempt !== attempt || task.agentId !== undefined) return;
    this.#queue.delete(task);
    // It may have fallen silent between the decision and its append.
    const expiresMs = this.#roster.isSilent(agentId) ? LOST.gone : Date.parse(expiresAt);
    const held = this.#tasks.change(task, { agentId, expiresMs });
    this.#roster.take({ ...task, agentId });
    this.#memory.assigned(task, assignment);
    this.#schedule(held);
  }

  #giveBack({ agentId, taskId, capability }: TaskEntry): void {
    if (agentId === undefined) return;
    this.#roster.giveBack({ agentId, taskId, capability });
    this.#recalls.delete(taskId);
  }

  /** Puts a task where it belongs by its fields: held by an agent, ready, or delayed. */
  #reschedule(task: TaskEntry): void {
    const isHalted = this.#isHalted(task);
    const withheld = isHalted ? 'unreadable' : task.waitsFor ? 'dependency' : this.#executions.withheld(task);
    if (task.agentId === undefined && withheld) this.#queue.withhold(task, withheld);
    else if (task.agentId === undefined) this.#queue.add(task);
    if (!isHalted) this.#timers.schedule(task);
  }

  /** What the agent holds is given up at once. */
  #loseCalls(agentId: string, expiresMs: number): void {
    for (const task of this.#tasks.heldBy(agentId)) this.#schedule(this.#tasks.change(task, { expiresMs }));
  }
}
