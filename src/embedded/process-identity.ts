import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The system reuses process ids; an id together with its start time identifies one process forever. */
export type ProcessIdentity = { readonly pid: number; readonly startToken: string };

/** Field 22 of /proc/<pid>/stat, counted from behind the command name, which may contain spaces and brackets. */
const START_TIME_FIELD = 19;

const linuxStartToken = (pid: number): string | undefined => {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // no such process
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie no longer holds files, ports or locks.
  if (fields[0] === 'Z') return undefined;
  return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${fields[START_TIME_FIELD]}`;
};

const portableStartToken = (pid: number): string | undefined => {
  try {
    const started = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    return started === '' ? undefined : started;
  } catch {
    return undefined; // ps exits 1 when there is no such process
  }
};

/** When the process started, as an opaque token to compare for equality; undefined when there is no such process. */
export const startTokenOf = (pid: number): string | undefined =>
  process.platform === 'linux' ? linuxStartToken(pid) : portableStartToken(pid);

export const identityOf = (pid: number): ProcessIdentity | undefined => {
  const startToken = startTokenOf(pid);
  return startToken === undefined ? undefined : { pid, startToken };
};

export const isRunning = (process: ProcessIdentity): boolean => startTokenOf(process.pid) === process.startToken;

/** The command line of a process; undefined when it is not running. */
export const commandLineOf = (pid: number): string | undefined => {
  try {
    return process.platform === 'linux'
      ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      : execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return undefined; // it is gone
  }
};
