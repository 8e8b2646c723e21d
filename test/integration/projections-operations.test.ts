import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DomainEvent } from '../../src/domain/events.ts';
import type { ProjectionContext } from '../../src/projections/context.ts';
import { listProjections } from '../../src/projections/runner/overview.ts';
import { rebuildProjection } from '../../src/projections/runner/rebuild.ts';
import { verifyProjection } from '../../src/projections/runner/verify.ts';
import { countTasks } from '../../src/projections/tasks/queries.ts';
import {
  event,
  newTaskId,
  pause,
  TASKS_SCHEMA,
  TENANT,
  until,
  versionOf,
  World,
} from '../support/projections-support.ts';

let world: World;
let context: ProjectionContext;
beforeEach(async () => {
  world = await World.create();
  context = { ...(await world.runnerOptions()), store: world.store };
});
afterEach(() => world.close());

const history = (count: number): DomainEvent[] =>
  Array.from({ length: count }, newTaskId).flatMap((id) => [
    event.submitted(id),
    event.assigned([{ taskId: id }]),
    event.completed(id),
  ]);

describe('after a load', () => {
  it('Postgres knows what is in the tables', async () => {
    await world.append(...history(1_700));
    await world.runner();
    const rows = async () => {
      const { rows: found } = await world.pool.query<{ n: number }>(
        `SELECT c.reltuples::int AS n FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace WHERE c.relname = 'tasks' AND c.relkind = 'r'`,
      );
      return found[0]?.n;
    };
    await until(async () => (await rows()) === 1_700, 'the tables are analyzed', 30_000);
  });
});

/** Keeps appending until it is stopped. */
const keepWriting = (): (() => Promise<void>) => {
  let isWriting = true;
  const writing = (async () => {
    while (isWriting) {
      await world.append(...history(1));
      await pause(1); // the log in memory never waits
    }
  })();
  return () => {
    isWriting = false;
    return writing;
  };
};

