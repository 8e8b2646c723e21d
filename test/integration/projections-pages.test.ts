import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listAssignments } from '../../src/projections/assignments/queries.ts';
import { listAuditLog } from '../../src/projections/audit-log/queries.ts';
import type { PageRequest } from '../../src/projections/page.ts';
import { listTaskAttempts } from '../../src/projections/task-attempts/queries.ts';
import {
  countTasks,
  countTasksByStatus,
  getTasks,
  listTasks,
  type TaskFilter,
} from '../../src/projections/tasks/queries.ts';
import { at, event, newTaskId, TENANT, World } from '../support/projections-support.ts';

let world: World;
beforeEach(async () => {
  world = await World.create();
});
afterEach(() => world.close());

const list = (filter: TaskFilter, page: PageRequest) => listTasks(world.pool, TENANT, filter, page);
const ids = async (filter: TaskFilter) => (await list(filter, { first: 200 })).edges.map(({ node }) => node.taskId);

describe('pages', () => {
  it('contain every row once, newest first, while rows are added', async () => {
    const old = Array.from({ length: 57 }, newTaskId);
    await world.append(...old.map((id) => event.submitted(id)));
    await world.runner();
    await world.handled();
    const seen: string[] = [];
    for (let after: string | undefined; ; ) {
      const page = await list({}, { first: 10, after });
      seen.push(...page.edges.map(({ node }) => node.taskId));
      after = page.edges.at(-1)?.cursor;
      if (!page.hasNextPage) break;
      await world.append(...Array.from({ length: 3 }, () => event.submitted(newTaskId())));
      await world.handled();
    }
    expect(seen).toEqual([...old].reverse());
  });

  it('contain every row once where many share a position', async () => {
    const tasks = Array.from({ length: 25 }, newTaskId);
    await world.append(...tasks.map((id) => event.submitted(id)), event.assigned(tasks.map((taskId) => ({ taskId }))));
    await world.project();
    for (const read of [listAssignments, listTaskAttempts]) {
      const seen: string[] = [];
      for (let after: string | undefined; ; ) {
        const page = await read(world.pool, TENANT, {}, { first: 4, after });
        seen.push(...page.edges.map(({ node }) => node.taskId));
        after = page.edges.at(-1)?.cursor;
        if (!page.hasNextPage) break;
      }
      expect(seen).toHaveLength(25);
      expect(new Set(seen)).toEqual(new Set(tasks));
    }
  });

  it('report whether there are more, also at the boundary', async () => {
    await world.append(...Array.from({ length: 4 }, () => event.submitted(newTaskId())));
    await world.project();
    expect((await list({}, { first: 3 })).hasNextPage).toBe(true);
    expect((await list({}, { first: 4 })).hasNextPage).toBe(false);
    const last = (await list({}, { first: 4 })).edges.at(-1)!.cursor;
    expect(await list({}, { first: 4, after: last })).toMatchObject({ edges: [], hasNextPage: false, position: 64n });
  });

  it('refuse a cursor of another list', async () => {
    await world.append(event.submitted(newTaskId()), event.submitted(newTaskId()));
    await world.project();
    const { cursor } = (await list({}, { first: 1 })).edges[0]!;
    const [fingerprint, position] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as string[];
    const forged = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString('base64url');
    const bad = [
      '',
      'x',
      '%%%',
      cursor.slice(0, -3),
      forged(),
      forged(1, 2, 3),
      forged('other', position, newTaskId()),
      forged(fingerprint, position, "'; DROP TABLE"),
      forged(fingerprint, '99999999999999999999', newTaskId()),
      forged(fingerprint, '-1', newTaskId()),
    ];
    for (const after of bad)
      await expect(list({}, { first: 1, after })).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
        details: { code: 'BAD_CURSOR' },
        issues: [{ pointer: '/after', code: 'BAD_CURSOR' }],
      });
    await expect(list({ capability: 'x' }, { first: 1, after: cursor })).rejects.toMatchObject({
      details: { code: 'BAD_CURSOR' },
    });
    await expect(listTasks(world.pool, 'other', {}, { first: 1, after: cursor })).rejects.toMatchObject({
      details: { code: 'BAD_CURSOR' },
    });
    await expect(listAuditLog(world.pool, TENANT, {}, { first: 1, after: cursor })).rejects.toMatchObject({
      details: { code: 'BAD_CURSOR' },
    });
  });

  it.each([0, -1, 201, 1.5, Number.NaN])('refuse %d as their size', async (first) => {
    await expect(list({}, { first })).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      issues: [{ pointer: '/first' }],
    });
  });
});

describe('the filters of tasks', () => {
  it('find and count matching tasks', async () => {
    const [a, b, c, d] = [newTaskId(), newTaskId(), newTaskId(), newTaskId()];
    await world.append(
      event.submitted(a, { capability: 'translate', tags: ['eu', 'vip'], priority: 1, submittedAt: at(10) }),
      event.submitted(b, { pool: 'other', tags: ['eu'], submittedAt: at(20) }),
      event.submitted(c, { submittedAt: at(30) }),
      event.submitted(d, { submittedAt: at(40) }),
      event.assigned([{ taskId: a }, { taskId: c, agentId: 'agent-2' }]),
      event.failed(c, { error: { code: 'X', message: 'Disk_full at 100%', source: 'agent', retryable: true } }),
      event.cancelled(d),
    );
    await world.project();
    expect(await ids({})).toEqual([d, c, b, a]);
    expect(await ids({ statuses: ['ready'] })).toEqual([c, b]);
    expect(await ids({ statuses: ['assigned', 'cancelled'] })).toEqual([d, a]);
    expect(await ids({ statuses: [] })).toEqual([]);
    expect(await ids({ capability: 'translate' })).toEqual([a]);
    expect(await ids({ pool: 'other' })).toEqual([b]);
    expect(await ids({ agentId: 'agent-1' })).toEqual([a]);
    expect(await ids({ tags: ['eu'] })).toEqual([b, a]);
    expect(await ids({ tags: ['eu', 'vip'] })).toEqual([a]);
    expect(await ids({ priorities: [1] })).toEqual([a]);
    expect(await ids({ text: 'DISK_FULL' })).toEqual([c]);
    expect(await ids({ text: '100%' })).toEqual([c]);
    expect(await ids({ text: '\\' })).toEqual([]);
    expect(await ids({ text: 'transl' })).toEqual([a]);
    expect(await ids({ submittedFrom: at(20), submittedTo: at(40) })).toEqual([c, b]);
    expect(await ids({ correlationId: `correlation-task-${TENANT}.${a}` })).toEqual([a]);
    expect(await ids({ pool: 'default', statuses: ['ready', 'assigned'], submittedTo: at(30) })).toEqual([a]);
    expect(await countTasks(world.pool, TENANT, { tags: ['eu'] })).toEqual({ value: 2n, position: 112n });
    expect(await countTasks(world.pool, 'nobody')).toEqual({ value: 0n, position: 112n });
    const { value } = await countTasksByStatus(world.pool, TENANT);
    expect([...value].sort()).toEqual([
      ['assigned', 1n],
      ['cancelled', 1n],
      ['ready', 2n],
    ]);
  });

  it('find nothing for an id that is not a UUID', async () => {
    expect(await getTasks(world.pool, TENANT, ['x', "'"])).toEqual({ value: [], position: -1n });
  });
});
