import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { identityOf, isRunning } from '../embedded/process-identity.ts';

/**
 * `server.json` in the data directory: how commands on the same machine find a running server and its stores. It may contain
 * passwords and is readable by its owner only.
 */
const ServerFile = z.object({
  /** Base of the HTTP endpoints. */
  url: z.url(),
  eventStoreUrl: z.string(),
  databaseUrl: z.string(),
  redisUrl: z.string(),
  pid: z.int(),
  /** Together with the pid it identifies one process uniquely. */
  startToken: z.string(),
});
export type ServerFacts = Omit<z.output<typeof ServerFile>, 'pid' | 'startToken'>;

export type FoundServer =
  | { readonly state: 'running'; readonly server: ServerFacts; readonly pid: number }
  /** The file was left behind by a server that was killed. */
  | { readonly state: 'stale'; readonly pid: number }
  | { readonly state: 'none' };

const pathIn = (dataDir: string): string => join(dataDir, 'server.json');

const read = (dataDir: string): z.output<typeof ServerFile> | undefined => {
  try {
    return ServerFile.parse(JSON.parse(readFileSync(pathIn(dataDir), 'utf8')));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return undefined;
    // Damaged, or written by another build: treated as missing.
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
};

/** Announces this process; the returned function removes the announcement unless another server has replaced it. */
export const announceServer = (dataDir: string, facts: ServerFacts): (() => void) => {
  const me = identityOf(process.pid);
  if (me === undefined) throw new Error('this process cannot see itself in the process table');
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const draft = `${pathIn(dataDir)}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify({ ...facts, ...me })}\n`, { mode: 0o600 });
  renameSync(draft, pathIn(dataDir));
  return () => {
    if (read(dataDir)?.pid === process.pid) rmSync(pathIn(dataDir), { force: true });
  };
};

export const findServer = (dataDir: string): FoundServer => {
  const found = read(dataDir);
  if (found === undefined) return { state: 'none' };
  const { pid, startToken, ...server } = found;
  return isRunning({ pid, startToken }) ? { state: 'running', server, pid } : { state: 'stale', pid };
};
