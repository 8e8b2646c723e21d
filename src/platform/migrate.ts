import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { AppError } from './errors.ts';
import type { Logger } from './logger.ts';
import { CONNECT_TIMEOUT_MS } from './postgres.ts';

/** The repository's `migrations/`; the path is the same from src/platform and dist/platform. */
const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url));
const SCHEMA = 'public';
const TABLE = 'schema_migrations';
/** An arbitrary number that all versions of Baton share. */
const LOCK = 4_207_114_951;
/** Enough for another migrator to finish, and for long queries to release the tables that a migration changes. */
const LOCK_TIMEOUT = '60s';

type Migration = { readonly name: string; readonly number: number; readonly sha256: string };

const NAME = /^(\d+)_[a-z0-9_-]+\.sql$/;

const numberOf = (name: string): number => Number.parseInt(name, 10);

const readMigrations = async (directory: string): Promise<Migration[]> => {
  const files = (await readdir(directory)).filter((file) => !file.startsWith('.'));
  const bad = files.find((file) => !NAME.test(file));
  if (bad !== undefined)
    throw new Error(`${join(directory, bad)} is not a migration: the name must look like 0001_what_it_does.sql`);
  return Promise.all(
    files.sort().map(async (file) => {
      const sha256 = createHash('sha256')
        .update(await readFile(join(directory, file)))
        .digest('hex');
      return { name: file.replace(/\.sql$/, ''), number: numberOf(file), sha256 };
    }),
  );
};

const refuse = (message: string): AppError => new AppError('CONFLICT', message);

const newest = (numbers: readonly number[]): number => numbers.reduce((a, b) => Math.max(a, b), 0);

/** Throws unless the migrations that ran in the database are the first ones of this build, unchanged. */
const checkHistory = (
  applied: readonly { name: string; sha256: string | null }[],
  known: readonly Migration[],
): void => {
  const [schema, build] = [
    newest(applied.map(({ name }) => numberOf(name))),
    newest(known.map(({ number }) => number)),
  ];
  if (schema > build)
    throw refuse(`the database has schema ${schema}, but this build only knows up to ${build}; run a newer build`);
  for (const { name, sha256 } of applied) {
    const migration = known.find((candidate) => candidate.name === name);
    if (migration === undefined)
      throw refuse(`migration ${name} ran in this database, but this build does not have it`);
    if (sha256 !== null && sha256 !== migration.sha256)
      throw refuse(`migration ${name} was edited after it ran in this database; add a new one instead`);
  }
};

const migrateOn = async (client: pg.Client, directory: string, logger: Logger): Promise<string[]> => {
  const known = await readMigrations(directory);
  await client.query(`SET lock_timeout = '${LOCK_TIMEOUT}'`);
  await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
  // By default a schema with the role's name comes first, and one of our migrations creates it: from then on, unqualified names would resolve there.
  await client.query(`SET search_path = ${SCHEMA}`);
  // The library's own table, plus a checksum.
  await client.query(
    `CREATE TABLE IF NOT EXISTS ${TABLE} (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL, sha256 text)`,
  );
  const { rows } = await client.query<{ name: string; sha256: string | null }>(`SELECT name, sha256 FROM ${TABLE}`);
  checkHistory(rows, known);
  if (rows.length === known.length && rows.every(({ sha256 }) => sha256 !== null)) return [];
  const { runner } = await import('node-pg-migrate'); // most starts have nothing to migrate
  const ran = await runner({
    dbClient: client,
    dir: directory,
    direction: 'up',
    migrationsSchema: SCHEMA,
    migrationsTable: TABLE,
    noLock: true, // our lock also covers the checks above
    singleTransaction: true,
    logger: { debug: () => {}, info: () => {}, warn: (text) => logger.warn(text), error: (text) => logger.error(text) },
  });
  for (const { name, sha256 } of known) {
    await client.query(`UPDATE ${TABLE} SET sha256 = $2 WHERE name = $1 AND sha256 IS NULL`, [name, sha256]);
  }
  return ran.map(({ name }) => name);
};

/**
 * Brings the database to this build's schema: runs all pending migrations in one transaction, forward only. When several processes
 * start at once, one migrates and the others wait. Returns the names of the migrations that ran.
 *
 * Errors: `AppError` CONFLICT when the database is newer than the build, or ran a migration that the build does not have or that was
 * edited since.
 */
export const migrate = async (
  databaseUrl: string,
  logger: Logger,
  directory: string = MIGRATIONS,
): Promise<string[]> => {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'baton-migrate',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  await client.connect();
  try {
    const ran = await migrateOn(client, directory, logger);
    if (ran.length > 0) logger.info({ migrations: ran }, 'database migrated');
    return ran;
  } finally {
    await client.end(); // releases the lock
  }
};
