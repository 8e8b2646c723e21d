import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createLogger } from '../../src/platform/logger.ts';
import { createPool } from '../../src/platform/postgres.ts';
import { type FoldSnapshots, postgresSnapshots } from '../../src/processes/fold-snapshots.ts';
import { freshDatabase } from '../support/servers.ts';

let database: Awaited<ReturnType<typeof freshDatabase>>;
let pool: pg.Pool;
let snapshots: FoldSnapshots;

beforeAll(async () => {
  database = await freshDatabase();
  pool = createPool(database.url, 2, createLogger('silent'));
  snapshots = postgresSnapshots(pool);
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

beforeEach(() => pool.query('TRUNCATE baton.fold_snapshots'));

const fold = { name: 'pool:default', version: 2 };
/** Beyond the whole numbers that JavaScript and JSON can hold. */
const POSITION = 2n ** 60n + 1n;

it('a snapshot is found again, with its position', async () => {
  await snapshots.save('default', fold, { position: 5n, state: { a: 1 } });
  await snapshots.save('default', fold, { position: POSITION, state: { a: 2 } });
  expect(await snapshots.load('default', fold)).toEqual({ position: POSITION, state: { a: 2 } });
});

it.each([
  ['tenant', 'other', fold],
  ['fold', 'default', { ...fold, name: 'health' }],
  ['version', 'default', { ...fold, version: 3 }],
])('a snapshot of another %s is not found', async (_, tenant, asked) => {
  await snapshots.save('default', fold, { position: 5n, state: {} });
  expect(await snapshots.load(tenant, asked)).toBeUndefined();
});

const migration = async (name: string): Promise<string> =>
  readFile(new URL(`../../migrations/${name}.sql`, import.meta.url), 'utf8');

it('snapshots from before the table was renamed are kept', async () => {
  const created = (await migration('0003_assigner')).match(/CREATE TABLE baton\.assigner_snapshots[^;]*;/)?.[0] ?? '';
  await pool.query('DROP TABLE baton.fold_snapshots');
  await pool.query(created);
  await pool.query(
    `INSERT INTO baton.assigner_snapshots (tenant, pool, version, position, state)
     VALUES ('default', 'default', 3, 7, '{"a": 1}'), ('default', '#executions', 1, 8, '{"b": 2}')`,
  );
  await pool.query(await migration('0005_fold_snapshots'));
  const loaded = (name: string, version: number) => snapshots.load('default', { name, version });
  expect(await loaded('pool:default', 3)).toEqual({ position: 7n, state: { a: 1 } });
  expect(await loaded('executions', 1)).toEqual({ position: 8n, state: { b: 2 } });
});
