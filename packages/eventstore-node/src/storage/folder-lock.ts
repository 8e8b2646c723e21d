import { createHash } from 'node:crypto';
import { readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { lockDirectory } from './directory-lock.ts';
import { processStartedAt } from './process-start.ts';

const LOCK_FILE = 'node.lock';

/** Another live node uses the data folder. */
export class FolderInUse extends Error {
  override readonly name = 'FolderInUse';
}

export type FolderLock = {
  release(): Promise<void>;
};

/**
 * Makes this process the only node on the folder, by two locks. One works everywhere but sees only the processes of this
 * container: on Linux a socket in the abstract namespace, which ends with the process, however it ends; elsewhere a file
 * names the owner, which is taken over when no process with that pid and start time lives. The other is the kernel's
 * lock on the directory, which also keeps out other containers.
 */
export const lockFolder = async (folder: string): Promise<FolderLock> => {
  const lock = await lockUnmarked(folder);
  const mark = join(folder, LOCK_FILE);
  writeFileSync(mark, JSON.stringify(ownIdentity()));
  return {
    release: () => {
      rmSync(mark, { force: true });
      return lock.release();
    },
  };
};

/**
 * The same for one who only looks: nothing is written, so that a folder without write permission will do. Where a file
 * is the lock, this refuses when a node runs but does not keep one from starting.
 */
export const lockUnmarked = async (folder: string): Promise<FolderLock> => {
  const here = process.platform === 'linux' ? await lockBySocket(folder) : lockByFile(folder);
  const everywhere = lockDirectory(folder);
  if (!everywhere) {
    await here.release();
    throw inUse(folder, undefined);
  }
  return {
    release: () => {
      everywhere.release();
      return here.release();
    },
  };
};

const lockBySocket = async (folder: string): Promise<FolderLock> => {
  const { dev, ino } = statSync(folder, { bigint: true });
  const name = createHash('sha256').update(`${dev}:${ino}`).digest('hex').slice(0, 32);
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? inUse(folder, livingOwner(folder)?.pid) : error),
    );
    server.listen(`\0baton-eventstore-node-${name}`, resolve);
  });
  server.unref();
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
};

const lockByFile = (folder: string): FolderLock => {
  const owner = livingOwner(folder);
  if (owner) throw inUse(folder, owner.pid);
  return { release: async () => {} };
};

type Owner = {
  readonly pid: number;
  readonly startedAt: string | undefined;
};

const ownIdentity = (): Owner => ({ pid: process.pid, startedAt: processStartedAt(process.pid) });

/** The owner that the file names, unless that process has ended. */
const livingOwner = (folder: string): Owner | undefined => {
  try {
    const owner = JSON.parse(readFileSync(join(folder, LOCK_FILE), 'utf8')) as Owner;
    const startedAt = processStartedAt(owner.pid);
    return startedAt !== undefined && startedAt === owner.startedAt ? owner : undefined;
  } catch {
    return undefined; // no owner was written, or only half of it
  }
};

const inUse = (folder: string, pid: number | undefined): FolderInUse => {
  const who = pid === undefined ? 'another process, perhaps in another container' : `process ${pid}`;
  return new FolderInUse(
    `the data folder ${realpathSync(folder)} is in use by ${who}; stop that node or use another folder`,
  );
};
