import type { PoolEvent } from '../pool/events.ts';
import type { TaskEvent } from '../task/events.ts';
import type { AdmissionEvent } from './events.ts';
import { FlowRate } from './flow-rate.ts';
import { isAdmissionEvent, type PoolControl, PoolControls } from './pool-control.ts';

/** The tasks of one capability in a pool, as far as they are open. */
type Group = {
  readonly pool: string;
  readonly capability: string;
  /** Those that no agent holds, and since when, the longest first. */
  readonly waiting: Map<string, number>;
  running: number;
  readonly arrived: FlowRate;
  readonly started: FlowRate;
};

type OpenTask = { readonly group: Group; attempt: number; held: boolean };

/** Without the open tasks, which are in parts. */
export type BacklogSnapshot = { readonly controls: readonly AdmissionEvent[] };

/** A task that waits: since when, in milliseconds. One that runs: nothing. */
type TaskItem = readonly [taskId: string, attempt: number, waitsSinceMs?: number];

/** Open tasks of a capability in a pool. */
export type BacklogPart = {
  readonly part: number;
  readonly items: readonly [pool: string, capability: string, ...TaskItem[]];
};

/** What waits and runs, of a pool or of a capability in it. */
export type BacklogCounts = {
  readonly waiting: number;
  readonly running: number;
  /** Since when the one that waits longest does; undefined where none waits. */
  readonly oldestSinceMs: number | undefined;
  /** Over the last minute, as far as this process has seen it. */
  readonly arrivedPerSecond: number;
  readonly startedPerSecond: number;
};

/** About 100 bytes each. */
const TASKS_PER_PART = 4_000;

/** Raised with any change of what a snapshot holds or means. */
export const BACKLOG_VERSION = 1;

const chunked = (tasks: readonly TaskItem[]): TaskItem[][] =>
  Array.from({ length: Math.ceil(tasks.length / TASKS_PER_PART) }, (_, n) =>
    tasks.slice(n * TASKS_PER_PART, (n + 1) * TASKS_PER_PART),
  );

const countsOf = ({ waiting, running, arrived, started }: Group, nowMs: number): BacklogCounts => {
  const [oldest] = waiting.values();
  return {
    waiting: waiting.size,
    running,
    oldestSinceMs: oldest,
    arrivedPerSecond: arrived.perSecond(nowMs),
    startedPerSecond: started.perSecond(nowMs),
  };
};

const newGroup = (pool: string, capability: string): Group => ({
  pool,
  capability,
  waiting: new Map(),
  running: 0,
  arrived: new FlowRate(),
  started: new FlowRate(),
});

/** What waits and runs in every pool. A fold of the log, changed in place (docs/adr/0002): who submits asks it whether there is room. */
export class Backlog {
  /** Called when a task is submitted. */
  onSubmitted: (taskId: string) => void = () => {};
  readonly #tasks = new Map<string, OpenTask>();
  readonly #groups = new Map<string, Map<string, Group>>();
  readonly #waiting = new Map<string, number>();
  readonly #controls = new PoolControls();

  constructor(snapshot?: BacklogSnapshot) {
    for (const event of snapshot?.controls ?? []) this.#controls.evolve(event);
  }

