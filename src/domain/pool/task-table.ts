import { ShardedMap } from '../structures/sharded-map.ts';
import type { TaskEntry } from './task-entry.ts';

/** Tasks per part of a snapshot: about 350 KB of JSON, which take 2 to 3 ms to encode. */
export const TASKS_PER_PART = 1_000;

/** The open tasks among a thousand that arrived one after the other. Empty when none of them is open any more. */
export type TaskPart = { readonly part: number; readonly items: readonly TaskEntry[] };

type Slots = { readonly entries: (TaskEntry | undefined)[]; size: number };

const partOf = ({ seq }: TaskEntry): number => Math.floor(seq / TASKS_PER_PART);
const isOpen = (task: TaskEntry | undefined): task is TaskEntry => task !== undefined;
const slotOf = ({ seq }: TaskEntry): number => seq % TASKS_PER_PART;

/**
 * The open tasks of a pool, by id, and in parts by their order of arrival. An entry is replaced and never changed: so a snapshot of a million
 * tasks copies references only, and is encoded later, part by part, while the pool goes on. Only parts that changed are encoded again.
 */
export class TaskTable {
  readonly #byId = new ShardedMap<TaskEntry>();
  readonly #parts = new Map<number, Slots>();
  /** Parts that changed since they were last taken. */
  readonly #changed = new Set<number>();
  /** Tasks that an agent holds. */
  readonly #held = new Set<string>();
  /** The same by agent. */
  readonly #heldBy = new Map<string, Set<string>>();

  get size(): number {
    return this.#byId.size;
  }

  get heldSize(): number {
    return this.#held.size;
  }

  get(taskId: string): TaskEntry | undefined {
    return this.#byId.get(taskId);
  }

  *held(): Generator<TaskEntry> {
    for (const taskId of this.#held) yield this.#byId.get(taskId) as TaskEntry;
  }

  heldBy(agentId: string): TaskEntry[] {
    return [...(this.#heldBy.get(agentId) ?? [])].map((taskId) => this.#byId.get(taskId) as TaskEntry);
  }

  set(task: TaskEntry): void {
    this.restore(task);
    this.#changed.add(partOf(task));
  }

  /** Replaces the entry by one with these changes, and returns it. */
  change(task: TaskEntry, changes: Partial<TaskEntry>): TaskEntry {
    const changed = { ...task, ...changes };
    this.set(changed);
    return changed;
  }

  /** Puts in a task as a snapshot has it. */
  restore(task: TaskEntry): void {
    const known = this.#byId.get(task.taskId);
    if (known && known.seq !== task.seq) this.#clearSlot(known);
    this.#byId.set(task.taskId, task);
    if (known?.agentId !== task.agentId) {
      this.#letGo(known);
      this.#hold(task);
    }
    this.#fillSlot(task);
  }

  delete(task: TaskEntry): void {
    this.#letGo(this.#byId.get(task.taskId));
    this.#byId.delete(task.taskId);
    this.#clearSlot(task);
  }

  #hold({ taskId, agentId }: TaskEntry): void {
    if (agentId === undefined) return;
    this.#held.add(taskId);
    const held = this.#heldBy.get(agentId);
    if (held) held.add(taskId);
    else this.#heldBy.set(agentId, new Set([taskId]));
  }

  #letGo(task: TaskEntry | undefined): void {
    if (task?.agentId === undefined) return;
    this.#held.delete(task.taskId);
    const held = this.#heldBy.get(task.agentId);
    held?.delete(task.taskId);
    if (held?.size === 0) this.#heldBy.delete(task.agentId);
  }

  /** Copies of the parts that changed since this was last called, or of all. */
  take(which: 'changed' | 'all'): TaskPart[] {
    const wanted = which === 'all' ? [...this.#parts.keys()] : [...this.#changed];
    this.#changed.clear();
    return wanted.map((part) => {
      const entries = this.#parts.get(part)?.entries.slice() ?? [];
      // Looking at them takes ten times as long as copying them: that is put off until the part is encoded.
      return {
        part,
        get items() {
          return entries.filter(isOpen);
        },
      };
    });
  }

  #fillSlot(task: TaskEntry): void {
    const part = partOf(task);
    const slots = this.#parts.get(part) ?? { entries: [], size: 0 };
    this.#parts.set(part, slots);
    if (slots.entries[slotOf(task)] === undefined) slots.size += 1;
    slots.entries[slotOf(task)] = task;
  }

  #clearSlot(task: TaskEntry): void {
    const part = partOf(task);
    this.#changed.add(part);
    const slots = this.#parts.get(part);
    if (slots?.entries[slotOf(task)] === undefined) return;
    slots.entries[slotOf(task)] = undefined;
    slots.size -= 1;
    if (slots.size === 0) this.#parts.delete(part);
  }
}
