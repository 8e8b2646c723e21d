import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** When the process started, as an opaque text; undefined if no such process lives. Pids are reused, pairs of pid and start are not. */
export const processStartedAt = (pid: number): string | undefined =>
  process.platform === 'linux' ? fromProc(pid) : fromPs(pid);

/** Reading a file takes microseconds; `ps` takes tens of milliseconds of each start. */
const fromProc = (pid: number): string | undefined => {
  try {
    // After the name, which is in parentheses and may contain any character, come the third field and the rest.
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
