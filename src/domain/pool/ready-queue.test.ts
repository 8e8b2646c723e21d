import { describe, expect, it } from 'vitest';
import { LANES, Matching } from './matching.ts';
import { ReadyQueue } from './ready-queue.ts';
import { openEntry, type TaskEntry } from './task-entry.ts';

const entry = (taskId: string, capability: string, seq: number): TaskEntry =>
  openEntry({ taskId, capability, priority: 3, strategy: 'least_loaded', timeoutMs: 1_000 }, 1, 0, seq);

/** Counts how often a task is examined. */
class CountedTasks extends Map<string, TaskEntry> {
  looks = 0;
  override get(taskId: string): TaskEntry | undefined {
    this.looks += 1;
    return super.get(taskId);
  }
}

describe('work that no agent can do', () => {
  it('is not examined when other work is assigned, however much of it there is', () => {
    const tasks = new CountedTasks();
    const matching = new Matching();
    const queue = new ReadyQueue(tasks, matching);
    matching.setFree(matching.offer({ name: 'work', versions: ['1.0.0'] }, 'local'), 1);
    for (let seq = 0; seq < 1_000; seq += 1) tasks.set(`none-${seq}`, entry(`none-${seq}`, `none-${seq}`, seq));
    tasks.set('ordinary', entry('ordinary', 'work', 1_000));
    for (const task of tasks.values()) queue.add(task);
    expect(queue.wake(0, 2_000)).toBe(1_001);

    tasks.looks = 0;
    expect(queue.next(0, LANES)?.taskId).toBe('ordinary');
    queue.delete(entry('ordinary', 'work', 1_000));
    expect(queue.next(0, LANES)).toBeUndefined();
    expect(tasks.looks).toBeLessThan(5);
  });

  it('becomes ready a limited number at a time', () => {
    const tasks = new Map<string, TaskEntry>();
    const queue = new ReadyQueue(tasks, new Matching());
    for (let seq = 0; seq < 5; seq += 1) tasks.set(`t${seq}`, entry(`t${seq}`, 'work', seq));
    for (const task of tasks.values()) queue.add(task);
    expect([queue.wake(0, 3), queue.wake(0, 3), queue.wake(0, 3)]).toEqual([3, 2, 0]);
  });
});
