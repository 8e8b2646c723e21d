import { execFile, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startPostgres } from '../../src/embedded/postgres.ts';
import { packagedPostgres } from '../../src/embedded/postgres-home.ts';
import { commandLineOf, identityOf, isRunning } from '../../src/embedded/process-identity.ts';
import { obtainRedisProgram } from '../../src/embedded/redis-program.ts';
import { type EmbeddedStack, startEmbedded } from '../../src/embedded/stack.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { startInOtherProcess } from '../support/embedded-process.ts';
import { addressOf, runScript } from '../support/run-source.ts';

const run = promisify(execFile);
const logger = createLogger('silent');
const isRoot = process.getuid?.() === 0;

/** As in another container: own network, own pids. */
const ELSEWHERE = ['--net', '--pid', '--fork', '--mount-proc', '--kill-child'];
const canBeElsewhere = spawnSync('unshare', [...ELSEWHERE, 'true']).status === 0;

let folder: string;
let stacks: { stop(): Promise<void> }[];

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'baton-embedded-')));
  await chmod(folder, 0o711); // as the folder of an ordinary project; one that is closed has a test of its own
  stacks = [];
});
afterEach(async () => {
  await Promise.all(stacks.map((stack) => stack.stop()));
  await rm(folder, { recursive: true, force: true });
});

const configOf = (dataDir: string) => ({
  eventStoreUrl: undefined,
  databaseUrl: undefined,
  redisUrl: undefined,
  dataDir,
  allowInstall: false,
});

const start = async (dataDir = join(folder, '.baton')): Promise<EmbeddedStack> => {
  const stack = await startEmbedded(configOf(dataDir), logger);
  stacks.push(stack);
  return stack;
};

const query = async (url: string, sql: string): Promise<unknown> => {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows } = await client.query({ text: sql, rowMode: 'array' });
    return rows[0]?.[0];
  } finally {
    await client.end();
  }
};

const onRedis = async <T>(url: string, work: (redis: Redis) => Promise<T>): Promise<T> => {
  const redis = new Redis(url, { retryStrategy: () => null });
  redis.on('error', () => {}); // the failed command tells
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
};

const onEventStore = async <T>(url: string, work: (client: EventStoreDBClient) => Promise<T>): Promise<T> => {
  const client = EventStoreDBClient.connectionString(url);
  try {
    return await work(client);
  } finally {
    await client.dispose();
  }
};

/** A folder that the stack has been started in before: the first start takes 6 s, a later one 1.4. */
let template: { readonly home: string; readonly dataDir: string } | undefined;
afterAll(() => template && rm(template.home, { recursive: true, force: true }));

/** The folder of a test as an earlier start has left it. */
const usedFolder = async (): Promise<string> => {
  if (!template) {
    const home = await realpath(await mkdtemp(join(tmpdir(), 'baton-embedded-template-')));
    await chmod(home, 0o711);
    template = { home, dataDir: join(home, '.baton') };
    await (await startEmbedded(configOf(template.dataDir), logger)).stop();
  }
  const dataDir = join(folder, '.baton');
  await run('cp', ['-a', template.dataDir, dataDir]);
  return dataDir;
};

type Urls = Pick<EmbeddedStack, 'eventStoreUrl' | 'databaseUrl' | 'redisUrl'>;

const writeNote = async ({ eventStoreUrl, databaseUrl, redisUrl }: Urls): Promise<void> => {
  await onEventStore(eventStoreUrl, (log) =>
    log.appendToStream('note-1', jsonEvent({ type: 'Noted', data: { text: 'kept' } })),
  );
  await query(databaseUrl, "CREATE TABLE note AS SELECT 'kept' AS text");
  await onRedis(redisUrl, (redis) => redis.set('note', 'kept'));
};

const readNote = async ({ eventStoreUrl, databaseUrl, redisUrl }: Urls): Promise<unknown[]> => {
  const fromLog = await onEventStore(eventStoreUrl, async (log) => {
    const texts: unknown[] = [];
    for await (const { event } of log.readStream('note-1')) texts.push(...Object.values(event?.data ?? {}));
    return texts;
  });
  return [
    ...fromLog,
    await query(databaseUrl, 'SELECT text FROM note'),
    await onRedis(redisUrl, (redis) => redis.get('note')),
  ];
};

const KEPT = ['kept', 'kept', 'kept'];

const pidOf = (stack: EmbeddedStack, name: string): number =>
  stack.processes.find((process) => process.name === name)!.pid;

