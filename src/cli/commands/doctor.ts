import type { Command } from 'commander';
import type { Check } from '../../embedded/doctor.ts';
import { type Config, readConfig } from '../../platform/config.ts';
import { Ended, EXIT } from '../failure.ts';
import { examples } from '../program.ts';
import { findServer } from '../server-file.ts';
import type { Terminal } from '../terminal.ts';

const READY_WITHIN_MS = 5_000;

/** What `/readyz` says about pools whose tasks nobody assigns. */
const checkPools = (unled: readonly string[] = []): Check =>
  unled.length === 0
    ? { name: 'pools', status: 'ok', found: 'every pool in use is led' }
    : {
        name: 'pools',
        status: 'fail',
        found: `no process leads ${unled.join(', ')}: nothing in there is assigned`,
        advice: 'start a process with the role assigner whose BATON_POOLS is not set, or names them',
      };

const checkServer = async (url: string, pid: number): Promise<Check[]> => {
  const who = `${url} (process ${pid})`;
  try {
    const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(READY_WITHIN_MS) });
    const { status } = answer;
    if (status !== 200)
      return [{ name: 'server', status: 'fail', found: `${who} answers ${status} to /readyz`, advice: 'see its log' }];
    const { unledPools } = (await answer.json()) as { unledPools?: readonly string[] };
    return [{ name: 'server', status: 'ok', found: `${who} is ready` }, checkPools(unledPools)];
  } catch (error) {
    const found = `${who} does not answer: ${(error as Error).message}`;
    return [{ name: 'server', status: 'fail', found, advice: 'see its log; otherwise restart it' }];
  }
};

/** Checks the stores of the server that runs from the data directory; without one, what the next start would use. */
const checksOf = async (config: Config, runDoctor: (config: Config) => Promise<Check[]>): Promise<Check[]> => {
  const found = findServer(config.dataDir);
  if (found.state !== 'running') return runDoctor(config);
  const { url, eventStoreUrl, databaseUrl, redisUrl } = found.server;
  const [checks, server] = await Promise.all([
    runDoctor({ ...config, eventStoreUrl, databaseUrl, redisUrl }),
    checkServer(url, found.pid),
  ]);
  return [...checks, ...server];
};

export const addDoctor = (program: Command, terminal: Terminal): void => {
  program
    .command('doctor')
    .description('Check this machine and the stores: versions, reachability, durability. Makes no changes.')
    .option('--json', 'print exactly one JSON value')
    .addHelpText(
      'after',
      `${examples('baton doctor', 'DATABASE_URL=postgres://… baton doctor --json')}\nExit code 1 when a check fails.\n`,
    )
    .action(async ({ json }: { json?: boolean }) => {
      const { formatChecks, runDoctor } = await import('../../embedded/doctor.ts');
      const checks = await checksOf(readConfig(terminal.env), runDoctor);
      terminal.out(json === true ? `${JSON.stringify(checks)}\n` : `${formatChecks(checks)}\n`);
      if (checks.some(({ status }) => status === 'fail')) throw new Ended(EXIT.failed);
    });
};
