import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

/** Ends with `release`, or with this process, however it ends. */
export type DirectoryLock = { release(): void };

const NOT_LOCKED: DirectoryLock = { release() {} };

/**
 * Locks a directory in the kernel's file locks. They are seen by everybody who shares the file system, in whichever container, network or
 * pid namespace they run. Nothing is written. The lock is that of the program `flock` (util-linux), which is handed our open directory:
 * Node has no call for it. Where there is no such program, or the file system has no locks, it excludes nobody.
 *
 * Returns undefined if somebody else has the lock.
 */
export const lockDirectory = (directory: string): DirectoryLock | undefined => {
  let descriptor: number;
  try {
    descriptor = openSync(directory, 'r');
  } catch {
    return NOT_LOCKED; // a system that does not open directories
  }
  const { status, stderr } = spawnSync('flock', ['-x', '-n', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', descriptor],
    encoding: 'utf8',
  });
  if (status === 0) return { release: () => closeSync(descriptor) };
  closeSync(descriptor);
  // Taken: 1, without a word. Everything else says what went wrong.
  return status === 1 && stderr === '' ? undefined : NOT_LOCKED;
};
