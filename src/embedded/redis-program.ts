import { spawn } from 'node:child_process';
import { constants, existsSync } from 'node:fs';
import { access, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { unavailable } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';

const NAMES = ['redis-server', 'valkey-server'];
/** Debian's package scripts run this program to learn whether they may start a service; exit code 101 means no. */
const SERVICE_POLICY = '/usr/sbin/policy-rc.d';

const onPath = async (name: string): Promise<string | undefined> => {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(directory, name);
    const runnable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (directory !== '' && runnable) return path;
  }
  return undefined;
};

/** The path of a Redis-compatible server on the PATH, if any. */
export const findRedisProgram = async (): Promise<string | undefined> => {
  const found = await Promise.all(NAMES.map(onPath));
  return found.find((path) => path !== undefined);
};

const INSTALLERS = [
  { program: 'apt-get', command: 'apt-get install redis-server' },
  { program: 'dnf', command: 'dnf install valkey' },
  { program: 'apk', command: 'apk add redis' },
  { program: 'pacman', command: 'pacman -S valkey' },
  { program: 'brew', command: 'brew install redis' },
];

/** The one command that installs Redis on this machine. */
export const redisInstallCommand = async (): Promise<string> => {
  for (const { program, command } of INSTALLERS) {
    if ((await onPath(program)) === undefined) continue;
    return program === 'brew' || process.getuid?.() === 0 ? command : `sudo ${command}`;
  }
  return 'see https://redis.io/docs/latest/operate/oss_and_stack/install/';
};

const runQuietly = (program: string, args: readonly string[]): Promise<{ ok: boolean; output: string }> =>
  new Promise((resolve) => {
    const child = spawn(program, [...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keepTail = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-2_000);
    };
    child.stdout.on('data', keepTail);
    child.stderr.on('data', keepTail);
    child.once('error', (error) => resolve({ ok: false, output: error.message }));
    child.once('close', (code) => resolve({ ok: code === 0, output }));
  });

/** Keeps the installation from starting a Redis service of its own. A policy that the machine already has stays in force. */
const withoutServices = async <T>(work: () => Promise<T>): Promise<T> => {
  if (existsSync(SERVICE_POLICY)) return work();
  await writeFile(SERVICE_POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    return await work();
  } finally {
    await rm(SERVICE_POLICY, { force: true });
  }
};

const installWith = async (aptGet: string, logger: Logger): Promise<void> => {
  logger.info('no redis-server or valkey-server found: installing redis-server with apt-get (this can take a minute)');
  const install = ['install', '-y', '-q', '--no-install-recommends', 'redis-server'];
  await withoutServices(async () => {
    if ((await runQuietly(aptGet, install)).ok) return;
    logger.info('updating the package lists first');
    await runQuietly(aptGet, ['update', '-q']);
    const { ok, output } = await runQuietly(aptGet, install);
    if (!ok) throw unavailable(`apt-get could not install redis-server:\n${output}`);
  });
};

/**
 * The path of a Redis-compatible server; installs one if necessary, allowed and possible.
 *
 * Errors: `AppError` UNAVAILABLE with the command that installs one.
 */
export const obtainRedisProgram = async (allowInstall: boolean, logger: Logger): Promise<string> => {
  const found = await findRedisProgram();
  if (found !== undefined) return found;
  const aptGet = await onPath('apt-get');
  if (allowInstall && process.getuid?.() === 0 && aptGet !== undefined) {
    await installWith(aptGet, logger);
    const installed = await findRedisProgram();
    if (installed !== undefined) return installed;
  }
  throw unavailable(
    `no redis-server or valkey-server on the PATH; install one (${await redisInstallCommand()}) and start again, or set REDIS_URL`,
  );
};
