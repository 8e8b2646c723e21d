import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createLogger } from '../../src/platform/logger.ts';
import { createPool } from '../../src/platform/postgres.ts';
import {
  type FoldSnapshots,
  postgresSnapshots,
  type SnapshotPart,
  SnapshotReplaced,
} from '../../src/processes/fold-snapshots.ts';
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

beforeEach(() => pool.query('TRUNCATE baton.fold_snapshots, baton.fold_snapshot_parts'));

const fold = { name: 'pool:default', version: 2 };
/** Written in full. */
const full = { parts: [], basedOn: undefined };

const loaded = async (tenant: string, asked: typeof fold) => {
  const snapshot = await snapshots.load(tenant, asked);
  if (!snapshot) return undefined;
  const parts: SnapshotPart[] = [];
  for await (const part of snapshot.parts) parts.push(part);
  return { position: snapshot.position, state: snapshot.state, parts };
};

const PARTS = Array.from({ length: 20 }, (_, part) => ({ part, items: [{ name: `task ${part}` }] }));

it('parts are found again, after others have changed or gone', async () => {
  const basedOn = await snapshots.save('default', fold, { ...full, position: 5n, state: {}, parts: PARTS });
  const changed = [
    { part: 7, items: [{ name: 'changed' }] },
    { part: 8, items: [] },
    { part: 20, items: [{ name: 'new' }] },
  ];
  await snapshots.save('default', { ...fold, name: 'other' }, { ...full, position: 5n, state: {}, parts: PARTS });
  await snapshots.save('default', fold, { position: 6n, state: {}, parts: changed, basedOn });
  const expected = [...PARTS.slice(0, 7), changed[0], ...PARTS.slice(9), changed[2]];
  expect(await loaded('default', fold)).toEqual({ position: 6n, state: {}, parts: expected });
});

it('a snapshot in full leaves no part of the one before', async () => {
  await snapshots.save('default', fold, { ...full, position: 5n, state: {}, parts: PARTS });
  await snapshots.save('default', fold, { ...full, position: 6n, state: {}, parts: PARTS.slice(3, 4) });
  expect((await loaded('default', fold))?.parts).toEqual(PARTS.slice(3, 4));
});

it('parts change only in the snapshot that they belong to; otherwise nothing is written', async () => {
  const first = { ...full, position: 5n, state: {}, parts: PARTS };
  const basedOn = await snapshots.save('default', fold, first);
  await snapshots.save('default', fold, { ...first, position: 6n });
  const late = { position: 7n, state: {}, parts: [{ part: 1, items: [] }], basedOn };
  await expect(snapshots.save('default', fold, late)).rejects.toThrow(SnapshotReplaced);
  expect(await loaded('default', fold)).toEqual({ position: 6n, state: {}, parts: PARTS });
});

it('a snapshot that is replaced while it is read is not mixed with the new one', async () => {
  const first = { ...full, position: 5n, state: {}, parts: PARTS };
  await snapshots.save('default', fold, first);
  const snapshot = await snapshots.load('default', fold);
  const reading = snapshot?.parts[Symbol.asyncIterator]();
  await reading?.next();
  await snapshots.save('default', fold, { ...first, position: 6n });
  const rest = async () => {
    while (!(await reading?.next())?.done);
  };
  await expect(rest()).rejects.toThrow(SnapshotReplaced);
});

const migration = async (name: string): Promise<string> =>
  readFile(new URL(`../../migrations/${name}.sql`, import.meta.url), 'utf8');

it('snapshots from before the table was renamed, and from before there were parts, are kept', async () => {
  const created = (await migration('0003_assigner')).match(/CREATE TABLE baton\.assigner_snapshots[^;]*;/)?.[0] ?? '';
  await pool.query('DROP TABLE baton.fold_snapshots, baton.fold_snapshot_parts');
  await pool.query(created);
  await pool.query(
    `INSERT INTO baton.assigner_snapshots (tenant, pool, version, position, state)
     VALUES ('default', 'default', 3, 7, '{"a": 1}'), ('default', '#executions', 1, 8, '{"b": 2}')`,
  );
  await pool.query(await migration('0005_fold_snapshots'));
  await pool.query(await migration('0007_fold_snapshot_parts'));
  const kept = (name: string, version: number) => loaded('default', { name, version });
  expect(await kept('pool:default', 3)).toEqual({ position: 7n, state: { a: 1 }, parts: [] });
  expect(await kept('executions', 1)).toEqual({ position: 8n, state: { b: 2 }, parts: [] });
});
