import { describe, expect, it } from 'vitest';
import { openEntry, type TaskEntry } from './task-entry.ts';
import { TASKS_PER_PART, TaskTable } from './task-table.ts';

const taskOf = (seq: number): TaskEntry =>
  openEntry(
    { taskId: `t${seq}`, capability: 'work', priority: 2, strategy: 'least_loaded', timeoutMs: 1 },
    1,
    seq,
    seq,
  );

const tableOf = (tasks: number): TaskTable => {
  const table = new TaskTable();
  for (let seq = 0; seq < tasks; seq += 1) table.set(taskOf(seq));
  return table;
};

const idsOf = (parts: ReturnType<TaskTable['take']>) =>
  parts.map(({ part, items }) => [part, items.map(({ taskId }) => taskId)]);

describe('the parts of a snapshot', () => {
  it('are bounded in size and hold every task once', () => {
    const parts = tableOf(2.5 * TASKS_PER_PART).take('all');
    expect(parts.map(({ part, items }) => [part, items.length])).toEqual([
      [0, TASKS_PER_PART],
      [1, TASKS_PER_PART],
      [2, TASKS_PER_PART / 2],
    ]);
    expect(new Set(parts.flatMap(({ items }) => items)).size).toBe(2.5 * TASKS_PER_PART);
  });

  it('stay as they were taken while the tasks change', () => {
    const table = tableOf(3);
    const taken = table.take('all');
    table.change(table.get('t0') as TaskEntry, { agentId: 'a' });
    table.delete(table.get('t1') as TaskEntry);
    table.set(taskOf(3));
    expect(idsOf(taken)).toEqual([[0, ['t0', 't1', 't2']]]);
    expect(taken[0]?.items[0]?.agentId).toBeUndefined();
  });

  it('are taken again only when they changed', () => {
    const table = tableOf(TASKS_PER_PART + 2);
    table.take('all');
    expect(table.take('changed')).toEqual([]);
    table.change(table.get(`t${TASKS_PER_PART}`) as TaskEntry, { agentId: 'a' });
    expect(idsOf(table.take('changed'))).toEqual([[1, [`t${TASKS_PER_PART}`, `t${TASKS_PER_PART + 1}`]]]);
  });

  it('are taken without tasks, once, when none is open any more', () => {
    const table = tableOf(1);
    table.take('all');
    table.delete(table.get('t0') as TaskEntry);
    expect(table.take('changed')).toEqual([{ part: 0, items: [] }]);
    expect(table.take('all')).toEqual([]);
  });

  it('count as unchanged after they were restored', () => {
    const table = new TaskTable();
    for (const task of tableOf(2)
      .take('all')
      .flatMap(({ items }) => items))
      table.restore(task);
    expect(table.take('changed')).toEqual([]);
    expect(idsOf(table.take('all'))).toEqual([[0, ['t0', 't1']]]);
  });
});

it('a task that arrives again has one place', () => {
  const table = tableOf(1);
  table.set({ ...taskOf(TASKS_PER_PART), taskId: 't0' });
  expect(idsOf(table.take('all'))).toEqual([[1, ['t0']]]);
  expect(table.size).toBe(1);
});

it('knows which tasks agents hold', () => {
  const table = tableOf(3);
  const held = table.change(table.get('t1') as TaskEntry, { agentId: 'a' });
  expect([...table.held()]).toEqual([held]);
  table.change(held, { agentId: undefined });
  expect([table.size, table.heldSize]).toEqual([3, 0]);
});

describe('what agents hold', () => {
  const ids = (table: TaskTable, agentId: string) => table.heldBy(agentId).map(({ taskId }) => taskId);
  const give = (table: TaskTable, taskId: string, agentId: string | undefined) =>
    table.change(table.get(taskId) as TaskEntry, { agentId });

  it('is known by agent, through changes, other owners and ends', () => {
    const table = tableOf(4);
    for (const taskId of ['t0', 't1', 't2']) give(table, taskId, 'a');
    give(table, 't1', 'b');
    table.change(table.get('t0') as TaskEntry, { expiresMs: 5 });
    expect([ids(table, 'a'), ids(table, 'b'), table.heldSize]).toEqual([['t0', 't2'], ['t1'], 3]);
    give(table, 't2', undefined);
    table.delete(table.get('t1') as TaskEntry);
    expect([ids(table, 'a'), ids(table, 'b'), table.heldSize]).toEqual([['t0'], [], 1]);
    expect(table.heldBy('a')[0]?.expiresMs).toBe(5);
  });

  it('is known after a restore', () => {
    const table = new TaskTable();
    table.restore({ ...taskOf(0), agentId: 'a' });
    expect(ids(table, 'a')).toEqual(['t0']);
  });
});
