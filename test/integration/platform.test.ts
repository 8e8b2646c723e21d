import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { redisDispatchPlaces } from '../../src/dispatch/queues/dispatch-places.ts';
import { databaseOfCluster } from '../../src/embedded/cluster-database.ts';
import { claimDatabase } from '../../src/eventstore/cluster-identity.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { migrate } from '../../src/platform/migrate.ts';
import { createPool, startFailure, withQueryTimeout } from '../../src/platform/postgres.ts';
import { isTransientPostgresError } from '../../src/platform/postgres-errors.ts';
import { createRedis } from '../../src/platform/redis.ts';
import { freezableProxy } from '../support/freezable-proxy.ts';
import { freshDatabase, freshRedisPrefix } from '../support/servers.ts';

const logger = createLogger('silent');

describe('a Postgres pool', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let pool: pg.Pool;
  beforeAll(async () => {
    database = await freshDatabase();
    pool = createPool(database.url, 2, logger);
  });
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });

  it('reads int8 values and arrays as bigints without loss', async () => {
    const { rows } = await pool.query(
      `SELECT 9007199254740993::int8 AS one, '{1,NULL,-9007199254740993}'::int8[] AS many, 7::int4 AS small`,
    );
    expect(rows[0]).toEqual({ one: 9007199254740993n, many: [1n, null, -9007199254740993n], small: 7 });
  });

  it('survives connections that the server ends, idle or in use, and reports the failure as transient', async () => {
    const client = await pool.connect();
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const sleeping = client.query('SELECT pg_sleep(30)').catch((error: unknown) => error);
    await pool.query('SELECT pg_terminate_backend($1)', [rows[0]!.pid]);
    const failure = await sleeping;
    client.release(true);
    expect(isTransientPostgresError(failure)).toBe(true);
    const idle = await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const admin = new pg.Client(database.url);
    await admin.connect();
    await admin.query('SELECT pg_terminate_backend($1)', [idle.rows[0]!.pid]);
    await admin.end();
    await expect
      .poll(() =>
        pool.query('SELECT 1').then(
          (result) => result.rowCount,
          () => 0,
        ),
      )
      .toBe(1);
  });

  it('fails a query that a frozen server does not answer as transient, and goes on when it answers again', async () => {
    const proxy = await freezableProxy(database.url);
    const frozen = createPool(proxy.url, 1, logger);
    const queries = withQueryTimeout(frozen, 200);
    const answerTo = (values: unknown[]) => queries.query<{ n: number }>('SELECT $1::int AS n', values);
    expect((await answerTo([1])).rows).toEqual([{ n: 1 }]);
    proxy.freeze();
    const failure = await answerTo([2]).catch((error: unknown) => error);
    proxy.thaw();
    expect(isTransientPostgresError(failure)).toBe(true);
    expect((await answerTo([3])).rows).toEqual([{ n: 3 }]);
    await frozen.end();
    await proxy.close();
  });

  it.each([
    ['a wrong password', (url: URL) => (url.password = 'wrong'), /password/i],
    ['a database that there is not', (url: URL) => (url.pathname = '/nowhere'), /Create the database nowhere/],
    ['a port where nothing listens', (url: URL) => (url.port = '1'), /cannot be reached/],
  ])('says what to do about %s', async (_, spoil, advice) => {
    const url = new URL(database.url);
    spoil(url);
    const failure = await migrate(url.href, logger).catch((error: unknown) => startFailure(error, url.href));
    // Where the server trusts everybody, a wrong password is not an error.
    if (!Array.isArray(failure))
      expect(failure).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringMatching(advice) });
  });

  it('does not report a wrong statement as transient', async () => {
    const failure = await pool.query('SELECT nonsense').catch((error: unknown) => error);
    expect(isTransientPostgresError(failure)).toBe(false);
  });

  it('reports a server that takes connections and says nothing as transient', async () => {
    const proxy = await freezableProxy(database.url);
    proxy.freeze();
    const client = new pg.Client({ connectionString: proxy.url, connectionTimeoutMillis: 100 });
    const failure = await client.connect().catch((error: unknown) => error);
    await proxy.close();
    expect(isTransientPostgresError(failure)).toBe(true);
  });

  it('reports a missing server as transient', async () => {
    const nowhere = createPool('postgres://baton@127.0.0.1:1/baton', 1, logger);
    const failure = await nowhere.query('SELECT 1').catch((error: unknown) => error);
    await nowhere.end();
    expect(isTransientPostgresError(failure)).toBe(true);
  });
});

