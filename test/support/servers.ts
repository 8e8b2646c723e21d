import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnEventStoreNode } from 'baton-eventstore-node';
import pg from 'pg';
import { inject } from 'vitest';
import { createLogger } from '../../src/platform/logger.ts';
import { prepareDatabase } from '../../src/projections/prepare-database.ts';
import { schemaOf } from '../../src/projections/projector.ts';
import { projectors } from '../../src/projections/registry.ts';
import { createSchemaSql } from '../../src/projections/runner/ddl.ts';

const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url));
/** Serialises the test processes that want to make the template. */
const TEMPLATE_LOCK = 4_207_114_952;
const OBJECT_IN_USE = '55006';

const withAdmin = async <T>(work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const client = new pg.Client(inject('databaseUrl'));
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

const urlOf = (database: string): string => {
  const url = new URL(inject('databaseUrl'));
  url.pathname = `/${database}`;
  return url.href;
};

/** Of the migrations and of the declared read models. */
const schemaDigest = async (): Promise<string> => {
  const hash = createHash('sha256');
  for (const projector of projectors)
    for (const statement of createSchemaSql(schemaOf(projector), projector.tables)) hash.update(statement);
  for (const file of (await readdir(MIGRATIONS)).sort())
    hash.update(file).update(await readFile(join(MIGRATIONS, file)));
  return hash.digest('hex').slice(0, 12);
};

/** The name of a database with the current schema; its name says which, so that servers that outlive a run stay right. */
const createMigratedTemplate = (): Promise<string> =>
  withAdmin(async (admin) => {
    const name = `baton_template_${await schemaDigest()}`;
    await admin.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
    const found = await admin.query('SELECT FROM pg_database WHERE datname = $1', [name]);
    if (found.rowCount === 1) return name;
    const draft = `${name}_draft`;
    await admin.query(`DROP DATABASE IF EXISTS ${draft}`);
    await admin.query(`CREATE DATABASE ${draft}`);
    await prepareDatabase(urlOf(draft), createLogger('warn'));
    await admin.query(`ALTER DATABASE ${draft} RENAME TO ${name}`);
    return name;
  });

let template: Promise<string> | undefined;

/** A migrated database of its own. `drop` fails when a connection to it was left open. */
export const freshDatabase = async (): Promise<{ url: string; drop(): Promise<void> }> => {
  template ??= createMigratedTemplate();
  const source = await template;
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await withAdmin((admin) => admin.query(`CREATE DATABASE ${name} TEMPLATE ${source} STRATEGY FILE_COPY`));
  return {
    url: urlOf(name),
    drop: () =>
      withAdmin(async (admin) => {
        try {
          await admin.query(`DROP DATABASE ${name}`); // Postgres gives leaving connections five seconds
        } catch (error) {
          if ((error as { code?: string }).code !== OBJECT_IN_USE) throw error;
          await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
          throw new Error('the test left a connection to its database open', { cause: error });
        }
      }),
  };
};

/** A key prefix that no other test uses; take it as BullMQ's `prefix`. */
export const freshRedisPrefix = (): string => `test:${randomUUID()}`;

/** An eventstore-node of its own, with an empty log. `stop` also deletes the log. */
export const freshEventStore = async (): Promise<{
  connectionString: string;
  pid: number;
  dataDir: string;
  stop(): Promise<void>;
}> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'baton-eventstore-'));
  const node = await spawnEventStoreNode({ dataDir });
  return {
    connectionString: node.connectionString,
    pid: node.pid,
    dataDir,
    async stop() {
      await node.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
};
