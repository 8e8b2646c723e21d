import { IndexedHeap } from '../structures/indexed-heap.ts';
import type { LedgerEvent } from './ledger-snapshot.ts';
import type { TaskEntry } from './task-entry.ts';
import type { DueTimer } from './timers.ts';

/** After these a task may still come to its end, or has done so before. */
const GOES_ON: ReadonlySet<string> = new Set([
  'TaskSubmitted',
  'TaskAttemptStarted',
  'TaskProgressReported',
  'TaskAttemptFailed',
  'TaskOutcomeUnknown',
  'TaskDeadLettered',
  'TaskUnblocked',
  'TaskRedriven',
]);

/**
 * Tasks of the pool that wait for other tasks, of any pool. Each is due to be looked at once it is known here, because what it waits for may
 * have ended before its submission was in the log, and again whenever one of those ends. What a look finds is read from the streams of these
 * tasks, so that this needs no memory of tasks that have ended, and a look too many changes nothing.
 */
export class Dependents {
  readonly #waiting = new Map<string, TaskEntry>();
  readonly #byDependency = new Map<string, Set<string>>();
  readonly #due = new IndexedHeap();
  /** Those of which something has happened since they were due. */
  readonly #news = new Set<string>();

  /** The task is open. One that waits for nothing is not kept. */
  add(task: TaskEntry): void {
    this.delete(task);
    const { taskId, seq, waitsFor } = task;
    if (waitsFor === undefined) return;
    this.#waiting.set(taskId, task);
    for (const dependency of waitsFor) {
      const known = this.#byDependency.get(dependency);
      if (known) known.add(taskId);
      else this.#byDependency.set(dependency, new Set([taskId]));
    }
    this.#due.set(taskId, 0, seq);
  }

  /** It waits no longer, or no more is known of it. */
  delete({ taskId }: Pick<TaskEntry, 'taskId'>): void {
    for (const dependency of this.#waiting.get(taskId)?.waitsFor ?? []) {
      const known = this.#byDependency.get(dependency);
      known?.delete(taskId);
      if (known?.size === 0) this.#byDependency.delete(dependency);
    }
    this.#waiting.delete(taskId);
    this.#due.delete(taskId);
    this.#news.delete(taskId);
  }

  /** An event of any pool. */
  notice({ type, data }: LedgerEvent): void {
    if (!('taskId' in data) || GOES_ON.has(type)) return;
    for (const dependent of this.#byDependency.get(data.taskId) ?? []) {
      this.#news.add(dependent);
      this.#due.set(dependent, 0, this.#waiting.get(dependent)?.seq ?? 0);
    }
  }

  nextDueMs(): number | undefined {
    return this.#due.peek()?.key;
  }

  /**
   * Those that are to be looked at, at most `limit`. Each is put off by `holdMs`, and is due again then unless `looked` says that it was
   * looked at; so are those of which `isUnderWay` says that they must not be looked at now.
   */
  due(nowMs: number, holdMs: number, limit: number, isUnderWay: (taskId: string) => boolean): DueTimer[] {
    const due: DueTimer[] = [];
    for (let head = this.#due.peek(); head && head.key <= nowMs && due.length < limit; head = this.#due.peek()) {
      const { taskId, seq, waitsFor = [] } = this.#waiting.get(head.id) as TaskEntry;
      this.#due.set(taskId, nowMs + holdMs, seq);
      if (isUnderWay(taskId)) continue;
      this.#news.delete(taskId);
      due.push({ kind: 'dependencies', taskId, waitsFor });
    }
    return due;
  }

  /** Returns false where something has happened since it was due: then it must be looked at again. */
  looked(taskId: string): boolean {
    if (this.#news.delete(taskId)) return false;
    this.#due.delete(taskId);
    return true;
  }
}
