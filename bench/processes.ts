import { readFileSync } from 'node:fs';

/** Linux counts CPU time in ticks of 10 ms. */
const TICK_US = 10_000;

/** CPU time a process has used so far, user and system, in microseconds. */
export const cpuUs = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
};

/** Resident memory of a process, in MiB. */
export const rssMb = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);

/** A process and everything below it; Postgres has a process per connection. */
export const treeOf = (pid: number): number[] => [pid, ...childrenOf(pid).flatMap(treeOf)];

export const sumOver = (pids: readonly number[], measure: (pid: number) => number): number =>
  pids.reduce((sum, pid) => {
    try {
      return sum + measure(pid);
    } catch {
      return sum; // ended between listing and reading
    }
  }, 0);
