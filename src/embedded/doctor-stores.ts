import { BACKWARDS, END } from '@eventstore/db-client';
import { Redis } from 'ioredis';
import pg from 'pg';
import { accessAdvice } from '../platform/eventstore-access.ts';
import { createEventStoreClient } from '../platform/eventstore-client.ts';
import { type Check, fail, guarded, ok, warn } from './doctor-check.ts';

const OLDEST_POSTGRES = 14;
/** The oldest version that BullMQ supports. */
const OLDEST_REDIS = 5;

const majorOf = (version: string): number => Number.parseInt(version, 10);

/** Checks the first host only: the hosts of a cluster are all of one kind. */
const isLoopback = (url: string): boolean =>
  /^[a-z+]+:\/\/([^@/]*@)?(127\.\d+\.\d+\.\d+|localhost|\[::1\])([:/?,]|$)/.test(url);

const withoutPassword = (url: string): string => url.replace(/\/\/[^@/]*@/, '//***@');

const BATCH_APPEND = { path: '/event_store.client.streams.Streams/BatchAppend' };

/** Reports the server's version and reads one event from the end of the log. It appends nothing: a check must not leave traces. */
export const checkEventStore = (url: string): Promise<Check[]> =>
  guarded('event store', `check that a server is running at ${withoutPassword(url)}`, async () => {
    const client = createEventStoreClient(url);
    try {
      // A protected member, but the official client has no other way to ask for the server's version.
      const features = await client['capabilities'];
      let events = 0;
      for await (const _ of client.readAll({ direction: BACKWARDS, fromPosition: END, maxCount: 1 })) events++;
      const found = `version ${features.serverVersion}, ${events === 0 ? 'empty log' : 'log readable'}`;
      const checks = [ok('event store', found)];
      if (!features.supports(BATCH_APPEND as Parameters<typeof features.supports>[0])) {
        checks.push(
          warn(
            'event store appends',
            'the server does not offer BatchAppend',
            'appends reach about a quarter of the throughput; use server 21.10 or newer',
          ),
        );
      }
      if (/[?&]tls=false/i.test(url) && !isLoopback(url)) {
        checks.push(
          warn(
            'event store transport',
            'not encrypted (tls=false)',
            'remove tls=false from EVENTSTORE_URL unless the network is private',
          ),
        );
      }
      return checks;
    } catch (error) {
      const advice = accessAdvice(error);
      if (advice === undefined) throw error;
      return [fail('event store', (error as Error).message, advice)];
    } finally {
      await client.dispose();
    }
  });

type PostgresFacts = {
  version: string;
  fsync: string;
  synchronous_commit: string;
  full_page_writes: string;
  superuser: boolean;
  bypass: boolean;
  may_create: boolean;
  now_ms: number;
};

const POSTGRES_FACTS = `
  SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync,
         current_setting('synchronous_commit') AS synchronous_commit, current_setting('full_page_writes') AS full_page_writes,
         rolsuper AS superuser, rolbypassrls AS bypass, has_database_privilege(current_database(), 'CREATE') AND has_schema_privilege('public', 'CREATE') AS may_create,
         (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now_ms
  FROM pg_roles WHERE rolname = current_user`;

const postgresChecks = (facts: PostgresFacts): Check[] => {
  const version = `version ${facts.version}`;
  const checks = [
    majorOf(facts.version) >= OLDEST_POSTGRES
      ? ok('postgres', version)
      : fail('postgres', version, `use version ${OLDEST_POSTGRES} or newer`),
  ];
  for (const setting of ['fsync', 'full_page_writes'] as const) {
    checks.push(
      facts[setting] === 'on'
        ? ok(`postgres ${setting}`, 'on')
        : fail(`postgres ${setting}`, facts[setting], 'a power failure can corrupt the read models; turn it on'),
    );
  }
  checks.push(
    facts.synchronous_commit === 'off'
      ? warn(
          'postgres synchronous_commit',
          'off',
          'a crash may lose the newest rows; they are then projected again from the log',
        )
      : ok('postgres synchronous_commit', facts.synchronous_commit),
  );
  const bypass = facts.superuser ? 'superuser' : facts.bypass ? 'has BYPASSRLS' : undefined;
  checks.push(
    bypass === undefined
      ? ok('postgres role', 'ordinary role')
      : warn(
          'postgres role',
          bypass,
          'row-level security does not apply to it, so only the queries keep tenants apart; connect as an ordinary role',
        ),
  );
  if (!facts.may_create)
    checks.push(
      fail(
        'postgres rights',
        'no CREATE privilege on the database or its schema public',
        'each read model has its own schema; make the role the owner of the database',
      ),
    );
  return checks;
};

