import type { Requirement } from '../routing/eligibility.ts';
import { IndexedHeap } from '../structures/indexed-heap.ts';
import type { TaskEntry } from './task-entry.ts';

/** One priority level is worth this much waiting: a background task overtakes a critical one submitted 4 levels × this later. */
export const AGEING_STEP_MS = 30_000;

/** No range is another requirement than `*`, which leaves prereleases out; the empty range is refused at submission. */
export const requirementKey = ({ capability, versionRange }: Requirement): string =>
  `${capability}@${versionRange ?? ''}`;

/** Attempts that wait for an agent: delayed until their time comes, then ready, per requirement, oldest effective priority first. */
export class ReadyQueue {
  readonly #tasks: ReadonlyMap<string, TaskEntry>;
  readonly #ready = new Map<string, IndexedHeap>();
  readonly #delayed = new IndexedHeap();

  /** @param tasks holds every task of the queue */
  constructor(tasks: ReadonlyMap<string, TaskEntry>) {
    this.#tasks = tasks;
  }

  /** The attempt is ready from its `readyMs` on. */
  add({ taskId, readyMs, seq }: TaskEntry): void {
    this.#delayed.set(taskId, readyMs, seq);
  }

  delete(task: TaskEntry): void {
    if (!this.#delayed.delete(task.taskId)) this.#ready.get(requirementKey(task))?.delete(task.taskId);
  }

  /** When the next delayed attempt is ready. */
  nextDueMs(): number | undefined {
    return this.#delayed.peek()?.key;
  }

  /** Makes those ready whose time has come. */
  wake(nowMs: number): void {
    for (let head = this.#delayed.peek(); head && head.key <= nowMs; head = this.#delayed.peek()) {
      const task = this.#tasks.get(head.id) as TaskEntry;
      this.#delayed.delete(task.taskId);
      const key = requirementKey(task);
      const heap = this.#ready.get(key) ?? new IndexedHeap();
      this.#ready.set(key, heap);
      heap.set(task.taskId, task.readyMs + task.priority * AGEING_STEP_MS, task.seq);
    }
  }

  /** The ready task that has waited longest by effective priority, leaving out requirements that found no agent in this tick. */
  next(stuck: ReadonlySet<string>, nowMs: number): TaskEntry | undefined {
    let best: ReturnType<IndexedHeap['peek']>;
    for (const [key, heap] of this.#ready) {
      this.#dropOverdue(heap, nowMs);
      const head = heap.peek();
      if (!head) this.#ready.delete(key);
      else if (stuck.has(key)) continue;
      else if (!best || head.key < best.key || (head.key === best.key && head.seq < best.seq)) best = head;
    }
    return best && this.#tasks.get(best.id);
  }

  /** A task whose deadline has passed is about to be dead-lettered: an agent that got it now would work for nothing. */
  #dropOverdue(ready: IndexedHeap, nowMs: number): void {
    for (let head = ready.peek(); head; head = ready.peek()) {
      const { deadlineMs } = this.#tasks.get(head.id) as TaskEntry;
      if (deadlineMs === undefined || deadlineMs > nowMs) return;
      ready.delete(head.id);
    }
  }
}
