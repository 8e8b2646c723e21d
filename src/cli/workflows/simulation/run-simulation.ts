import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBaton } from '../../../baton.ts';
import { createEsdbEventStore } from '../../../eventstore/esdb-event-store.ts';
import { systemClock } from '../../../platform/clock.ts';
import { readConfig } from '../../../platform/config.ts';
import { createLogger } from '../../../platform/logger.ts';
import type { Terminal } from '../../terminal.ts';
import { POOL } from './model.ts';
import { Simulator } from './simulator.ts';

const MIN_CONCURRENCY = 100;

/** Settings of the caller's Baton are left out: what is simulated meets no real work, and leaves nothing behind. */
const configOf = (env: Terminal['env'], dataDir: string, agents: number) =>
  readConfig({
    BATON_DATA_DIR: dataDir,
    BATON_PORT: '0',
    BATON_ROLES: 'assigner,dispatcher,processes',
    BATON_POOLS: POOL,
    BATON_LOG_LEVEL: env['BATON_LOG_LEVEL'] ?? 'error',
    BATON_ALLOW_INSTALL: env['BATON_ALLOW_INSTALL'],
    BATON_DISPATCH_CONCURRENCY: String(Math.max(MIN_CONCURRENCY, agents)),
  });

/** Rejects with the signal's reason. */
const abortOf = (signal: AbortSignal): Promise<never> => {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  aborted.catch(() => {}); // nobody may be waiting by then
  return aborted;
};

/**
 * A Baton of its own with durable settings, in a temporary folder: all it needs is started, and gone afterwards, also when `signal`
 * aborts meanwhile.
 */
export const withSimulator = async <Result>(
  { env, agents, signal }: { readonly env: Terminal['env']; readonly agents: number; readonly signal: AbortSignal },
  work: (simulator: Simulator) => Promise<Result>,
): Promise<Result> => {
  const aborted = abortOf(signal);
  const dataDir = await mkdtemp(join(tmpdir(), 'baton-simulation-'));
  await chmod(dataDir, 0o711); // Postgres, started by root, runs as another user and must get in
  try {
    const config = configOf(env, dataDir, agents);
    const logger = createLogger(config.logLevel, config.logFormat);
    const baton = await startBaton(config, { logger });
    const store = createEsdbEventStore(baton.urls.eventStoreUrl, { logger, clock: systemClock });
    try {
      const simulator = new Simulator(baton, store);
      // What is half started was waited for, to be stopped.
      signal.throwIfAborted();
      return await Promise.race([simulator.warmUp().then(() => work(simulator)), aborted]);
    } finally {
      await store.close();
      await baton.stop();
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
};
