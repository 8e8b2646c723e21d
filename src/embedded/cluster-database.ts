import pg from 'pg';
import type { Logger } from '../platform/logger.ts';

const query = async <Row extends object>(url: string, text: string, values: unknown[] = []): Promise<Row[]> => {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
};

/** The cluster that the database belongs to; undefined when it belongs to none yet. */
const ownerOf = async (url: string): Promise<string | undefined> => {
  const [table] = await query<{ known: string | null }>(url, "SELECT to_regclass('baton.cluster_identity') AS known");
  if (table?.known == null) return undefined;
  return (await query<{ owner: string }>(url, 'SELECT cluster_id AS owner FROM baton.cluster_identity'))[0]?.owner;
};

/**
 * The database of an event store's cluster in the embedded Postgres, so that the event store may change and change back: the first cluster
 * has the database at `url`, and each other one its own, which is created when it is first seen.
 */
export const databaseOfCluster = async (url: string, clusterId: string, logger: Logger): Promise<string> => {
  const owner = await ownerOf(url);
  if (owner === undefined || owner === clusterId) return url;
  const name = `baton_${clusterId.replaceAll('-', '')}`;
  const found = await query(url, 'SELECT FROM pg_database WHERE datname = $1', [name]);
  if (found.length === 0) {
    logger.info(
      { database: name },
      'the event store is another one than before: its read models get a database of their own',
    );
    await query(url, `CREATE DATABASE ${pg.escapeIdentifier(name)}`);
  }
  const own = new URL(url);
  own.pathname = `/${name}`;
  return own.href;
};