describe('a rebuild', () => {
  it('gives the same rows as before, and reports its progress', async () => {
    await world.append(...history(700));
    await world.project();
    const before = await world.rows();
    const shares: number[] = [];
    await rebuildProjection(context, 'tasks', { onProgress: ({ share }) => shares.push(share) });
    expect(await world.rows()).toEqual(before);
    expect(shares.at(-1)).toBe(1);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
  });

  it('repairs rows that were tampered with', async () => {
    await world.append(...history(3));
    await world.project();
    const before = await world.rows();
    await world.pool.query(
      `UPDATE ${TASKS_SCHEMA}.tasks SET status = 'ready'; DELETE FROM ${TASKS_SCHEMA}.task_attempts`,
    );
    await rebuildProjection(context, 'tasks');
    expect(await world.rows()).toEqual(before);
  });

  it('is done by the leading runner, while events keep coming', async () => {
    await world.runner();
    await world.append(...history(300));
    await world.handled();
    const stopWriting = keepWriting();
    await rebuildProjection(context, 'tasks');
    await stopWriting();
    await world.handled();
    const live = await world.rows();
    await rebuildProjection(context, 'tasks');
    await rebuildProjection(context, 'audit_log');
    expect(await world.rows()).toEqual(live);
  });

  it('shows no partial rows meanwhile', async () => {
    await world.append(...history(1_700));
    await world.project();
    const answers: (bigint | string)[] = [];
    let isReading = true;
    const reading = (async () => {
      while (isReading)
        answers.push(
          await countTasks(world.pool, TENANT).then(
            ({ value }) => value,
            ({ code }: { code: string }) => code,
          ),
        );
    })();
    await rebuildProjection(context, 'tasks');
    isReading = false;
    await reading;
    expect(new Set(answers)).toEqual(new Set([1_700n, 'UNAVAILABLE']));
  });

  it('of an empty log leaves an empty, live read model', async () => {
    await rebuildProjection(context, 'tasks');
    expect(await countTasks(world.pool, TENANT)).toEqual({ value: 0n, position: -1n });
  });

  it('of a projection that does not exist is refused', async () => {
    await expect(rebuildProjection(context, 'nope')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('a verification', () => {
  it('finds equal digests, repeatedly and even after a rebuild', async () => {
    await world.append(...history(50), event.registered('a1'));
    await world.project();
    for (const { name } of context.projectors) {
      const first = await verifyProjection(context, name);
      expect(first.position).toBe(await world.store.head());
      expect(first.tables.every(({ equal }) => equal)).toBe(true);
      await rebuildProjection(context, name);
      expect(await verifyProjection(context, name)).toEqual(first);
    }
  });

  it('names the table in which a row was tampered with', async () => {
    await world.append(...history(5));
    await world.project();
    await world.pool.query(
      `UPDATE ${TASKS_SCHEMA}.tasks SET priority = 1 WHERE task_id = (SELECT min(task_id::text)::uuid FROM ${TASKS_SCHEMA}.tasks)`,
    );
    const { tables } = await verifyProjection(context, 'tasks');
    expect(tables.filter(({ equal }) => !equal).map(({ name }) => name)).toEqual(['tasks']);
    expect(tables.find(({ name }) => name === 'tasks')).toMatchObject({ rows: 5n });
  });

  it('holds while events keep coming', async () => {
    await world.runner();
    const stopWriting = keepWriting();
    await until(async () => ((await world.store.head()) ?? 0n) > 3_000n, 'some events');
    const { tables } = await verifyProjection(context, 'tasks');
    await stopWriting();
    expect(tables.map(({ name, equal }) => [name, equal])).toEqual(
      ['tasks', 'task_payloads', 'task_attempts', 'dead_letters', 'task_stats'].map((name) => [name, true]),
    );
  });

  it('leaves nothing behind, and takes parked events into account', async () => {
    await world.append(...history(2));
    await world.appendSpoilt(event.submitted(newTaskId()), (data) => Object.assign(data, { input: 'a\u0000b' }));
    await world.project();
    expect((await verifyProjection(context, 'tasks')).tables.every(({ equal }) => equal)).toBe(true);
    const { rows } = await world.pool.query(
      `SELECT (SELECT count(*) FROM baton.checkpoints) AS checkpoints, (SELECT count(*) FROM baton.parked_events) AS parked,
         (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'rm%verify') AS schemas`,
    );
    expect(rows).toEqual([{ checkpoints: 7n, parked: 1n, schemas: 0n }]);
  });

  it('is refused while another one of the same projection runs', async () => {
    await world.append(...history(200));
    await world.project();
    const both = await Promise.allSettled([verifyProjection(context, 'tasks'), verifyProjection(context, 'tasks')]);
    expect(both.filter(({ status }) => status === 'rejected')).toMatchObject([{ reason: { code: 'CONFLICT' } }]);
  });
});

describe('the overview', () => {
  it('shows the position and the lag of each projection', async () => {
    await world.append(...history(10));
    await world.project();
    await world.append(...history(4));
    await world.appendSpoilt(event.submitted(newTaskId()), (data) => Object.assign(data, { input: 'a\u0000b' }));
    const agents = context.projectors.filter(({ name }) => name === 'tasks');
    await world.project({ projectors: agents });
    const overview = await listProjections(context);
    expect(overview).toMatchObject([
      { name: 'agents', version: versionOf('agents'), status: 'live', position: 480n, lagEvents: 13, parked: 0 },
      { name: 'tasks', version: versionOf('tasks'), status: 'live', position: 688n, lagEvents: 0, lagMs: 0, parked: 1 },
      { name: 'assignments', lagEvents: 13 },
      { name: 'audit_log', lagEvents: 13 },
      { name: 'workflows', lagEvents: 13 },
      { name: 'executions', lagEvents: 13 },
      { name: 'breakers', lagEvents: 13 },
    ]);
    expect(overview[0]!.lagMs).toBeGreaterThanOrEqual(0);
  });
});