/** The shell that waits to end this server, where it has one. */
const guardOf = async (server: number): Promise<number | undefined> => {
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
  return pids.find((pid) => {
    const command = commandLineOf(pid);
    return command?.includes('read -r line || {') && command.includes(`kill -KILL ${server};`);
  });
};

describe('the embedded stack', () => {
  it('starts durable servers that keep their data over a restart', async () => {
    const first = await start();
    expect(first.processes.map(({ name }) => name).sort()).toEqual(['eventstore', 'postgres', 'redis']);
    for (const setting of ['fsync', 'synchronous_commit', 'full_page_writes']) {
      expect(await query(first.databaseUrl, `SHOW ${setting}`)).toBe('on');
    }
    expect(await query(first.databaseUrl, 'SHOW listen_addresses')).toBe('127.0.0.1');
    expect(await query(first.databaseUrl, 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user')).toBe(false);
    const settings = await onRedis(first.redisUrl, (redis) =>
      redis.config('GET', 'maxmemory-policy', 'appendonly', 'appendfsync', 'bind'),
    );
    expect(settings).toEqual(expect.arrayContaining(['noeviction', 'yes', 'everysec', '127.0.0.1']));
    await writeNote(first);
    await first.stop();
    expect(await readdir(join(folder, '.baton'))).not.toContain('lock');

    expect(await readNote(await start())).toEqual(KEPT);
  });

  it('starts only what is not configured', async () => {
    const eventStoreUrl = 'esdb://127.0.0.1:2113?tls=false';
    const databaseUrl = 'postgres://baton@127.0.0.1:5432/baton';
    const dataDir = join(folder, '.baton');
    const redisOnly = await startEmbedded({ ...configOf(dataDir), eventStoreUrl, databaseUrl }, logger);
    stacks.push(redisOnly);
    expect(redisOnly).toMatchObject({ eventStoreUrl, databaseUrl, processes: [{ name: 'redis' }] });
    await redisOnly.stop();

    const redisUrl = 'redis://127.0.0.1:6379';
    const nothing = { ...configOf(join(folder, 'unused')), eventStoreUrl, databaseUrl, redisUrl };
    expect(await startEmbedded(nothing, logger)).toMatchObject({ eventStoreUrl, databaseUrl, redisUrl, processes: [] });
    expect(existsSync(join(folder, 'unused'))).toBe(false);
  });

  it('refuses clients without the password', async () => {
    const stack = await start(await usedFolder());
    const anonymous = stack.databaseUrl.replace(/:[^:@/]*@/, ':wrong@');
    await expect(query(anonymous, 'SELECT 1')).rejects.toThrow(/password authentication failed/);
    await expect(onRedis(stack.redisUrl.replace(/:[^:@/]*@/, ''), (redis) => redis.get('note'))).rejects.toThrow(
      /NOAUTH/,
    );
    for (const file of ['postgres.password', 'redis.password', 'redis.conf']) {
      expect((await stat(join(folder, '.baton', file))).mode & 0o077).toBe(0);
    }
  });

  it('refuses a second start in the same folder and names the process that uses it', async () => {
    const dataDir = await usedFolder();
    const other = await startInOtherProcess(configOf(dataDir));
    try {
      await expect(start()).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining(`${dataDir} is in use by process ${other.pid}`),
      });
      expect(await query(other.databaseUrl, 'SELECT 1')).toBe(1);
    } finally {
      await other.kill('SIGTERM');
    }
    expect(other.processes.map(({ pid }) => identityOf(pid))).toEqual([undefined, undefined, undefined]);
    await start();
  });

  it.runIf(canBeElsewhere)(
    `refuses a second start from other namespaces${canBeElsewhere ? '' : ' (skipped: unshare is forbidden here)'}`,
    async () => {
      const dataDir = join(folder, '.baton');
      const script = `
        const { openDataDir } = await import(${JSON.stringify(addressOf('embedded/data-dir.ts'))});
        await openDataDir(${JSON.stringify(dataDir)}, { warn() {} });`;
      const elsewhere = () => {
        const node = [process.execPath, ...runScript(script)];
        return spawnSync('unshare', [...ELSEWHERE, ...node], { encoding: 'utf8' });
      };
      const other = await startInOtherProcess({
        ...configOf(dataDir),
        databaseUrl: 'postgres://unused',
        redisUrl: 'redis://unused',
      });
      expect(elsewhere()).toMatchObject({
        status: 1,
        stderr: expect.stringContaining(`${dataDir} is in use by a process`),
      });
      await other.kill('SIGKILL');
      expect(elsewhere()).toMatchObject({ status: 0 });
    },
  );

  it('starts again with its data after its process was killed', async () => {
    const dataDir = await usedFolder();
    const other = await startInOtherProcess(configOf(dataDir));
    await writeNote(other);
    await other.kill('SIGKILL');
    expect(existsSync(join(dataDir, 'lock'))).toBe(true);
    expect(await readNote(await start(dataDir))).toEqual(KEPT);
  });

  it('leaves no server running behind when its process is killed', async () => {
    const other = await startInOtherProcess(configOf(await usedFolder()));
    const servers = other.processes.map(({ pid }) => identityOf(pid)!);
    expect(servers.every(isRunning)).toBe(true);
    // One that hangs does not follow the signal that asks it to stop.
    process.kill(other.processes.find(({ name }) => name === 'redis')!.pid, 'SIGSTOP');
    await other.kill('SIGKILL');
    await expect.poll(() => servers.some(isRunning), { timeout: 20_000 }).toBe(false);
  });

  it.runIf(process.platform === 'linux')('stops servers that a killed process left running', async () => {
    const dataDir = await usedFolder();
    const other = await startInOtherProcess(configOf(dataDir));
    await writeNote(other);
    const servers = other.processes.map(({ pid }) => identityOf(pid)!);
    // What ends a server whose parent was killed is a small shell beside it; here that is killed first.
    const guards = await Promise.all(servers.map(({ pid }) => guardOf(pid)));
    for (const guard of guards) if (guard !== undefined) process.kill(guard, 'SIGKILL');
    await other.kill('SIGKILL');
    expect(servers.filter(isRunning).length).toBeGreaterThanOrEqual(2); // the event store node watches its parent itself

    const next = await start(dataDir);
    expect(servers.some(isRunning)).toBe(false);
    expect(await readNote(next)).toEqual(KEPT);
  });

  it.each(['eventstore', 'postgres', 'redis'])('restarts %s at the same address when it is killed', async (name) => {
    const stack = await start(await usedFolder());
    await writeNote(stack);
    const pid = pidOf(stack, name);
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => pidOf(stack, name), { timeout: 10_000 }).not.toBe(pid);
    expect(await readNote(stack)).toEqual(KEPT);
  });

  it('moves data aside that Redis and Postgres cannot read, makes lost files again, and starts empty', async () => {
    const dataDir = await usedFolder();
    const first = await start(dataDir);
    await writeNote(first);
    await first.stop();
    const files = join(dataDir, 'redis', 'appendonlydir');
    const log = (await readdir(files)).find((file) => file.endsWith('.incr.aof'))!;
    await writeFile(join(files, log), 'this is not what Redis wrote\r\n');
    await rm(join(dataDir, 'postgres', 'global', 'pg_control'));
    // What a full disk or a crash leaves of small files.
    for (const [name, text] of [
      ['redis.password', ''],
      ['lock', '[]'],
      ['processes.json', '{"pid":1}'],
    ] as const)
      await writeFile(join(dataDir, name), text);
    const second = await start(dataDir);
    expect(await onRedis(second.redisUrl, (redis) => redis.dbsize())).toBe(0);
    expect(await query(second.databaseUrl, "SELECT to_regclass('note')")).toBe(null);
    for (const name of ['redis', 'postgres'])
      expect((await readdir(dataDir)).filter((file) => file.startsWith(`${name}.damaged-`))).toHaveLength(1);
  }, 90_000); // makes two clusters

  it('stops within five seconds while clients are connected', async () => {
    const stack = await start(await usedFolder());
    const client = new pg.Client(stack.databaseUrl);
    client.on('error', () => {}); // the server goes away
    await client.connect();
    const sleeping = client.query('SELECT pg_sleep(60)').catch(() => {});
    const startedAt = performance.now();
    await stack.stop();
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    await sleeping;
  });
});

