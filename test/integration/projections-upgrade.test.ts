import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StoredEvent } from '../../src/eventstore/event-store.ts';
import { migrate } from '../../src/platform/migrate.ts';
import { prepareDatabase } from '../../src/projections/prepare-database.ts';
import { projectors } from '../../src/projections/registry.ts';
import { verifyProjection } from '../../src/projections/runner/verify.ts';
import { getTask } from '../../src/projections/tasks/queries.ts';
import { event, newTaskId, quiet, TASKS_SCHEMA, TENANT, versionOf, World } from '../support/projections-support.ts';

const TASKS_VERSION = versionOf('tasks');
const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url));

let world: World;
beforeEach(async () => {
  world = await World.create();
});
afterEach(() => world.close());

/** Puts the database back to where the migrations up to a number leave it. */
const migratedTo = async (last: number): Promise<void> => {
  await world.pool.query('DROP SCHEMA baton CASCADE; DROP TABLE public.schema_migrations');
  for (const { name, version } of projectors) await world.pool.query(`DROP SCHEMA rm_${name}_v${version} CASCADE`);
  const directory = await mkdtemp(join(tmpdir(), 'baton-migrations-'));
  try {
    const isWanted = (path: string): boolean => Number(/\/(\d{4})_[^/]*$/.exec(path)?.[1] ?? 0) <= last;
    await cp(MIGRATIONS, directory, { recursive: true, filter: isWanted });
    await migrate(world.url, quiet, directory);
  } finally {
    await rm(directory, { recursive: true });
  }
};

type Dump = {
  readonly events: readonly (Omit<StoredEvent, 'revision' | 'position'> & { position: string })[];
  readonly tables: Readonly<Record<string, readonly object[]>>;
};

/** Log, rows and checkpoints that build bd0c27b wrote, the last one before tables were declared. */
const restoreDump = async (): Promise<Dump> => {
  const path = fileURLToPath(new URL('../golden/databases/bd0c27b.json', import.meta.url));
  const dump = JSON.parse(await readFile(path, 'utf8')) as Dump;
  for (const { stream, id, type, data, metadata, position } of dump.events)
    expect(await world.appendSealed(stream, [{ id, type, data, metadata }])).toBe(BigInt(position));
  await world.pool.query('DELETE FROM baton.checkpoints');
  for (const [table, rows] of Object.entries(dump.tables))
    await world.pool.query(`INSERT INTO ${table} SELECT * FROM json_populate_recordset(null::${table}, $1)`, [
      JSON.stringify(rows),
    ]);
  return dump;
};

/** Read models whose version was raised since that build: rebuilt from the log. */
const RAISED = ['agents', 'tasks'];
/** Those that the build of the dump did not have. */
const NEW = ['breakers'];
const isKept = ({ name }: { readonly name: string }): boolean => !RAISED.includes(name) && !NEW.includes(name);
const kept = projectors.filter(isKept);

type Checkpoint = { name: string; generation: bigint; events: bigint; status: string };
const checkpoints = async (): Promise<Checkpoint[]> =>
  (await world.pool.query('SELECT name, generation, events, status FROM baton.checkpoints ORDER BY name')).rows;

const keptCheckpoints = async (): Promise<Checkpoint[]> => (await checkpoints()).filter(isKept);

const tableOids = async (of: readonly { readonly name: string }[] = projectors) =>
  (
    await world.pool.query(
      `SELECT oid, relname FROM pg_class
       WHERE substring(relnamespace::regnamespace::text FROM '^rm_(.+)_v[0-9]+$') = ANY($1) ORDER BY oid`,
      [of.map(({ name }) => name)],
    )
  ).rows;

