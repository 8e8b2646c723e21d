import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Baton, startBaton } from '../../baton.ts';
import { createEsdbEventStore } from '../../eventstore/esdb-event-store.ts';
import type { EventStore } from '../../eventstore/event-store.ts';
import { generateSuppliers } from '../../examples/carbon/suppliers.ts';
import { systemClock } from '../../platform/clock.ts';
import { Closing } from '../../platform/closing.ts';
import { type Config, ROLES, readConfig } from '../../platform/config.ts';
import { createLogger } from '../../platform/logger.ts';
import { type Client, connect } from '../client.ts';
import { duration } from '../format.ts';
import { progressBar } from '../progress.ts';
import type { Terminal } from '../terminal.ts';
import { Crew } from './crew.ts';
import { readRun } from './run-log.ts';
import type { DemoRun } from './summary.ts';
import { Tracker } from './tracker.ts';
import { work } from './work.ts';

export type DemoOptions = { readonly suppliers: number; readonly seed: number; readonly fault: boolean };

/** Its own pool: no other agents take the demo's tasks, and the demo's agents take no others. */
const configOf = (env: Terminal['env'], pool: string): Config => {
  const { dataDir } = readConfig(env);
  // The folder above may not exist yet. Started by root, Postgres runs as another user and must get through it.
  mkdirSync(dataDir, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
  return readConfig({
    ...env,
    BATON_DATA_DIR: join(dataDir, 'demo'),
    BATON_HOST: '127.0.0.1',
    BATON_PORT: '0',
    BATON_PUBLIC_URL: undefined,
    BATON_ROLES: ROLES.join(','),
    BATON_POOLS: pool,
    BATON_LOG_LEVEL: env['BATON_LOG_LEVEL'] ?? 'error',
    BATON_ALLOW_PRIVATE_AGENTS: 'true', // its agents are on this machine even when the stores are not
  });
};

type Stage = {
  readonly terminal: Terminal;
  readonly options: DemoOptions;
  readonly baton: Baton;
  readonly store: EventStore;
  readonly client: Client;
  readonly crew: Crew;
  readonly runId: string;
  readonly pool: string;
};

/** Servers, API and agents, ready for work. */
const prepare = async (terminal: Terminal, options: DemoOptions, closing: Closing): Promise<Stage> => {
  const runId = randomUUID().slice(0, 8);
  const pool = `demo_${runId}`;
  const config = configOf(terminal.env, pool);
  const logger = createLogger(config.logLevel, config.logFormat);
  const baton = await startBaton(config, { logger });
  closing.add('Baton', () => baton.stop());
  const store = createEsdbEventStore(baton.urls.eventStoreUrl, { logger, clock: systemClock });
  closing.add('the event store', () => store.close());
  if (baton.url === undefined) throw new Error('bug: the demo runs without an API');
  const client = connect(baton.url, { connections: 64 });
  closing.add('the client', () => client.close());
  const crew = await Crew.start(client, runId);
  closing.add('the agents', () => crew.stop());
  closing.add('the registrations', () => crew.deregister());
  return { terminal, options, baton, store, client, crew, runId, pool };
};

const perform = async (stage: Stage): Promise<DemoRun> => {
  const { terminal, options, store, client, crew, runId, pool } = stage;
  const position = await crew.register(pool);
  const suppliers = generateSuppliers(options.seed, options.suppliers);
  const tracker = new Tracker();
  let killed: DemoRun['killed'];
  const onMiddle = (): void => {
    const agent = crew.kill();
    if (agent) killed = { agent, afterEnded: tracker.ended };
  };
  const bar = progressBar(terminal, 'footprints', suppliers.length);
  const drawing = setInterval(() => bar.update(tracker.ended), 100);
  try {
    await work({ client, tracker, runId, pool, suppliers, ...(options.fault ? { onMiddle } : {}) }, position);
  } finally {
    clearInterval(drawing);
    bar.stop();
  }
  const log = await readRun(store, { pool, agentIds: crew.ids, taskIds: tracker.taskIds });
  return { suppliers: suppliers.length, seed: options.seed, killed, times: tracker.times(), log };
};

/** Runs the demo, from starting its servers to stopping them. `say` gets a line per step. */
export const runDemo = async (
  terminal: Terminal,
  options: DemoOptions,
  { say, signal }: { readonly say: (line: string) => void; readonly signal: AbortSignal },
): Promise<DemoRun> => {
  const closing = new Closing();
  const interrupted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  interrupted.catch(() => {}); // nobody may be waiting by then
  const startedAt = performance.now();
  try {
    say('starting the servers and three agents …');
    // Not raced with an interruption: what is half started must finish starting before it can be stopped.
    const stage = await prepare(terminal, options, closing);
    signal.throwIfAborted();
    say(`ready after ${duration(performance.now() - startedAt)}; ${options.suppliers} tasks, seed ${options.seed}`);
    return await Promise.race([perform(stage), interrupted]);
  } finally {
    await closing.run(createLogger('error'));
  }
};