describe('embedded Postgres', () => {
  it('starts although a stale postmaster.pid names a running process', async () => {
    const dataDir = await usedFolder();
    const { uid, gid } = await stat(join(dataDir, 'postgres'));
    const bystander = spawn('sleep', ['60'], isRoot ? { uid, gid } : {});
    try {
      await writeFile(join(dataDir, 'postgres', 'postmaster.pid'), `${bystander.pid}\n${join(dataDir, 'postgres')}\n`, {
        mode: 0o600,
      });
      const second = await start(dataDir);
      expect(await query(second.databaseUrl, 'SELECT 1')).toBe(1);
      expect(bystander.exitCode).toBe(null);
    } finally {
      bystander.kill();
    }
  });

  it('starts over after an interrupted first start', async () => {
    const dataDir = join(folder, '.baton');
    await mkdir(join(dataDir, 'postgres.draft-4711', 'half'), { recursive: true });
    await chmod(dataDir, 0o711);
    expect(await query((await start(dataDir)).databaseUrl, 'SELECT 1')).toBe(1);
    expect(existsSync(join(dataDir, 'postgres.draft-4711'))).toBe(false);
  });

  it.runIf(isRoot)(
    'works for root in a folder that only root can access',
    async () => {
      const closed = join(folder, 'closed');
      await mkdir(closed, { mode: 0o700 });
      // Programs as npm leaves them when install scripts are off: without the links to the shared libraries.
      const { native, version } = packagedPostgres();
      const packaged = { native: join(closed, 'native'), version: `${version}-test-${randomUUID()}` };
      await cp(native, packaged.native, { recursive: true, verbatimSymlinks: true });
      await rm(join(packaged.native, 'lib', 'libicuuc.so.60'), { force: true });
      const dataDir = join(closed, '.baton');
      await mkdir(dataDir);
      const startIn = async (dir: string) => {
        const server = await startPostgres({ dataDir: dir, logger, packaged });
        stacks.push(server);
        return server;
      };
      try {
        const first = await startIn(dataDir);
        await query(first.url, "CREATE TABLE note AS SELECT 'kept' AS text");
        const location = (await readFile(join(dataDir, 'postgres.location'), 'utf8')).trim();
        expect(commandLineOf(first.pid)).not.toContain(closed);
        expect((await stat(join(location, 'data'))).mode & 0o077).toBe(0);
        await first.stop();

        const second = await startIn(dataDir);
        expect(await query(second.url, 'SELECT text FROM note')).toBe('kept');
        await second.stop();

        // A clone that is deleted and made again gets none of the old data, and one that stays deleted leaves none behind.
        await rm(dataDir, { recursive: true });
        await mkdir(dataDir);
        const third = await startIn(dataDir);
        expect(await query(third.url, "SELECT to_regclass('note')")).toBe(null);
        await third.stop();
        await rm(dataDir, { recursive: true });
        const elsewhere = join(closed, 'other', '.baton');
        await mkdir(elsewhere, { recursive: true });
        await (await startIn(elsewhere)).stop();
        expect(existsSync(location)).toBe(false);
        await rm((await readFile(join(elsewhere, 'postgres.location'), 'utf8')).trim(), { recursive: true });
      } finally {
        await rm(join('/var/tmp', `baton-postgres-${packaged.version}`), { recursive: true, force: true });
      }
    },
    90_000,
  );
});