describe('a database of the build before tables were declared', () => {
  it('keeps tables, rows and checkpoints, except of raised versions; new events are folded on top of them', async () => {
    await migratedTo(4);
    const { events } = await restoreDump();
    const [rows, tables, stood] = [await world.rows(kept), await tableOids(kept), await keptCheckpoints()];
    expect(tables.length).toBeGreaterThan(kept.length);
    for (const [name, ofTable] of Object.entries(rows)) expect(ofTable.length, name).toBeGreaterThan(0);

    await prepareDatabase(world.url, quiet);
    const warnings: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(line) });
    await world.project({ logger });
    expect(await world.rows(kept)).toEqual(rows);
    expect(await keptCheckpoints()).toEqual(stood);

    const id = newTaskId();
    await world.append(event.submitted(id));
    await world.project({ logger });
    expect(await tableOids(kept)).toEqual(tables);
    expect(await keptCheckpoints()).toEqual(
      stood.map((checkpoint) => ({ ...checkpoint, events: BigInt(events.length + 1) })),
    );
    expect((await getTask(world.pool, TENANT, id)).value?.status).toBe('ready');
    expect(warnings.map((line) => JSON.parse(line).projection)).toEqual(RAISED);
  });

  it('contains the rows that this build folds from the same log', async () => {
    await migratedTo(4);
    await restoreDump();
    await prepareDatabase(world.url, quiet);
    await world.project();
    const context = { ...(await world.runnerOptions()), store: world.store };
    for (const { name } of projectors)
      for (const table of (await verifyProjection(context, name)).tables)
        expect(table, `${name}: ${table.name}`).toMatchObject({ equal: true });
  });

  it('is left alone by a second start', async () => {
    await migratedTo(4);
    await restoreDump();
    await prepareDatabase(world.url, quiet);
    const tables = await tableOids();
    await prepareDatabase(world.url, quiet);
    expect(await tableOids()).toEqual(tables);
  });

  it('that has seen no event yet starts over from the declarations, once', async () => {
    await migratedTo(4);
    const namesOfKept = async () => (await tableOids(kept)).map(({ relname }) => relname).sort();
    const [created, names] = [await tableOids(), await namesOfKept()];
    await prepareDatabase(world.url, quiet);
    const declared = await tableOids();
    expect(await namesOfKept()).toEqual(names);
    expect(declared.map(({ oid }) => oid)).not.toEqual(created.map(({ oid }) => oid));
    expect((await checkpoints()).map(({ name, status }) => [name, status])).toEqual(
      projectors.map(({ name }) => [name, 'live']).sort(),
    );
    await prepareDatabase(world.url, quiet);
    expect(await tableOids()).toEqual(declared);
  });
});

describe('a read model that is new in a build', () => {
  it('is not shown before it has caught up with the others', async () => {
    const id = newTaskId();
    await world.append(event.submitted(id));
    await world.project({ projectors: projectors.filter(({ name }) => name !== 'tasks') });
    await world.pool.query(`DROP SCHEMA ${TASKS_SCHEMA} CASCADE; DELETE FROM baton.checkpoints WHERE name = 'tasks'`);
    await prepareDatabase(world.url, quiet);
    await expect(getTask(world.pool, TENANT, id)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: 'the read model tasks is being rebuilt, at position -1 of 16',
    });
    await world.project();
    expect((await getTask(world.pool, TENANT, id)).value?.status).toBe('ready');
  });
});

describe('a read model of a version other than the build needs', () => {
  it.each([
    [
      TASKS_VERSION - 1,
      `the read model tasks has version ${TASKS_VERSION - 1}; it is rebuilt as version ${TASKS_VERSION} once this build runs the projections`,
    ],
    [
      TASKS_VERSION + 1,
      `the read model tasks has version ${TASKS_VERSION + 1}, this build knows version ${TASKS_VERSION}; use a newer build`,
    ],
  ])('is refused with a reason: version %i', async (version, message) => {
    await world.pool.query(
      `ALTER VIEW baton.tasks RENAME COLUMN unit TO former_unit; UPDATE baton.checkpoints SET version = ${version} WHERE name = 'tasks'`,
    );
    await expect(getTask(world.pool, TENANT, newTaskId())).rejects.toMatchObject({ code: 'UNAVAILABLE', message });
  });
});
