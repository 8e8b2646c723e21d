import { damagedLogAdvice, folderProblem } from '../platform/folder-errors.ts';
import { type Failure, refused } from './failure.ts';

/** Compared by name: importing the node for its error classes would slow down every other command. */
const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');

/** Explains why a node does not start or its folder cannot be read. Returns an unknown error unchanged. */
export const nodeFailure = (error: unknown, dataDir: string | undefined): Failure | unknown => {
  const { message, code, syscall, address, port } = error as NodeJS.ErrnoException & {
    address?: string;
    port?: number;
  };
  if (nameOf(error) === 'FolderInUse') return refused('FOLDER_IN_USE', message);
  if (nameOf(error) === 'UnusableIdentity') return refused('FOLDER_UNUSABLE', message);
  if (nameOf(error) === 'DamagedLog')
    return refused('DAMAGED_LOG', `${dataDir}: ${message}`, damagedLogAdvice(String(dataDir)));
  if (code === 'EADDRINUSE')
    return refused('PORT_IN_USE', `port ${port} of ${address} is in use`, 'choose another --port, or 0 for a free one');
  if (syscall === 'listen' || syscall === 'getaddrinfo')
    return refused('CANNOT_LISTEN', `cannot listen there: ${message}`, 'see --host and --port');
  const problem = folderProblem({ code, message });
  if (problem !== undefined && dataDir !== undefined)
    return refused('FOLDER_UNUSABLE', `${dataDir} cannot be used: ${problem}`);
  return error;
};
