import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** When the process started, as an opaque text; undefined if no such process lives. Pids are reused, pairs are not. */
export const processStartedAt = (pid: number): string | undefined =>
  process.platform === 'linux' ? fromProc(pid) : fromPs(pid);

/** Reading a file takes microseconds; `ps` takes tens of milliseconds of each start. */
const fromProc = (pid: number): string | undefined => {
  try {
    // Behind the name, which is in parentheses and may hold any character, come the third field and those after it.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined; // no such process
  }
};

const fromPs = (pid: number): string | undefined => {
  const { status, stdout } = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
  const text = status === 0 ? stdout.trim() : '';
  return text === '' ? undefined : text;
};