  snapshot(): BacklogSnapshot {
    return { controls: this.#controls.events() };
  }

  takeParts(): BacklogPart[] {
    const items = new Map<Group, TaskItem[]>();
    for (const groups of this.#groups.values())
      for (const group of groups.values())
        items.set(
          group,
          [...group.waiting].map(([id, sinceMs]) => [id, this.#tasks.get(id)?.attempt ?? 1, sinceMs]),
        );
    for (const [taskId, { group, attempt, held }] of this.#tasks) if (held) items.get(group)?.push([taskId, attempt]);
    return [...items]
      .flatMap(([{ pool, capability }, tasks]) => chunked(tasks).map((some) => [pool, capability, ...some] as const))
      .map((each, part) => ({ part, items: each }));
  }

  restorePart({ items: [pool, capability, ...tasks] }: BacklogPart): void {
    for (const [taskId, attempt, sinceMs] of tasks) {
      const group = this.#groupOf(pool, capability);
      this.#tasks.set(taskId, { group, attempt, held: sinceMs === undefined });
      if (sinceMs === undefined) group.running += 1;
      else this.#wait(group, taskId, sinceMs);
    }
  }

  /** The task is open. */
  has(taskId: string): boolean {
    return this.#tasks.has(taskId);
  }

  /** Tasks of the pool that no agent holds. */
  waitingIn(pool: string): number {
    return this.#waiting.get(pool) ?? 0;
  }

  /** Of every pool that has open tasks, with its capabilities. */
  *counts(nowMs: number): Generator<{ readonly pool: string; readonly capability: string } & BacklogCounts> {
    for (const groups of this.#groups.values())
      for (const group of groups.values())
        yield { pool: group.pool, capability: group.capability, ...countsOf(group, nowMs) };
  }

  /** How many of the pool's tasks an agent got per second of the last minute. */
  startedPerSecond(pool: string, nowMs: number): number {
    return [...(this.#groups.get(pool)?.values() ?? [])].reduce(
      (sum, { started }) => sum + started.perSecond(nowMs),
      0,
    );
  }

  /** Nothing is due without an event. */
  nextDueMs(): undefined {
    return undefined;
  }

  /** What is in a stream that cannot be read stays as it is. */
  halt(): void {}

  /** What people have decided about the pool. */
  controlOf(pool: string): PoolControl {
    return this.#controls.of(pool);
  }

  /** Those with open tasks, and those about which people have decided something. */
  get pools(): string[] {
    return [...new Set([...this.#groups.keys(), ...this.#controls.pools])];
  }

  evolve(event: TaskEvent | PoolEvent | AdmissionEvent): void {
    if (isAdmissionEvent(event)) this.#controls.evolve(event);
    else this.#evolveTasks(event);
  }

  #evolveTasks(event: TaskEvent | PoolEvent): void {
    switch (event.type) {
      case 'TaskSubmitted':
        this.#open(event.data, 1, event.data.submittedAt);
        this.onSubmitted(event.data.taskId);
        return;
      case 'TaskRedriven':
        this.#open(event.data, event.data.nextAttempt, event.data.redrivenAt);
        return;
      case 'TasksAssigned':
        for (const { taskId, attempt } of event.data.assignments) this.#start(taskId, attempt, event.data.assignedAt);
        return;
      case 'TaskAttemptFailed':
        if (event.data.retryAt === undefined) this.#close(event.data.taskId);
        else this.#giveBack(event.data.taskId, event.data.attempt, event.data.failedAt);
        return;
      case 'TaskCompleted':
      case 'TaskOutcomeUnknown':
      case 'TaskCancelled':
      case 'TaskFailed':
      case 'TaskDeadLettered':
        this.#close(event.data.taskId);
        return;
      default:
        return;
    }
  }

  #open(facts: { taskId: string; pool: string; capability: string }, attempt: number, at: string): void {
    if (this.#tasks.has(facts.taskId)) return;
    const group = this.#groupOf(facts.pool, facts.capability);
    this.#tasks.set(facts.taskId, { group, attempt, held: false });
    const atMs = Date.parse(at);
    group.arrived.count(atMs);
    this.#wait(group, facts.taskId, atMs);
  }

  /** An assignment is void unless the attempt waits: it may have ended between decision and append. */
  #start(taskId: string, attempt: number, at: string): void {
    const task = this.#tasks.get(taskId);
    if (!task || task.held || task.attempt !== attempt) return;
    this.#leave(task.group, taskId);
    task.held = true;
    task.group.running += 1;
    task.group.started.count(Date.parse(at));
  }

  #giveBack(taskId: string, attempt: number, at: string): void {
    const task = this.#tasks.get(taskId);
    if (!task || task.attempt !== attempt) return;
    task.attempt += 1;
    if (!task.held) return;
    task.held = false;
    task.group.running -= 1;
    this.#wait(task.group, taskId, Date.parse(at));
  }

  #close(taskId: string): void {
    const task = this.#tasks.get(taskId);
    if (!task) return;
    const { group, held } = task;
    this.#tasks.delete(taskId);
    if (held) group.running -= 1;
    else this.#leave(group, taskId);
    if (group.running === 0 && group.waiting.size === 0) this.#forget(group);
  }

  #wait({ pool, waiting }: Group, taskId: string, sinceMs: number): void {
    waiting.set(taskId, sinceMs);
    this.#waiting.set(pool, this.waitingIn(pool) + 1);
  }

  #leave({ pool, waiting }: Group, taskId: string): void {
    waiting.delete(taskId);
    this.#waiting.set(pool, this.waitingIn(pool) - 1);
  }

  #groupOf(pool: string, capability: string): Group {
    const groups = this.#groups.get(pool) ?? new Map<string, Group>();
    this.#groups.set(pool, groups);
    const group = groups.get(capability) ?? newGroup(pool, capability);
    groups.set(capability, group);
    return group;
  }

  #forget({ pool, capability }: Group): void {
    const groups = this.#groups.get(pool);
    groups?.delete(capability);
    if (groups?.size !== 0) return;
    this.#groups.delete(pool);
    this.#waiting.delete(pool);
  }
}
