import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DomainEvent } from '../../src/domain/events.ts';
import type { StoredEvent } from '../../src/eventstore/event-store.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { bigint, defineTable, tenant } from '../../src/projections/define-table.ts';
import type { Fold, Projector } from '../../src/projections/projector.ts';
import { projectors } from '../../src/projections/registry.ts';
import { listProjections } from '../../src/projections/runner/overview.ts';
import { retryParked } from '../../src/projections/runner/retry-parked.ts';
import { tasksProjector } from '../../src/projections/tasks/projector.ts';
import { countTasks, getTask } from '../../src/projections/tasks/queries.ts';
import {
  event,
  newTaskId,
  pause,
  quiet,
  TASKS_SCHEMA,
  TENANT,
  until,
  versionOf,
  World,
} from '../support/projections-support.ts';

let world: World;
beforeEach(async () => {
  world = await World.create();
});
afterEach(() => world.close());

const history = (count: number): DomainEvent[] =>
  Array.from({ length: count }, newTaskId).flatMap((id, index) => [
    event.submitted(id, { tags: [`t${index % 3}`], capability: `c${index % 2}` }),
    event.assigned([{ taskId: id }]),
    ...(index % 3 === 0 ? [event.failed(id)] : index % 3 === 1 ? [event.completed(id)] : []),
  ]);

type Checkpoint = {
  name: string;
  position: bigint;
  status: string;
  reason: string | null;
  events: bigint;
  generation: bigint;
};
const checkpoints = async (): Promise<Checkpoint[]> =>
  (await world.pool.query<Checkpoint>('SELECT * FROM baton.checkpoints ORDER BY name')).rows;
const checkpoint = async (name: string): Promise<Checkpoint> => (await checkpoints()).find((row) => row.name === name)!;

