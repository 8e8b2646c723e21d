import { NodeNotStarted } from 'baton-eventstore-node';
import { AppError, unavailable } from '../platform/errors.ts';
import { damagedLogAdvice, folderProblem } from '../platform/folder-errors.ts';
import { ServerStartError } from './server-process.ts';

/** What servers print when the disk is full. */
export const NO_SPACE = /No space left on device|Disk quota exceeded/;
const TELLING = /FATAL|PANIC|ERROR|error|denied|fail|could not|can't|cannot/i;

/** The line of a server's output that most likely says why it ended, without its time and process. */
const reasonIn = (output: string): string => {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const line = lines.find((each) => TELLING.test(each)) ?? lines.at(-1) ?? 'it said nothing';
  return line.replace(/^.*?(?=FATAL|PANIC|ERROR)/, '').trim();
};

const diskFull = (folder: string, reason: string): AppError =>
  unavailable(`the disk with ${folder} is full (${reason}); free some space and start again`);

const ofNode = (error: NodeNotStarted, folder: string): AppError => {
  const { cause } = error;
  if (cause === undefined) return unavailable(error.message, error);
  if (cause.name === 'DamagedLog')
    return new AppError('CONFLICT', `${folder}: ${cause.message}; ${damagedLogAdvice(folder)}`, { cause: error });
  return folderFailure(cause, folder) ?? new AppError('CONFLICT', cause.message, { cause: error });
};

const folderFailure = (error: NodeJS.ErrnoException, folder: string): AppError | undefined => {
  const problem = folderProblem(error);
  if (problem === undefined) return undefined;
  if (error.code === 'ENOSPC') return diskFull(folder, error.message);
  return unavailable(
    `${folder} cannot be used: ${problem}; put that right, or set BATON_DATA_DIR to another folder`,
    error,
  );
};

/** What to do about an embedded server that does not start from `folder`; a bug is returned as it is. */
export const startFailure = (error: unknown, folder: string): unknown => {
  if (error instanceof AppError)
    return NO_SPACE.test(error.message) ? diskFull(folder, reasonIn(error.message)) : error;
  if (error instanceof NodeNotStarted) return ofNode(error, folder);
  if (!(error instanceof ServerStartError)) return folderFailure(error as NodeJS.ErrnoException, folder) ?? error;
  const reason = reasonIn(error.output);
  if (NO_SPACE.test(error.output)) return diskFull(folder, reason);
  return unavailable(
    `${error.server} does not start: ${reason}. Everything in ${folder} can be rebuilt from the log: ` +
      `mv ${folder} ${folder}.old && baton serve; \`--log-level debug\` shows all its output`,
    error,
  );
};
