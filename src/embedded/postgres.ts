import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { unavailable } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import { endLeftOver } from './data-dir.ts';
import { freePort } from './ports.ts';
import {
  findPostgresHome,
  giveTo,
  type PostgresHome,
  type PostgresPackage,
  packagedPostgres,
} from './postgres-home.ts';
import { commandLineOf, identityOf } from './process-identity.ts';
import { secretIn } from './secret.ts';
import { type ServerProcess, ServerStartError, startServer } from './server-process.ts';
import { NO_SPACE, startFailure } from './start-failure.ts';
import type { Service } from './supervise.ts';

const run = promisify(execFile);

export type PostgresOptions = {
  /** Absolute; must exist. */
  readonly dataDir: string;
  readonly logger: Logger;
  readonly onSpawn?: (pid: number) => void;
  /** Default: any free port. */
  readonly port?: number | undefined;
  /** `false` is faster but loses data in a power failure; for tests. Default true. */
  readonly durable?: boolean;
  /** The programs to run. Default: those in node_modules. */
  readonly packaged?: PostgresPackage;
};

const HOST = '127.0.0.1';
const ADMIN = 'postgres';
/** Name of Baton's role and database. The role may create databases and roles, but is not a superuser, so row-level security applies to it. */
const ROLE = 'baton';
const READY_MS = 60_000; // recovery after a crash replays the write-ahead log first
const PORT_TRIES = 3;
const INVALID_PASSWORD = '28P01';

const settings = (durable: boolean): Record<string, string> => ({
  listen_addresses: HOST,
  unix_socket_directories: '',
  max_connections: '200',
  jit: 'off', // costs more than it saves on short queries
  fsync: durable ? 'on' : 'off',
  synchronous_commit: durable ? 'on' : 'off',
  full_page_writes: durable ? 'on' : 'off',
});

const majorOf = (version: string): string => version.split('.')[0] ?? version;

const dataVersion = (data: string): Promise<string | undefined> =>
  readFile(join(data, 'PG_VERSION'), 'utf8').then(
    (text) => text.trim(),
    () => undefined, // no cluster yet
  );

/** Creates the cluster beside its final place and renames it, so that an interrupted initdb never passes for a cluster. */
const createCluster = async (
  { native, data, user }: PostgresHome,
  password: string,
  durable: boolean,
): Promise<void> => {
  // Differs per process: the initdb of a killed predecessor may still be running, and cleans up its folder when it fails.
  const draft = `${data}.draft-${process.pid}`;
  const passwordFile = `${data}.initial-password`;
  for (const name of await readdir(dirname(data))) {
    if (name.startsWith(`${basename(data)}.draft-`))
      await rm(join(dirname(data), name), { recursive: true, force: true });
  }
  await mkdir(draft, { mode: 0o700 });
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  await giveTo(draft, user);
  await giveTo(passwordFile, user);
  const args = [
    `--pgdata=${draft}`,
    `--username=${ADMIN}`,
    // Not `trust`: every user of the machine can reach loopback, and a Postgres superuser can run programs.
    '--auth=scram-sha-256',
    `--pwfile=${passwordFile}`,
    '--encoding=UTF8',
    // The same sort order and case rules on every machine.
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    ...(durable ? [] : ['--no-sync']),
  ];
  try {
    await run(join(native, 'bin', 'initdb'), args, { cwd: '/', env: { ...process.env, LC_ALL: 'C' }, ...user });
  } catch (error) {
    throw unavailable(
      `initdb failed: ${(error as { stderr?: string }).stderr?.trim() || (error as Error).message}`,
      error,
    );
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(draft, data);
};

const ensureCluster = async (
  home: PostgresHome,
  version: string,
  password: string,
  options: PostgresOptions,
): Promise<void> => {
  const found = await dataVersion(home.data);
  if (found === majorOf(version)) return;
  if (found !== undefined) {
    const aside = `${home.data}.v${found}`;
    options.logger.warn(
      `Postgres ${version} cannot read data of version ${found}: moving it to ${aside} and rebuilding the read models from the log`,
    );
    await rename(home.data, aside);
  }
  await rm(home.data, { recursive: true, force: true });
  await createCluster(home, password, options.durable ?? true);
};

/**
 * A postmaster.pid outlives a crash. Postgres handles that itself, unless another process of the same user now has that pid, which is
 * common in containers. And a server that is still running must end before its data is opened again.
 */
const clearStalePid = async (data: string, logger: Logger): Promise<void> => {
  const path = join(data, 'postmaster.pid');
  const pid = await readFile(path, 'utf8').then(Number.parseInt, () => undefined); // the usual case: no file
  if (pid === undefined) return;
  const identity = identityOf(pid);
  if (identity !== undefined && commandLineOf(pid)?.includes(data))
    await endLeftOver({ name: 'postgres', ...identity }, logger);
  await rm(path, { force: true });
};

const listen = async (
  home: PostgresHome,
  options: PostgresOptions,
): Promise<{ server: ServerProcess; port: number }> => {
  const flags = Object.entries(settings(options.durable ?? true)).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort(HOST));
    try {
      const server = await startServer(
        {
          name: 'postgres',
          command: join(home.native, 'bin', 'postgres'),
          args: ['-D', home.data, '-p', String(port), ...flags],
          cwd: '/',
          user: home.user,
          env: { LC_ALL: 'C' },
          ready: /database system is ready to accept connections/,
          readyWithinMs: READY_MS,
          stopSignal: 'SIGINT', // fast shutdown; SIGTERM would wait for clients to disconnect
          abortSignal: 'SIGQUIT',
          onSpawn: options.onSpawn,
        },
        options.logger,
      );
      return { server, port };
    } catch (error) {
      if (
        options.port !== undefined ||
        attempt === PORT_TRIES ||
        !(error instanceof ServerStartError) ||
        !/Address already in use/.test(error.output)
      )
        throw error;
    }
  }
};

