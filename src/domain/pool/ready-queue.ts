import { hasSteppedBack } from '../stepped-back.ts';
import { IndexedHeap } from '../structures/indexed-heap.ts';
import { ShardedMap } from '../structures/sharded-map.ts';
import { type Lane, type Matching, requirementKey } from './matching.ts';
import type { TaskEntry } from './task-entry.ts';
import type { TaskTable } from './task-table.ts';

/** One priority level is worth this much waiting: a background task overtakes a critical one submitted 4 levels × this later. */
export const AGEING_STEP_MS = 30_000;

/**
 * Why an attempt that has no agent is not in the queue: it waits for other tasks; its execution is paused, or aborts and takes it back; its deadline has passed; it is
 * given up because its agents are unreachable; its stream holds an event that cannot be read.
 */
export type Withheld = 'dependency' | 'paused' | 'aborting' | 'deadline' | 'unreachable' | 'unreadable';

export type Place = 'delayed' | 'ready' | Withheld;

/** Attempts that wait for an agent: delayed until their time comes, then ready, per requirement, oldest effective priority first. */
export class ReadyQueue {
  readonly #tasks: Pick<TaskTable, 'get'>;
  readonly #matching: Matching;
  readonly #ready = new Map<string, IndexedHeap>();
  /** By the time at which they are ready, on the clock of the leader. */
  readonly #delayed = new IndexedHeap();
  /** Those that no clock has looked at yet, by the time that they are ready by the clock of whoever recorded them. */
  readonly #arrived = new IndexedHeap();
  readonly #withheld = new ShardedMap<Withheld>();
  #readySize = 0;
  #lookedMs = Number.NEGATIVE_INFINITY;

  /**
   * @param tasks holds every task of the queue
   * @param matching is told which requirements have ready work
   */
  constructor(tasks: Pick<TaskTable, 'get'>, matching: Matching) {
    this.#tasks = tasks;
    this.#matching = matching;
  }

  /** The attempt is ready from its `readyMs` on, and not later than its `waitMs` after the next `wake`. */
  add({ taskId, readyMs, seq }: TaskEntry): void {
    this.#withheld.delete(taskId);
    this.#arrived.set(taskId, readyMs, seq);
  }

  /** Takes the attempt out for a reason, until it is added again. */
  withhold(task: TaskEntry, why: Withheld): void {
    this.delete(task);
    this.#withheld.set(task.taskId, why);
  }

  /** Attempts that are in the queue, or known not to be. */
  get size(): number {
    return this.#arrived.size + this.#delayed.size + this.#readySize + this.#withheld.size;
  }

  /** Where the attempt is; undefined when nobody would ever look at it again. */
  placeOf(task: TaskEntry): Place | undefined {
    const { taskId } = task;
    if (this.#arrived.has(taskId) || this.#delayed.has(taskId)) return 'delayed';
    if (this.#ready.get(requirementKey(task))?.has(taskId)) return 'ready';
    return this.#withheld.get(taskId);
  }

  delete(task: TaskEntry): void {
    if (this.#withheld.delete(task.taskId)) return;
    if (this.#delayed.delete(task.taskId) || this.#arrived.delete(task.taskId)) return;
    const ready = this.#ready.get(requirementKey(task));
    if (ready) this.#takeOut(task, ready);
  }

  /** When there is something to wake. */
  nextDueMs(): number | undefined {
    return this.#arrived.peek() ? 0 : this.#delayed.peek()?.key;
  }

  /** Looks at those that have come, and makes those ready whose time has come: at most `limit`; returns how many. */
  wake(nowMs: number, limit: number): number {
    if (hasSteppedBack(this.#lookedMs, nowMs)) this.#lookAgain();
    this.#lookedMs = nowMs;
    let woken = 0;
    for (let waiting = this.#due(nowMs); waiting && woken < limit; waiting = this.#due(nowMs)) {
      const { id } = waiting.peek() as { readonly id: string };
      waiting.delete(id);
      const task = this.#tasks.get(id) as TaskEntry;
      const readyMs = waiting === this.#arrived ? Math.min(task.readyMs, nowMs + task.waitMs) : nowMs;
      if (readyMs > nowMs) this.#delayed.set(id, readyMs, task.seq);
      else this.#makeReady(task);
      woken += 1;
    }
    return woken;
  }

  /** These are due by now, whatever their times say. */
  hasten(taskIds: readonly string[]): void {
    for (const id of taskIds) if (this.#delayed.delete(id)) this.#makeReady(this.#tasks.get(id) as TaskEntry);
  }

  /** What was ready at a time of the clock before its step would wait until the clock is there again. */
  #lookAgain(): void {
    for (let id = this.#delayed.pop(); id !== undefined; id = this.#delayed.pop())
      this.add(this.#tasks.get(id) as TaskEntry);
  }

  /** Whose first attempt is the next to be made ready: in the order of time, so that neither keeps the other from it. */
  #due(nowMs: number): IndexedHeap | undefined {
    const [arrived, delayed] = [this.#arrived.peek(), this.#delayed.peek()];
    const isDue = delayed !== undefined && delayed.key <= nowMs;
    if (arrived === undefined) return isDue ? this.#delayed : undefined;
    return isDue && delayed.key < arrived.key ? this.#delayed : this.#arrived;
  }

  /** The ready task that has waited longest by effective priority, among those for which an agent is free in these lanes. */
  next(nowMs: number, lanes: readonly Lane[]): TaskEntry | undefined {
    for (let key = this.#matching.next(lanes); key !== undefined; key = this.#matching.next(lanes)) {
      const ready = this.#ready.get(key) as IndexedHeap;
      const task = this.#tasks.get(ready.peek()?.id as string) as TaskEntry;
      // A task whose deadline has passed is about to be dead-lettered: an agent that got it now would work for nothing.
      if (task.deadlineMs === undefined || task.deadlineMs > nowMs) return task;
      this.withhold(task, 'deadline');
    }
    return undefined;
  }

  /** The first ready task of each requirement. */
  *heads(): Generator<TaskEntry> {
    for (const ready of [...this.#ready.values()]) yield this.#tasks.get(ready.peek()?.id as string) as TaskEntry;
  }

  /** All ready tasks of the same requirement, in no particular order. */
  *readyLike(task: TaskEntry): Generator<TaskEntry> {
    for (const id of this.#ready.get(requirementKey(task))?.ids() ?? []) yield this.#tasks.get(id) as TaskEntry;
  }

  #takeOut(task: TaskEntry, ready: IndexedHeap): void {
    if (!ready.delete(task.taskId)) return;
    this.#readySize -= 1;
    this.#setHead(task, ready);
  }

  #makeReady(task: TaskEntry): void {
    const key = requirementKey(task);
    const ready = this.#ready.get(key) ?? new IndexedHeap();
    this.#ready.set(key, ready);
    const before = ready.peek();
    if (!ready.has(task.taskId)) this.#readySize += 1;
    ready.set(task.taskId, task.readyMs + task.priority * AGEING_STEP_MS, task.seq);
    if (ready.peek() !== before) this.#setHead(task, ready);
  }

  #setHead(task: TaskEntry, ready: IndexedHeap): void {
    const head = ready.peek();
    if (head === undefined) this.#ready.delete(requirementKey(task));
    this.#matching.setHead(task, head);
  }
}
