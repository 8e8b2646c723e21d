import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest';
import { fixed } from '../../src/projections/database.ts';
import { bigint, defineTable, integer, type RowOf, tenant, text, uuid } from '../../src/projections/define-table.ts';
import { type Projector, schemaOf } from '../../src/projections/projector.ts';
import { type ProjectionName, projectors } from '../../src/projections/registry.ts';
import { createSchemaSql, createTableSql } from '../../src/projections/runner/ddl.ts';
import { parkedEventsTable } from '../../src/projections/runner/parked.ts';
import { snapshot } from '../../src/projections/snapshot.ts';
import { event, newTaskId, TENANT, World } from '../support/projections-support.ts';
import { dumpFunctions, dumpTables, dumpViews } from '../support/schema-dump.ts';

let world: World;
beforeAll(async () => {
  world = await World.create();
});
afterAll(() => world.close());

const tablesOf = async (schema: string): Promise<string> =>
  (await dumpTables(world.pool, schema)).replaceAll(`${schema}.`, 'a_schema.');

describe('the schema that the declarations create', () => {
  /** Created by procedures of migrations 0002 and 0004: databases of that time keep these tables as long as the version is the same. */
  const BY_PROCEDURE = ['agents_v1', 'tasks_v2', 'assignments_v1', 'audit_log_v1', 'workflows_v1', 'executions_v1'];
  const released = projectors.filter(({ name, version }) => BY_PROCEDURE.includes(`${name}_v${version}`));

  it.each(released)(
    'is what the migration procedure created, column by column and index by index: $name',
    async (projector) => {
      const { name, version, tables } = projector;
      await world.pool.query(`CALL baton.create_${name}_v${version}($1)`, [`procedure_${name}`]);
      await world.pool.query(createSchemaSql(`declared_${name}`, tables).join(';'));
      const declared = await tablesOf(`declared_${name}`);
      expect(declared).toBe(await tablesOf(`procedure_${name}`));
      expect(declared.match(/CREATE TABLE/g)).toHaveLength(tables.length);
    },
  );

  it('is what a new database has', async () => {
    for (const { name, tables } of projectors.filter((each) => !released.includes(each)))
      await world.pool.query(createSchemaSql(`declared_${name}`, tables).join(';'));
    for (const projector of projectors)
      expect(await tablesOf(schemaOf(projector))).toBe(await tablesOf(`declared_${projector.name}`));
  });

  it('matches the reviewed file of each version; a released file is never edited, so raise the version', async () => {
    for (const { name, version } of projectors)
      await expect(`${await dumpTables(world.pool, `rm_${name}_v${version}`)}\n`).toMatchFileSnapshot(
        `../golden/read-models/${name}.v${version}.sql`,
      );
  });
});

describe('the rest of the schema', () => {
  it('is what the migrations create', async () => {
    const durable = [
      await dumpTables(world.pool, 'public'),
      await dumpTables(world.pool, 'baton'),
      await dumpFunctions(world.pool, 'baton'),
    ];
    await expect(`${durable.join('\n\n')}\n`).toMatchFileSnapshot('../golden/schema.sql');
  });

  it('has the table of parked events as the runner knows it', async () => {
    await world.pool.query(`CREATE SCHEMA parked; ${createTableSql('parked', parkedEventsTable).join(';')}`);
    const created = (await dumpTables(world.pool, 'baton')).replaceAll('baton.', 'a_schema.');
    expect(created).toContain(await tablesOf('parked'));
  });

  it('shows each table of a read model as a view of schema baton', async () => {
    const views = await dumpViews(world.pool, 'baton');
    for (const projector of projectors)
      for (const { name } of projector.tables)
        expect(views).toMatch(
          new RegExp(`VIEW baton\\.${name} AS SELECT [^;]* FROM ${schemaOf(projector)}\\.${name};`),
        );
  });
});

describe('every table of a read model', () => {
  it.each(projectors.flatMap(({ tables }) => tables))('belongs to tenants: $name', ({ columns, key }) => {
    expect(Object.keys(columns)[0]).toBe('tenant');
    expect(columns['tenant']).toMatchObject({ type: 'text', nullable: false, isTenant: true });
    expect(key[0]).toBe('tenant');
  });
});

describe('a column that is added', () => {
  const notes = defineTable({
    name: 'notes',
    columns: { tenant: tenant(), taskId: uuid(), capability: text(), position: bigint() },
    key: ['tenant', 'taskId'],
    indexes: { newest: { on: ['tenant', 'position DESC'] } },
  });
  const withPriority = defineTable({
    ...notes,
    columns: { ...notes.columns, priority: integer() },
    indexes: { newest: { on: ['tenant', 'priority', 'position DESC'] } },
  });

  const before: Projector = {
    name: 'notes',
    version: 1,
    tables: [notes],
    on: {
      TaskSubmitted: ({ tenant, position, data: { taskId, capability } }, fold) =>
        fold.put(notes, { tenant, taskId, capability, position }),
    },
  };
  const after: Projector = {
    name: 'notes',
    version: 2,
    tables: [withPriority],
    on: {
      TaskSubmitted: ({ tenant, position, data: { taskId, capability, priority } }, fold) =>
        fold.put(withPriority, { tenant, taskId, capability, position, priority }),
    },
  };
  type Note = RowOf<typeof withPriority>;
  const read = (): Promise<{ value: Note[] }> =>
    snapshot<Note>(world.pool, 'notes' as ProjectionName, withPriority.columns, fixed('SELECT * FROM baton.notes'), {
      orderBy: ['position'],
    });

  it('is declared in the table and filled by the projector; rows from before have it too', async () => {
    expectTypeOf<Note>().toEqualTypeOf<{
      tenant: string;
      taskId: string;
      capability: string;
      position: bigint;
      priority: number;
    }>();
    const [old, young] = [newTaskId(), newTaskId()];
    await world.append(event.submitted(old, { priority: 1 }));
    await world.project({ projectors: [before] });
    await world.append(event.submitted(young, { priority: 5 }));
    await world.project({ projectors: [after] });
    const common = { tenant: TENANT, capability: 'summarise' };
    expect((await read()).value).toEqual([
      { ...common, taskId: young, priority: 5, position: 32n },
      { ...common, taskId: old, priority: 1, position: 16n },
    ]);
    expect(await tablesOf('rm_notes_v2')).toContain('priority integer NOT NULL');
    expect(await tablesOf('rm_notes_v2')).toMatch(/notes_newest .*\(tenant, priority, "position" DESC\)/);
    expect(await dumpTables(world.pool, 'rm_notes_v1')).toBe('');
  });
});