const urlOf = (role: string, password: string, port: number, database: string): string =>
  `postgres://${role}:${password}@${HOST}:${port}/${database}`;

/** Makes the role and its database where they are missing, and opens the database once. */
const ensureDatabase = async (adminUrl: string, databaseUrl: string, password: string): Promise<void> => {
  const client = new pg.Client(adminUrl);
  await client.connect();
  try {
    const role = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [ROLE]);
    if (role.rowCount === 0) {
      await client.query(`CREATE ROLE ${ROLE} LOGIN CREATEDB CREATEROLE PASSWORD ${client.escapeLiteral(password)}`);
    }
    const database = await client.query('SELECT FROM pg_database WHERE datname = $1', [ROLE]);
    if (database.rowCount === 0) await client.query(`CREATE DATABASE ${ROLE} OWNER ${ROLE}`);
  } finally {
    await client.end();
  }
  const own = new pg.Client(databaseUrl);
  await own.connect().finally(() => own.end());
};

/** What Postgres prints when it cannot read its files. */
const DAMAGED = new RegExp(
  [
    'could not find the database system',
    'valid checkpoint record',
    'invalid (primary )?checkpoint',
    'incorrect checksum in control file',
    'database files are incompatible',
    'is not a valid data directory',
    'could not open (file|directory) "[^"]*(pg_|global|base)[^"]*": No such file',
  ].join('|'),
);
/** A database whose folder is gone; a file that is gone; a page or an index that is not what was written. */
const DAMAGED_CODES = ['3D000', '58P01', 'XX001', 'XX002'];

const isDamage = (error: unknown): boolean =>
  error instanceof ServerStartError
    ? DAMAGED.test(error.output) && !NO_SPACE.test(error.output)
    : DAMAGED_CODES.includes((error as { code?: string }).code ?? '');

const startOn = async (home: PostgresHome, password: string, options: PostgresOptions): Promise<Service> => {
  const { server, port } = await listen(home, options);
  const url = urlOf(ROLE, password, port, ROLE);
  try {
    await ensureDatabase(urlOf(ADMIN, password, port, 'postgres'), url, password);
  } catch (error) {
    await server.stop();
    if ((error as { code?: string }).code !== INVALID_PASSWORD) throw error;
    throw unavailable(
      `the password for the Postgres data in ${home.data} is lost; delete that folder and start again: the read models are rebuilt from the log`,
      error,
    );
  }
  return { ...server, port, url };
};

/**
 * Starts our own Postgres on a free port of the loopback interface, durable by default. The next start uses the same data. Data that
 * Postgres cannot read is moved aside: everything in it can be rebuilt from the log. Not while Baton runs on it, which counts on its tables.
 *
 * Errors: `AppError` UNAVAILABLE, with what is missing.
 */
export const startPostgres = async (options: PostgresOptions): Promise<Service> => {
  const packaged = options.packaged ?? packagedPostgres();
  const home = await findPostgresHome(options.dataDir, options.logger, packaged);
  const password = await secretIn(join(options.dataDir, 'postgres.password'));
  for (let isFirst = true; ; isFirst = false) {
    try {
      await ensureCluster(home, packaged.version, password, options);
      await clearStalePid(home.data, options.logger);
      return await startOn(home, password, options);
    } catch (error) {
      if (!isFirst || options.port !== undefined || !isDamage(error)) throw startFailure(error, home.data);
      const aside = `${home.data}.damaged-${Date.now()}`;
      options.logger.warn(
        `Postgres cannot read its data: moving it to ${aside} and rebuilding the read models from the log`,
      );
      await rename(home.data, aside);
    }
  }
};
