import { spawnSync } from 'node:child_process';

/** When the process started, as an opaque text; undefined if no such process lives. Pids are reused, pairs are not. */
export function processStartedAt(pid: number): string | undefined {
  const { status, stdout } = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
  const text = status === 0 ? stdout.trim() : '';
  return text === '' ? undefined : text;
}