/** Deadlines and the times in the log are those of this machine; a client whose clock is far off confuses people and delays retries. */
const MOST_CLOCK_MS = 1_000;

/** `askedMs` and `answeredMs`: this machine's clock before and after Postgres was asked for the time. */
export const clockCheck = (postgresMs: number, askedMs: number, answeredMs: number): Check => {
  const off = Math.max(askedMs - postgresMs, postgresMs - answeredMs, 0);
  if (off <= MOST_CLOCK_MS) return ok('clock', `agrees with that of Postgres within ${MOST_CLOCK_MS} ms`);
  const found = `${(off / 1_000).toFixed(1)} s ${postgresMs > answeredMs ? 'behind' : 'ahead of'} that of Postgres`;
  return warn('clock', found, 'deadlines and retries are as far off; synchronise both machines (NTP)');
};

export const checkPostgres = (url: string): Promise<Check[]> =>
  guarded('postgres', `check that a server is running at ${withoutPassword(url)}`, async () => {
    const client = new pg.Client({
      connectionString: url,
      application_name: 'baton-doctor',
      connectionTimeoutMillis: 4_000,
    });
    client.on('error', () => {}); // the query that fails reports it
    try {
      await client.connect();
      const askedMs = Date.now();
      const { rows } = await client.query<PostgresFacts>(POSTGRES_FACTS);
      const answeredMs = Date.now();
      return rows.flatMap((facts) => [...postgresChecks(facts), clockCheck(facts.now_ms, askedMs, answeredMs)]);
    } finally {
      await client.end();
    }
  });

const redisChecks = (info: ReadonlyMap<string, string>): Check[] => {
  const [redis, valkey] = [info.get('redis_version') ?? 'unknown', info.get('valkey_version')];
  const version = valkey === undefined ? `version ${redis}` : `Valkey ${valkey}`;
  const policy = info.get('maxmemory_policy') ?? 'unknown';
  const isOld = majorOf(redis) < OLDEST_REDIS;
  return [
    isOld ? fail('redis', version, `use version ${OLDEST_REDIS} or newer`) : ok('redis', version),
    policy === 'noeviction'
      ? ok('redis maxmemory-policy', policy)
      : fail(
          'redis maxmemory-policy',
          policy,
          'Redis would silently drop jobs when memory is short; set it to noeviction',
        ),
    info.get('aof_enabled') === '1'
      ? ok('redis appendonly', 'yes')
      : warn(
          'redis appendonly',
          'no',
          'after a restart of Redis, Baton has to refill the queues from the log, which takes time; set it to yes',
        ),
  ];
};

/** Uses INFO, because hosted servers refuse CONFIG GET. */
export const checkRedis = (url: string): Promise<Check[]> =>
  guarded('redis', `check that a server is running at ${withoutPassword(url)}`, async () => {
    let lastError: Error | undefined;
    const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 4_000 });
    redis.on('error', (error: Error) => {
      lastError = error;
    });
    try {
      await redis.connect();
      const lines = (await redis.info()).split('\r\n').map((line): [string, string] => {
        const [name = '', ...value] = line.split(':');
        return [name, value.join(':')];
      });
      return redisChecks(new Map(lines));
    } catch (error) {
      throw lastError ?? error; // the rejection only says "Connection is closed."
    } finally {
      redis.disconnect();
    }
  });