describe('the database of an event store in the embedded Postgres', () => {
  it('is the first one for the cluster that came first, and one of its own for every other', async () => {
    const database = await freshDatabase();
    const idOf = (last: string) => `0190b5a4-5b9e-7cc1-8a52-${database.url.slice(-11)}${last}`;
    const [first, second] = [idOf('1'), idOf('2')];
    expect(await databaseOfCluster(database.url, first, logger)).toBe(database.url);
    const client = new pg.Client(database.url);
    await client.connect();
    await client.query('INSERT INTO baton.cluster_identity (cluster_id) VALUES ($1)', [first]);
    const own = await databaseOfCluster(database.url, second, logger);
    expect(new URL(own).pathname).toBe(`/baton_${second.replaceAll('-', '')}`);
    await migrate(own, logger);
    expect(await databaseOfCluster(database.url, second, logger)).toBe(own);
    expect(await databaseOfCluster(database.url, first, logger)).toBe(database.url);
    const pool = createPool(database.url, 1, logger);
    await expect(claimDatabase(pool, second)).rejects.toThrow(
      new RegExp(
        `belongs to cluster ${first}.*psql "\\$DATABASE_URL" -c 'CREATE DATABASE (baton_\\w+)', and end DATABASE_URL with /\\1$`,
      ),
    );
    await pool.end();
    await client.query(`DROP DATABASE ${new URL(own).pathname.slice(1)} WITH (FORCE)`);
    await client.end();
    await database.drop();
  });
});

describe('migrations', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let directory: string;
  const write = (name: string, sql: string) => writeFile(join(directory, name), sql);
  const run = () => migrate(database.url, logger, directory);
  const scalar = async (sql: string) => {
    const client = new pg.Client(database.url);
    await client.connect();
    const { rows } = await client.query({ text: sql, rowMode: 'array' });
    await client.end();
    return rows[0]?.[0] as unknown;
  };

  beforeAll(async () => {
    database = await freshDatabase();
    directory = await mkdtemp(join(tmpdir(), 'baton-migrations-'));
    // A database with the schema of this build has a history of its own.
    await scalar('DROP TABLE IF EXISTS public.schema_migrations');
    // By default a schema named like the role comes first in the search path, and Baton's own is named like its role.
    await scalar('CREATE SCHEMA IF NOT EXISTS AUTHORIZATION CURRENT_ROLE');
    await write('0001_first.sql', 'CREATE TABLE probe (n int); INSERT INTO probe VALUES (1);');
  });
  afterAll(async () => {
    await database.drop();
    await rm(directory, { recursive: true });
  });

  it('run once, even when several processes start together', async () => {
    const ran = await Promise.all([run(), run(), run()]);
    expect(ran.flat()).toEqual(['0001_first']);
    expect(await scalar('SELECT count(*) FROM public.probe')).toBe('1');
  });

  it('leave nothing behind when one of them fails', async () => {
    await write('0002_second.sql', 'INSERT INTO probe VALUES (2);');
    await write('0003_wrong.sql', 'INSERT INTO no_such_table VALUES (3);');
    await expect(run()).rejects.toThrow(/no_such_table/);
    expect(await scalar('SELECT count(*) FROM public.probe')).toBe('1');
    await rm(join(directory, '0003_wrong.sql'));
    expect(await run()).toEqual(['0002_second']);
  });

  it('refuse a database that is newer than the build', async () => {
    await rm(join(directory, '0002_second.sql'));
    await expect(run()).rejects.toThrow(
      'the database has schema 2, but this build only knows up to 1; run a newer build',
    );
    await write('0002_second.sql', 'INSERT INTO probe VALUES (2);');
  });

  it('refuse a migration that was edited after it ran', async () => {
    await write('0001_first.sql', 'CREATE TABLE other (n int);');
    await expect(run()).rejects.toThrow('migration 0001_first was edited after it ran');
  });
});

describe('a Redis connection', () => {
  it('fails commands at once while Redis is away, when asked to', async () => {
    const redis = createRedis('redis://127.0.0.1:1', logger, 'fail');
    await expect(redis.ping()).rejects.toThrow();
    redis.disconnect();
  });

  it('fails commands that a frozen Redis does not answer, and continues once it answers again', async () => {
    const proxy = await freezableProxy(inject('redisUrl'));
    const redis = createRedis(proxy.url, logger, 'fail');
    await redis.ping();
    proxy.freeze();
    await expect(redis.ping()).rejects.toThrow('timed out');
    proxy.thaw();
    await expect(redis.ping()).resolves.toBe('PONG');
    redis.disconnect();
    await proxy.close();
  });

  it('reads what it wrote', async () => {
    const redis = createRedis(inject('redisUrl'), logger);
    const key = `${freshRedisPrefix()}:probe`;
    await redis.set(key, 'here', 'EX', 60);
    expect(await redis.get(key)).toBe('here');
    await redis.quit();
  });
});

describe('the capacity of dispatchers', () => {
  it('is that of all dispatchers that renew it, until they leave', async () => {
    const redis = createRedis(inject('redisUrl'), logger, 'fail');
    const places = redisDispatchPlaces(redis, freshRedisPrefix(), 'default');
    expect(await places.of('print')).toBeUndefined();
    await places.offer('print', 'one', 20);
    await places.offer('print', 'two', 5);
    await places.offer('print', 'two', 5);
    await places.offer('other', 'one', 20);
    expect(await places.of('print')).toBe(25);
    await places.withdraw('print', 'one', 20);
    expect(await places.of('print')).toBe(5);
    redis.disconnect();
  });
});
