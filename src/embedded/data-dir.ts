import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DirectoryLock, lockDirectory } from 'baton-eventstore-node/directory-lock';
import { z } from 'zod';
import { AppError } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import { identityOf, isRunning, type ProcessIdentity } from './process-identity.ts';

const Identity = { pid: z.int().positive(), startToken: z.string() };

/** The process that uses a data directory. */
const Holder = z.object({ ...Identity, startedAt: z.string(), command: z.string() });
export type Holder = z.output<typeof Holder>;

export type DataDir = {
  /** Absolute, without symbolic links. */
  readonly path: string;
  /** Records a server that we started, so that the next start finds it if we die without stopping it. */
  record(name: string, pid: number): void;
  release(): void;
};

const LeftOver = z.object({ ...Identity, name: z.string() });
export type LeftOver = z.output<typeof LeftOver>;

const ORPHAN_STOP_MS = 5_000;

const readJson = <T>(path: string, schema: z.ZodType<T>): T | undefined => {
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Both files are renamed into place when complete. A damaged one means that the machine crashed, so nobody is alive.
    if (code === 'ENOENT' || error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
};

const writeAtomically = (path: string, value: unknown): void => {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(value), { mode: 0o600 });
  renameSync(draft, path);
};

/** The running process that uses this data directory, if any. */
export const holderOf = (dataDir: string): Holder | undefined => {
  const holder = readJson(join(dataDir, 'lock'), Holder);
  return holder !== undefined && isRunning(holder) ? holder : undefined;
};

const createLock = (path: string, holder: Holder): boolean => {
  const draft = `${path}.${holder.pid}`;
  writeFileSync(draft, JSON.stringify(holder), { mode: 0o600 });
  try {
    linkSync(draft, path); // creates it or fails; its content is complete from the start
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(draft, { force: true });
  }
};

/** Moves a dead holder's lock aside, and puts it back if a running process has replaced it in the meantime. */
const removeDeadLock = (path: string): void => {
  const aside = `${path}.dead.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return; // another process removed it first
    throw error;
  }
  const holder = readJson(aside, Holder);
  if (holder !== undefined && isRunning(holder)) linkSync(aside, path);
  rmSync(aside, { force: true });
};

const inUse = (dataDir: string, holder: Holder): AppError =>
  new AppError(
    'CONFLICT',
    `${dataDir} is in use by process ${holder.pid} (${holder.command}, since ${holder.startedAt}); ` +
      'stop that process, or set BATON_DATA_DIR to another directory',
    { details: { pid: holder.pid } },
  );

const inUseElsewhere = (dataDir: string): AppError =>
  new AppError(
    'CONFLICT',
    `${dataDir} is in use by a process that is not visible from here, perhaps in another container; ` +
      'stop that process, or set BATON_DATA_DIR to another directory',
  );

/** Makes this process the only one, among all that see the file system. */
const takeDirectory = (dataDir: string): DirectoryLock => {
  const taken = lockDirectory(dataDir);
  if (taken) return taken;
  const holder = holderOf(dataDir);
  throw holder ? inUse(dataDir, holder) : inUseElsewhere(dataDir);
};

/** Names this process as the holder. Alone it only keeps out the processes that are visible from here. */
const takeLock = (dataDir: string, path: string, logger: Logger): void => {
  const me = identityOf(process.pid);
  if (me === undefined) throw new Error('cannot find this process in the process table; is /proc mounted?');
  const holder: Holder = { ...me, startedAt: new Date().toISOString(), command: process.argv.slice(1).join(' ') };
  // Each round takes the lock, finds a running holder, or removes the lock of a dead one.
  for (let round = 0; round < 10; round++) {
    if (createLock(path, holder)) return;
    const other = readJson(path, Holder);
    if (other !== undefined && isRunning(other)) throw inUse(dataDir, other);
    logger.warn({ holder: other?.pid }, `the last process that used ${dataDir} ended without cleaning up; taking over`);
    removeDeadLock(path);
  }
  throw new AppError('CONFLICT', `several processes are trying to take ${dataDir} at once; start only one of them`);
};

const signalIfAlive = (process_: ProcessIdentity, signal: NodeJS.Signals): void => {
  if (isRunning(process_)) process.kill(process_.pid, signal);
};

/** Stops a server that an earlier, killed process left running. SIGKILL follows after 5 s. */
export const endLeftOver = async (leftOver: LeftOver, logger: Logger): Promise<void> => {
  if (!isRunning(leftOver)) return;
  logger.warn({ leftOver: leftOver.pid }, `stopping ${leftOver.name}, left over from an earlier run`);
  const deadline = performance.now() + ORPHAN_STOP_MS;
  // SIGINT is a fast shutdown for Postgres (SIGTERM would wait for its clients) and an orderly stop for the others.
  signalIfAlive(leftOver, 'SIGINT');
  while (isRunning(leftOver) && performance.now() < deadline) await sleep(20);
  signalIfAlive(leftOver, 'SIGKILL');
  while (isRunning(leftOver)) await sleep(20);
};

/**
 * Locks a data directory for this process and stops servers that an earlier, killed process left running.
 *
 * Errors: `AppError` CONFLICT names the process that uses it.
 */
export const openDataDir = async (dataDir: string, logger: Logger): Promise<DataDir> => {
  // As root we run Postgres as another user, who must be able to pass through. Secret files inside have mode 0600.
  await mkdir(dataDir, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
  const path = await realpath(dataDir);
  const lock = join(path, 'lock');
  const processes = join(path, 'processes.json');
  const directory = takeDirectory(path);
  try {
    takeLock(path, lock, logger);
  } catch (error) {
    directory.release();
    throw error;
  }
  const unlock = (): void => {
    rmSync(lock, { force: true });
    directory.release();
  };
  try {
    await Promise.all((readJson(processes, z.array(LeftOver)) ?? []).map((leftOver) => endLeftOver(leftOver, logger)));
  } catch (error) {
    unlock();
    throw error;
  }
  const running = new Map<string, LeftOver>();
  return {
    path,
    record(name, pid) {
      const identity = identityOf(pid);
      if (identity !== undefined) running.set(name, { name, ...identity });
      writeAtomically(processes, [...running.values()]);
    },
    release() {
      rmSync(processes, { force: true });
      unlock();
    },
  };
};