describe('the Redis program', () => {
  const originalPath = process.env['PATH'];
  let bin: string;
  beforeEach(async () => {
    bin = join(folder, 'bin');
    await mkdir(bin);
    process.env['PATH'] = bin;
  });
  afterEach(() => {
    process.env['PATH'] = originalPath;
  });
  const program = (name: string, script: string) =>
    writeFile(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });

  it('may be Valkey', async () => {
    await program('valkey-server', 'exit 0');
    expect(await obtainRedisProgram(false, logger)).toBe(join(bin, 'valkey-server'));
  });

  it('is missing and may not be installed: the error names the command that installs it', async () => {
    await program('apt-get', 'exit 1');
    await expect(obtainRedisProgram(false, logger)).rejects.toThrow(
      /no redis-server or valkey-server.*apt-get install redis-server/,
    );
  });

  it.runIf(isRoot)('is installed without starting a service, after updating the package lists if needed', async () => {
    // A machine without package lists: the first install fails, the one after the update succeeds.
    await program(
      'apt-get',
      `case "$*" in
        *update*) : > ${folder}/lists ;;
        *install*redis-server*)
          [ -f ${folder}/lists ] || exit 100
          [ -x /usr/sbin/policy-rc.d ] || exit 101
          printf '#!/bin/sh\\n' > ${bin}/redis-server; /bin/chmod 755 ${bin}/redis-server ;;
      esac`,
    );
    const hadPolicy = existsSync('/usr/sbin/policy-rc.d');
    expect(await obtainRedisProgram(true, logger)).toBe(join(bin, 'redis-server'));
    expect(existsSync('/usr/sbin/policy-rc.d')).toBe(hadPolicy);
  });

  it.runIf(isRoot)('cannot be installed: the error quotes the installer', async () => {
    await program('apt-get', 'echo E: no network >&2; exit 100');
    await expect(obtainRedisProgram(true, logger)).rejects.toThrow(
      /could not install redis-server:\n(.*\n)*E: no network/,
    );
  });
});