/** Process id of the backend that runs a lane. */
const laneBackend = async (): Promise<number | undefined> => {
  const { rows } = await world.pool.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%WITH moved AS%' AND pid <> pg_backend_pid()
     ORDER BY state_change DESC LIMIT 1`,
  );
  return rows[0]?.pid;
};

describe('a runner', () => {
  it('folds the log and moves all checkpoints to its end', async () => {
    const head = await world.append(...history(10));
    await world.project();
    expect((await checkpoints()).map(({ name, position, status }) => [name, position, status])).toEqual([
      ['agents', head, 'live'],
      ['assignments', head, 'live'],
      ['audit_log', head, 'live'],
      ['breakers', head, 'live'],
      ['executions', head, 'live'],
      ['tasks', head, 'live'],
      ['workflows', head, 'live'],
    ]);
  });

  it('continues where the last one stopped, and handles no event twice', async () => {
    const events = history(30);
    for (let index = 0; index < events.length; index += 10) {
      await world.append(...events.slice(index, index + 10));
      await world.project({ maxBatch: 3 });
    }
    const live = await world.rows();
    await world.reset();
    await world.project();
    expect(await world.rows()).toEqual(live);
    expect((await checkpoint('tasks')).events).toBe(BigInt(events.length));
  });

  it('gives the same rows for any size of batches', async () => {
    await world.append(...history(40));
    await world.project({ maxBatch: 1_000 });
    const atOnce = await world.rows();
    for (const maxBatch of [1, 7]) {
      await world.reset();
      await world.project({ maxBatch });
      expect(await world.rows()).toEqual(atOnce);
    }
  });

  it('folds events that arrive while it runs', async () => {
    await world.runner();
    const id = newTaskId();
    const position = await world.append(event.submitted(id));
    await world.handled(projectors, position);
    expect((await getTask(world.pool, TENANT, id)).value?.status).toBe('ready');
  });

  it('rebuilds read models that somebody dropped', async () => {
    await world.append(...history(5));
    await world.project();
    const before = await world.rows();
    const built = (await checkpoint('tasks')).generation;
    await world.pool.query(`DROP SCHEMA ${TASKS_SCHEMA} CASCADE`);
    await expect(countTasks(world.pool, TENANT)).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    await world.runner();
    await until(async () => {
      const { generation, status } = await checkpoint('tasks');
      return generation === built + 1n && status === 'live';
    }, 'tasks rebuilt');
    expect(await world.rows()).toEqual(before);
  });

  it('rebuilds read models that are dropped while it runs', async () => {
    await world.append(...history(5));
    await world.runner();
    await world.handled();
    await world.pool.query(`DROP SCHEMA ${TASKS_SCHEMA} CASCADE`);
    const position = await world.append(event.submitted(newTaskId()));
    await world.handled(projectors, position);
    await until(async () => (await checkpoint('tasks')).status === 'live', 'tasks live');
    expect((await countTasks(world.pool, TENANT)).value).toBe(6n);
  });

  it('does not show a read model before it is complete', async () => {
    await world.append(...history(5));
    const runner = await world.runner({ projectors: projectors.filter(({ name }) => name !== 'tasks') });
    await world.handled(projectors.filter(({ name }) => name !== 'tasks'));
    await runner.stop();
    await world.pool.query("UPDATE baton.checkpoints SET status = 'building', target = 999 WHERE name = 'tasks'");
    await expect(countTasks(world.pool, TENANT)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: 'the read model tasks is being rebuilt, at position -1 of 999',
    });
  });

  it('does not touch a read model of a newer build', async () => {
    const NEWER = versionOf('tasks') + 1;
    await world.append(...history(2));
    await world.pool.query(`UPDATE baton.checkpoints SET version = ${NEWER} WHERE name = 'tasks'`);
    await world.runner();
    await world.handled(projectors.filter(({ name }) => name !== 'tasks'));
    expect(await checkpoint('tasks')).toMatchObject({ position: -1n, version: NEWER });
  });
});

describe('two runners', () => {
  it('take turns: one leads, the other stands by and takes over', async () => {
    const first = await world.runner();
    await until(async () => first.status().state === 'leading', 'first leads');
    const second = await world.runner();
    await world.append(...history(3));
    await world.handled();
    expect(second.status().state).toBe('standing_by');
    await first.stop();
    const position = await world.append(...history(3));
    await world.handled(projectors, position);
    expect(second.status().state).toBe('leading');
  });

  it('do not corrupt rows when a stalled one wakes up and writes', async () => {
    let stalls = false;
    const stalled: (() => void)[] = [];
    const feed = await world.feed();
    // The first runner has read its batch and stalls for longer than its lease; its clock notices nothing.
    const frozen = {
      ...systemClock,
      schedule: (delayMs: number, callback: () => void) => systemClock.schedule(stalls ? 1e9 : delayMs, callback),
    };
    const first = await world.runner({
      clock: frozen,
      leaseMs: 500,
      feed: {
        async *read(options) {
          for await (const batch of feed.read(options)) {
            if (stalls) await new Promise<void>((resolve) => stalled.push(resolve));
            yield batch;
          }
        },
      },
    });
    await world.append(...history(4));
    await world.handled();
    stalls = true;
    await pause(200); // until renewals that were scheduled before are done
    await world.append(...history(4));
    await until(async () => stalled.length > 0, 'first runner stalled');
    const second = await world.runner({ leaseMs: 500 });
    await world.handled();
    expect(second.status().state).toBe('leading');
    const position = await world.append(...history(4));
    await world.handled(projectors, position);
    const rows = await world.rows();
    stalls = false;
    for (const wake of stalled) wake();
    await until(async () => first.status().state === 'standing_by', 'first stands by');
    expect(await world.rows()).toEqual(rows);
    expect(second.status().state).toBe('leading');
    await world.reset();
    await second.stop();
    await first.stop();
    await world.project();
    expect(await world.rows()).toEqual(rows);
  });
});

describe('a lost connection', () => {
  it('in the middle of a write loses neither rows nor the checkpoint, and writes nothing twice', async () => {
    await world.runner();
    await world.append(...history(5));
    await world.handled();
    const blocker = await world.pool.connect();
    for (let round = 0; round < 5; round += 1) {
      await blocker.query(`BEGIN; LOCK TABLE ${TASKS_SCHEMA}.tasks IN EXCLUSIVE MODE`);
      const before = await checkpoints();
      await world.append(...history(3));
      await until(async () => {
        const pid = await laneBackend();
        if (pid === undefined) return false;
        const { rows } = await world.pool.query(
          "SELECT wait_event_type AS w FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'",
          [pid],
        );
        if (rows.length === 0) return false;
        await world.pool.query('SELECT pg_terminate_backend($1)', [pid]);
        return true;
      }, 'write is blocked by the lock');
      expect(await checkpoints()).toEqual(before);
      await blocker.query('COMMIT');
      await world.handled();
    }
    blocker.release();
    const live = await world.rows();
    await world.reset();
    await world.handled();
    await until(async () => (await checkpoints()).every(({ status }) => status === 'live'), 'all live');
    expect(await world.rows()).toEqual(live);
  });
});

describe('a checkpoint that does not fit the log', () => {
  it('beyond its head halts the projection with an error, and queries report it', async () => {
    await world.append(...history(3));
    await world.project();
    await world.pool.query(
      "UPDATE baton.checkpoints SET position = 100000, event_position = 100000 WHERE name = 'tasks'",
    );
    const error = vi.fn();
    const logger = { ...quiet, info() {}, warn() {}, error } as unknown as typeof quiet;
    await world.runner({ logger });
    await until(async () => (await checkpoint('tasks')).status === 'halted', 'tasks halted');
    expect((await checkpoint('tasks')).reason).toMatch(/beyond the head of the log .* it needs a rebuild/);
    expect(error).toHaveBeenCalledWith(expect.objectContaining({ projection: 'tasks' }), 'projection halted');
    await expect(countTasks(world.pool, TENANT)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('halted'),
    });
    const position = await world.append(event.registered('a1'));
    await world.handled(
      projectors.filter(({ name }) => name !== 'tasks'),
      position,
    );
  });

  it('whose event has another hash halts it too', async () => {
    await world.append(...history(3));
    await world.project();
    await world.pool.query("UPDATE baton.checkpoints SET event_hash = repeat('0', 64) WHERE name = 'agents'");
    await world.runner();
    await until(async () => (await checkpoint('agents')).status === 'halted', 'agents halted');
    expect((await checkpoint('agents')).reason).toMatch(/has another hash in the log; it needs a rebuild/);
  });

  it('resumes on its own when the right log is back', async () => {
    await world.append(...history(3));
    await world.project();
    await world.pool.query("UPDATE baton.checkpoints SET event_hash = reverse(event_hash) WHERE name = 'agents'");
    await world.runner();
    await until(async () => (await checkpoint('agents')).status === 'halted', 'agents halted');
    await world.pool.query("UPDATE baton.checkpoints SET event_hash = reverse(event_hash) WHERE name = 'agents'");
    const position = await world.append(event.registered('a1'));
    await world.handled(projectors, position);
    expect(await checkpoint('agents')).toMatchObject({ status: 'live', reason: null });
  });
});

describe('an event that Postgres refuses', () => {
  it.each([
    ['NUL in a payload', (data: Record<string, unknown>) => Object.assign(data, { input: { text: 'a\u0000b' } })],
    [
      'a lone surrogate in a payload',
      (data: Record<string, unknown>) => Object.assign(data, { input: { text: '\ud800' } }),
    ],
    ['NUL in a name', (data: Record<string, unknown>) => Object.assign(data, { capability: 'a\u0000b' })],
    ['a text where a number belongs', (data: Record<string, unknown>) => Object.assign(data, { priority: 'high' })],
    ['a missing field', (data: Record<string, unknown>) => Reflect.deleteProperty(data, 'pool')],
    ['an invalid instant', (data: Record<string, unknown>) => Object.assign(data, { submittedAt: 'yesterday' })],
  ])('is parked with its cause, and all others are folded: %s', async (_, spoil) => {
    const [good, bad, later] = [newTaskId(), newTaskId(), newTaskId()];
    await world.append(event.submitted(good));
    const position = await world.appendSpoilt(event.submitted(bad), spoil);
    await world.append(event.completed(good), event.submitted(later));
    await world.project();
    const { rows } = await world.pool.query('SELECT * FROM baton.parked_events');
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows)
      expect(row).toMatchObject({
        projection: 'tasks',
        position,
        type: 'TaskSubmitted',
        stream: `task-${TENANT}.${bad}`,
        revision: 0n,
      });
    expect(rows[0].cause).not.toBe('');
    expect((await getTask(world.pool, TENANT, good)).value?.status).toBe('completed');
    expect((await getTask(world.pool, TENANT, later)).value?.status).toBe('ready');
  });

  it('holds back later events of the same row, and only those', async () => {
    const [bad, other] = [newTaskId(), newTaskId()];
    await world.append(event.submitted(other));
    await world.appendSpoilt(event.submitted(bad), (data) => Object.assign(data, { capability: 'a\u0000b' }));
    await world.append(event.assigned([{ taskId: bad }, { taskId: other }]), event.completed(bad));
    await world.project();
    expect((await getTask(world.pool, TENANT, other)).value?.status).toBe('assigned');
    expect((await getTask(world.pool, TENANT, bad)).value).toBeUndefined();
    const { rows } = await world.pool.query(
      'SELECT table_name, type FROM baton.parked_events ORDER BY position, table_name',
    );
    expect(rows).toEqual([
      { table_name: 'task_stats', type: 'TaskSubmitted' },
      { table_name: 'tasks', type: 'TaskSubmitted' },
      { table_name: 'tasks', type: 'TasksAssigned' },
      { table_name: 'tasks', type: 'TaskCompleted' },
    ]);
  });
});

describe('a handler that throws', () => {
  const broken = (isBroken: () => boolean): Projector => ({
    ...tasksProjector,
    on: {
      ...tasksProjector.on,
      TaskSubmitted: (submitted, fold) => {
        if (isBroken() && submitted.data.capability === 'cursed') throw new Error('cannot fold this');
        tasksProjector.on.TaskSubmitted(submitted, fold);
      },
    },
  });

  it('parks the event and later ones of its stream; after the fix they are folded in order', async () => {
    const [cursed, good] = [newTaskId(), newTaskId()];
    await world.append(
      event.submitted(cursed, { capability: 'cursed' }),
      event.submitted(good),
      event.completed(cursed),
      event.completed(good),
    );
    let isBroken = true;
    const withBroken = projectors.map((projector) => (projector.name === 'tasks' ? broken(() => isBroken) : projector));
    await world.project({ projectors: withBroken });
    const { rows } = await world.pool.query(
      'SELECT type, cause, table_name FROM baton.parked_events ORDER BY position',
    );
    expect(rows).toEqual([
      { type: 'TaskSubmitted', cause: expect.stringContaining('cannot fold this'), table_name: '' },
      { type: 'TaskCompleted', cause: expect.stringContaining('waits'), table_name: '' },
    ]);
    expect((await getTask(world.pool, TENANT, good)).value?.status).toBe('completed');

    const context = { ...(await world.runnerOptions()), store: world.store, projectors: withBroken };
    expect(await retryParked(context, 'tasks')).toEqual({ retried: 0, remaining: 2 });
    isBroken = false;
    expect(await retryParked(context, 'tasks')).toEqual({ retried: 2, remaining: 0 });
    expect((await getTask(world.pool, TENANT, cursed)).value?.status).toBe('completed');
    const mended = await world.rows();
    await world.reset();
    await world.project();
    expect(await world.rows()).toEqual(mended);
  });

  it('halts a projection when too many events are parked, and the others continue', async () => {
    await world.append(...Array.from({ length: 20 }, () => event.submitted(newTaskId(), { capability: 'cursed' })));
    const withBroken = projectors.map((projector) => (projector.name === 'tasks' ? broken(() => true) : projector));
    await world.runner({ projectors: withBroken, maxParked: 5 });
    await until(async () => (await checkpoint('tasks')).status === 'halted', 'tasks halted');
    await world.handled(projectors.filter(({ name }) => name !== 'tasks'));
    const { rows } = await world.pool.query('SELECT count(*) AS parked FROM baton.parked_events');
    expect(rows).toEqual([{ parked: 5n }]);
  });
});

describe('parked events of a running projection', () => {
  it('are folded after the fix as if nothing had been parked', async () => {
    const [bad, good] = [newTaskId(), newTaskId()];
    let isBroken = true;
    const table = tasksProjector.tables[0];
    // A change of one row throws: the event's other rows are written, this row waits.
    const brokenChange: Projector = {
      ...tasksProjector,
      on: {
        ...tasksProjector.on,
        TasksAssigned: (assigned, fold) => {
          for (const { taskId } of assigned.data.assignments)
            if (taskId === bad)
              fold.change(table, { tenant: assigned.tenant, taskId }, () => {
                if (isBroken) throw new Error('not this one');
                return undefined;
              });
          tasksProjector.on.TasksAssigned(assigned, fold);
        },
      },
    };
    const withBroken = projectors.map((projector) => (projector.name === 'tasks' ? brokenChange : projector));
    await world.runner({ projectors: withBroken });
    await world.append(
      event.submitted(bad),
      event.submitted(good),
      event.assigned([{ taskId: bad }, { taskId: good }]),
    );
    await world.append(event.failed(bad), event.assigned([{ taskId: bad, attempt: 2 }]), event.completed(good));
    await world.handled();
    expect((await getTask(world.pool, TENANT, bad)).value).toMatchObject({ status: 'ready', attempt: 1 });
    expect((await getTask(world.pool, TENANT, good)).value?.status).toBe('completed');
    isBroken = false;
    const context = { ...(await world.runnerOptions()), store: world.store, projectors: withBroken };
    expect(await retryParked(context, 'tasks')).toMatchObject({ remaining: 0 });
    // The runner must not continue from rows that it cached before the retry.
    await world.append(event.completed(bad, { attempt: 2 }));
    await world.handled();
    expect((await getTask(world.pool, TENANT, bad)).value).toMatchObject({
      status: 'completed',
      attempt: 2,
      failures: 1,
    });
    const mended = await world.rows();
    await world.reset();
    await world.handled();
    await until(async () => (await checkpoints()).every(({ status }) => status === 'live'), 'all live');
    expect(await world.rows()).toEqual(mended);
  });
});

describe('projections that fail on their own', () => {
  const notes = defineTable({
    name: 'notes',
    columns: { tenant: tenant(), position: bigint() },
    key: ['tenant', 'position'],
  });
  const notesProjector: Projector = {
    name: 'notes',
    version: 1,
    tables: [notes],
    on: {},
    onAny: ({ metadata, position }: StoredEvent, fold: Fold) => fold.put(notes, { tenant: metadata.tenant, position }),
  };
  const all = [...projectors, notesProjector];

  it('do not hold up the others when their table cannot be written, and catch up when it can', async () => {
    await world.append(...history(2));
    const runner = await world.runner({ projectors: all });
    await world.handled(all);
    await world.pool.query(
      'ALTER TABLE rm_notes_v1.notes RENAME TO mislaid; CREATE VIEW rm_notes_v1.notes AS SELECT 1 AS x',
    );
    const position = await world.append(...history(2));
    await world.handled(projectors, position);
    expect((await checkpoint('notes')).position).toBeLessThan(position);
    const later = await world.append(...history(2));
    await world.handled(projectors, later);
    const interrupted = () => runner.status().interrupted;
    await until(async () => Object.keys(interrupted()).join() === 'notes', 'only that one is interrupted');
    const source = { ...(await world.runnerOptions()), projectors: all, store: world.store, interrupted };
    const reasons = (await listProjections(source)).flatMap(({ name, reason }) => (reason ? [[name, reason]] : []));
    expect(reasons).toEqual([['notes', interrupted()['notes']]]);
    await world.pool.query('DROP VIEW rm_notes_v1.notes; ALTER TABLE rm_notes_v1.mislaid RENAME TO notes');
    await world.handled([notesProjector], later);
    await until(async () => Object.keys(interrupted()).length === 0, 'none is interrupted');
    expect((await world.pool.query('SELECT count(*) AS n FROM rm_notes_v1.notes')).rows).toEqual([
      { n: (await checkpoint('tasks')).events },
    ]);
    expect(
      runner
        .status()
        .lanes.flatMap(({ projections }) => projections)
        .sort(),
    ).toEqual(all.map(({ name }) => name).sort());
  });

  it('do not hold up the others when a new process starts with the failure', async () => {
    await world.append(...history(2));
    await world.project({ projectors: all });
    await world.pool.query(
      'ALTER TABLE rm_notes_v1.notes RENAME TO mislaid; CREATE VIEW rm_notes_v1.notes AS SELECT 1 AS x',
    );
    await world.append(...history(2));
    await world.project();
    await world.runner({ projectors: all });
    const startedAt = performance.now();
    for (let round = 0; round < 20; round += 1) {
      await world.handled(projectors, await world.append(...history(1)));
      await pause(20);
    }
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });

  it('do not hold up the others when they cannot even be prepared', async () => {
    await world.pool.query('CREATE TABLE baton.notes (in_the_way_of_the_view text)');
    await world.append(...history(2));
    await world.runner({ projectors: all });
    await world.handled(projectors);
  });

  it('do not hold up the others when their table is slow', async () => {
    await world.append(...history(2));
    await world.runner({ projectors: all, patienceMs: 200 });
    await world.handled(all);
    const blocker = await world.pool.connect();
    await blocker.query('BEGIN; LOCK TABLE rm_notes_v1.notes IN EXCLUSIVE MODE');
    const first = await world.append(...history(2));
    await world.handled(projectors, first);
    const startedAt = performance.now();
    for (let round = 0; round < 10; round += 1) await world.handled(projectors, await world.append(...history(1)));
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect((await checkpoint('notes')).position).toBeLessThan(first);
    await blocker.query('COMMIT');
    blocker.release();
    await world.handled(all);
  });

  it('join the others again once they have caught up', async () => {
    await world.append(...history(20));
    await world.project();
    const runner = await world.runner({ projectors: all, maxBatch: 5 });
    await world.handled(all);
    await until(
      async () => runner.status().lanes.length === 1 && runner.status().lanes[0]!.projections.length === all.length,
      'one lane',
    );
    const position = await world.append(...history(2));
    await world.handled(all, position);
    expect(runner.status().lanes).toHaveLength(1);
  });

  it('join the others even while events keep coming', async () => {
    await world.append(...history(20));
    await world.project();
    let isWriting = true;
    const writing = (async () => {
      while (isWriting) {
        await world.append(...history(1));
        await pause(1);
      }
    })();
    const runner = await world.runner({ projectors: all });
    await until(
      async () => runner.status().lanes.length === 1 && runner.status().lanes[0]!.projections.length === all.length,
      'one lane',
    );
    isWriting = false;
    await writing;
    await world.handled(all);
    const { rows } = await world.pool.query(
      'SELECT (SELECT count(*) FROM rm_notes_v1.notes) = (SELECT count(*) FROM baton.audit_log) AS equal',
    );
    expect(rows).toEqual([{ equal: true }]);
  });
});
