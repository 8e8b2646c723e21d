import { constants, existsSync, readFileSync } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gte } from 'semver';
import { type Config, exposureOf, unknownSetting } from '../platform/config.ts';
import { holderOf } from './data-dir.ts';
import { type Check, fail, guarded, ok, warn } from './doctor-check.ts';
import { checkEventStore, checkPostgres, checkRedis } from './doctor-stores.ts';
import { portProblem } from './ports.ts';
import { packagedPostgres } from './postgres-home.ts';
import { findRedisProgram, redisInstallCommand } from './redis-program.ts';

export { type Check, formatChecks } from './doctor-check.ts';

const OLDEST_NODE = '20.20.0';
const MIB = 1024 * 1024;
/** With less, Postgres alone may stop: it keeps several write-ahead segments of 16 MiB each. */
const TOO_LITTLE_MIB = 256;
const LITTLE_MIB = 2_048;

const PACKAGE = fileURLToPath(new URL('../../package.json', import.meta.url));

const checkNode = (): Check =>
  gte(process.versions.node, OLDEST_NODE)
    ? ok('node', process.versions.node)
    : fail('node', process.versions.node, `use version ${OLDEST_NODE} or newer`);

/** npm may have put a package that `from` depends on into its own node_modules or into one further up. */
const installedVersion = (name: string, from: string): string | undefined => {
  const manifest = join(from, 'node_modules', name, 'package.json');
  if (existsSync(manifest)) return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
  return dirname(from) === from ? undefined : installedVersion(name, dirname(from));
};

const checkPackages = (): Check => {
  const { dependencies } = JSON.parse(readFileSync(PACKAGE, 'utf8')) as { dependencies: Record<string, string> };
  const names = Object.keys(dependencies);
  const found = names.map((name) => ({ name, version: installedVersion(name, dirname(PACKAGE)) }));
  const missing = found.filter(({ version }) => version === undefined).map(({ name }) => name);
  const other = found.filter(({ name, version }) => version !== undefined && version !== dependencies[name]);
  if (missing.length > 0) return fail('packages', `missing: ${missing.join(', ')}`, 'run npm ci');
  if (other.length > 0) {
    const list = other.map(({ name, version }) => `${name} ${version} (expected ${dependencies[name]})`);
    return warn('packages', list.join(', '), 'run npm ci');
  }
  return ok('packages', `all ${names.length} installed`);
};

const nearestExisting = (path: string): string => (existsSync(path) ? path : nearestExisting(dirname(path)));

const checkDataDir = (config: Config): Promise<Check[]> =>
  guarded('data directory', 'set BATON_DATA_DIR to a writable directory', async () => {
    const path = resolve(config.dataDir);
    const place = nearestExisting(path);
    await access(place, constants.W_OK);
    const { bavail, bsize } = await statfs(place);
    const freeMib = Math.floor((bavail * bsize) / MIB);
    const holder = holderOf(path);
    const found = `${path}, ${freeMib} MiB free${holder === undefined ? '' : `, in use by process ${holder.pid}`}`;
    if (freeMib < TOO_LITTLE_MIB) return [fail('data directory', found, `free at least ${TOO_LITTLE_MIB} MiB`)];
    if (freeMib < LITTLE_MIB)
      return [warn('data directory', found, 'the log and the read models grow; provide more disk space')];
    return [ok('data directory', found)];
  });

const checkPort = async (config: Config): Promise<Check> => {
  if (config.port === 0) return ok('port', 'any free port');
  const where = `${config.host}:${config.port}`;
  const problem = await portProblem(config.port, config.host);
  if (problem === undefined) return ok('port', `${where} is free`);
  const holder = problem === 'EADDRINUSE' ? holderOf(config.dataDir) : undefined;
  if (holder !== undefined)
    return ok('port', `${where} is in use by process ${holder.pid}, which runs from this data directory`);
  return fail(
    'port',
    `${where}: ${problem}`,
    'stop the program that uses this port, or set BATON_PORT (0 takes any free port)',
  );
};

const embeddedPostgres = (): Promise<Check[]> =>
  guarded('postgres', 'run npm ci, or set DATABASE_URL', async () => [
    ok('postgres', `DATABASE_URL is not set: uses the embedded version ${packagedPostgres().version}`),
  ]);

const embeddedRedis = async (config: Config): Promise<Check[]> => {
  const program = await findRedisProgram();
  if (program !== undefined) return [ok('redis', `REDIS_URL is not set: uses ${program}`)];
  const command = await redisInstallCommand();
  const found = 'REDIS_URL is not set and no redis-server or valkey-server is on the PATH';
  const willInstall = config.allowInstall && process.getuid?.() === 0 && command.startsWith('apt-get');
  return [
    willInstall
      ? warn('redis', found, `the first start runs: ${command}`)
      : fail('redis', found, `install one: ${command}`),
  ];
};

const embeddedEventStore = (): Check[] => [
  ok('event store', 'EVENTSTORE_URL is not set: uses the embedded eventstore-node'),
];

const checkExposure = (config: Config): Check[] => {
  const exposure = exposureOf(config);
  if (exposure === 'none') return [];
  const found = `BATON_HOST=${config.host} is not on loopback, and there is no sign-in`;
  return [
    exposure === 'accepted'
      ? warn('exposure', found, 'whoever reaches the server can read everything and call agents: keep others out')
      : fail('exposure', found, 'keep 127.0.0.1, or set BATON_INSECURE=1 where the network keeps others out'),
  ];
};

const checkVariables = (config: Config): Check[] =>
  config.unknownVariables.length === 0
    ? []
    : [
        warn(
          'environment',
          config.unknownVariables.map(unknownSetting).join(', '),
          'unknown settings have no effect; correct or remove them (docs/guides/operations.md lists all settings)',
        ),
      ];

/**
 * Checks everything Baton needs on this machine, and the configured stores, without changing anything.
 * Takes at most about 5 s. Problems become checks; it never throws.
 */
export const runDoctor = async (config: Config): Promise<Check[]> => {
  const { eventStoreUrl, databaseUrl, redisUrl } = config;
  const groups = await Promise.all([
    [checkNode(), checkPackages(), ...checkVariables(config), ...checkExposure(config)],
    eventStoreUrl === undefined ? embeddedEventStore() : checkEventStore(eventStoreUrl),
    databaseUrl === undefined ? embeddedPostgres() : checkPostgres(databaseUrl),
    redisUrl === undefined ? embeddedRedis(config) : checkRedis(redisUrl),
    checkDataDir(config),
    checkPort(config).then((check) => [check]),
  ]);
  return groups.flat();
};
