import { BACKWARDS, END, EventStoreDBClient } from '@eventstore/db-client';
import { Redis } from 'ioredis';
import pg from 'pg';
import { type Check, fail, guarded, ok, warn } from './doctor-check.ts';

const OLDEST_POSTGRES = 14;
/** BullMQ's own limit. */
const OLDEST_REDIS = 5;

const majorOf = (version: string): number => Number.parseInt(version, 10);

/** Of the first host; the addresses of a cluster are of one kind. */
const isLoopback = (url: string): boolean =>
  /^[a-z+]+:\/\/([^@/]*@)?(127\.\d+\.\d+\.\d+|localhost|\[::1\])([:/?,]|$)/.test(url);

const withoutPassword = (url: string): string => url.replace(/\/\/[^@/]*@/, '//***@');

const BATCH_APPEND = { path: '/event_store.client.streams.Streams/BatchAppend' };

/** Names the server and reads one event from the end of the log. Nothing is appended: a check leaves no trace in the log. */
export const checkEventStore = (url: string): Promise<Check[]> =>
  guarded('event store', `is a server running at ${withoutPassword(url)}?`, async () => {
    const client = EventStoreDBClient.connectionString(url);
    try {
      // Protected, yet the only way the official client tells what the server is.
      const features = await client['capabilities'];
      let events = 0;
      for await (const _ of client.readAll({ direction: BACKWARDS, fromPosition: END, maxCount: 1 })) events++;
      const found = `version ${features.serverVersion}, ${events === 0 ? 'empty log' : 'log readable'}`;
      const checks = [ok('event store', found)];
      if (!features.supports(BATCH_APPEND as Parameters<typeof features.supports>[0])) {
        checks.push(
          warn(
            'event store appends',
            'BatchAppend is not offered',
            'appends take the slow path, about a quarter of the throughput; use server 21.10 or newer',
          ),
        );
      }
      if (/[?&]tls=false/i.test(url) && !isLoopback(url)) {
        checks.push(
          warn('event store transport', 'not encrypted (tls=false)', 'remove tls=false unless the network is private'),
        );
      }
      return checks;
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
};

const POSTGRES_FACTS = `
  SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync,
         current_setting('synchronous_commit') AS synchronous_commit, current_setting('full_page_writes') AS full_page_writes,
         rolsuper AS superuser, rolbypassrls AS bypass, has_database_privilege(current_database(), 'CREATE') AND has_schema_privilege('public', 'CREATE') AS may_create
  FROM pg_roles WHERE rolname = current_user`;

const judgePostgres = (facts: PostgresFacts): Check[] => {
  const version = `version ${facts.version}`;
  const checks = [
    majorOf(facts.version) >= OLDEST_POSTGRES
      ? ok('postgres', version)
      : fail('postgres', version, `version ${OLDEST_POSTGRES} or newer is needed`),
  ];
  for (const setting of ['fsync', 'full_page_writes'] as const) {
    checks.push(
      facts[setting] === 'on'
        ? ok(`postgres ${setting}`, 'on')
        : fail(`postgres ${setting}`, facts[setting], 'a power cut can corrupt the read models; set it on'),
    );
  }
  checks.push(
    facts.synchronous_commit === 'off'
      ? warn(
          'postgres synchronous_commit',
          'off',
          'the newest rows may be lost in a crash; they are then projected again from the log',
        )
      : ok('postgres synchronous_commit', facts.synchronous_commit),
  );
  const rights = facts.superuser ? 'a superuser' : facts.bypass ? 'a role with BYPASSRLS' : undefined;
  checks.push(
    rights === undefined
      ? ok('postgres role', 'no superuser')
      : warn(
          'postgres role',
          rights,
          'row-level security does not bind it, so tenants are kept apart by queries alone; connect as an ordinary role',
        ),
  );
  if (!facts.may_create)
    checks.push(
      fail(
        'postgres rights',
        'no CREATE on the database and its schema public',
        'read models live in schemas of their own; make the role the owner of its database',
      ),
    );
  return checks;
};

export const checkPostgres = (url: string): Promise<Check[]> =>
  guarded('postgres', `is a server running at ${withoutPassword(url)}?`, async () => {
    const client = new pg.Client({
      connectionString: url,
      application_name: 'baton-doctor',
      connectionTimeoutMillis: 4_000,
    });
    client.on('error', () => {}); // the failed query tells
    try {
      await client.connect();
      const { rows } = await client.query<PostgresFacts>(POSTGRES_FACTS);
      return rows.flatMap(judgePostgres);
    } finally {
      await client.end();
    }
  });

const judgeRedis = (info: ReadonlyMap<string, string>): Check[] => {
  const [redis, valkey] = [info.get('redis_version') ?? 'unknown', info.get('valkey_version')];
  const version = valkey === undefined ? `version ${redis}` : `Valkey ${valkey}`;
  const policy = info.get('maxmemory_policy') ?? 'unknown';
  const isOld = majorOf(redis) < OLDEST_REDIS;
  return [
    isOld ? fail('redis', version, `version ${OLDEST_REDIS} or newer is needed`) : ok('redis', version),
    policy === 'noeviction'
      ? ok('redis maxmemory-policy', policy)
      : fail('redis maxmemory-policy', policy, 'under memory pressure Redis would drop jobs silently; set noeviction'),
    info.get('aof_enabled') === '1'
      ? ok('redis appendonly', 'yes')
      : warn(
          'redis appendonly',
          'no',
          'after a restart of Redis the queues are filled anew from the log, which takes time; set it to yes',
        ),
  ];
};

/** INFO rather than CONFIG GET, which hosted servers refuse. */
export const checkRedis = (url: string): Promise<Check[]> =>
  guarded('redis', `is a server running at ${withoutPassword(url)}?`, async () => {
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
      return judgeRedis(new Map(lines));
    } catch (error) {
      throw lastError ?? error; // "Connection is closed." hides why
    } finally {
      redis.disconnect();
    }
  });
