import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { spawnEventStoreNode } from 'baton-eventstore-node';
import { type Baton, startBaton } from '#baton/baton.js';
import type { Client, ClientOptions } from '#baton/cli/client.js';
import { readConfig } from '#baton/platform/config.js';
import { connect } from './client.ts';
import type { BenchStores } from './harness.ts';

/** EventStoreDB's. */
const LIVE_BUFFER = 32;
const SERVER = fileURLToPath(new URL('./server.ts', import.meta.url));

type Environment = Readonly<Record<string, string>>;

/** An event store that treats slow subscribers as the options say; undefined if they say nothing. */
const eventStoreOf = async ({ slowSubscribers: whenSlow }: BenchStores, dataDir: string) =>
  whenSlow &&
  spawnEventStoreNode({ dataDir: join(dataDir, 'slow'), slowSubscribers: { liveBuffer: LIVE_BUFFER, whenSlow } });

/** The settings of a Baton on these stores, whatever the environment of this process says. */
const inTemporaryFolder = async <Value>(
  stores: BenchStores,
  work: (env: Environment) => Promise<Value>,
): Promise<Value> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'baton-bench-'));
  const node = await eventStoreOf(stores, dataDir);
  const urls = { ...stores.urls, ...(node && { EVENTSTORE_URL: node.connectionString }) };
  // The agents run on this machine, which is otherwise not allowed beside stores that are configured.
  const agents = Object.keys(urls).length > 0 ? { BATON_ALLOW_PRIVATE_AGENTS: 'true' } : {};
  try {
    return await work({ BATON_DATA_DIR: dataDir, BATON_PORT: '0', BATON_LOG_LEVEL: 'error', ...urls, ...agents });
  } finally {
    await node?.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
};

const withoutStores = ({ EVENTSTORE_URL, DATABASE_URL, REDIS_URL, ...others }: NodeJS.ProcessEnv) => others;

/**
 * A Baton of its own with durable settings: all roles in this process unless `settings` say otherwise, its stores as children unless
 * others are named.
 */
export const withBaton = <Value>(
  stores: BenchStores,
  work: (baton: Baton) => Promise<Value>,
  settings: Environment = {},
): Promise<Value> =>
  inTemporaryFolder(stores, async (env) => {
    const baton = await startBaton(readConfig({ ...env, ...settings }));
    try {
      return await work(baton);
    } finally {
      await baton.stop();
    }
  });

/** The same in a process of its own, with the no-op agent, and a client for it. */
export const withServer = <Value>(
  stores: BenchStores,
  work: (client: Client) => Promise<Value>,
  options: ClientOptions = { connections: 64 },
): Promise<Value> =>
  inTemporaryFolder(stores, async (env) => {
    const child = spawn(process.execPath, ['--import', 'tsx', SERVER], {
      env: { ...withoutStores(process.env), ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const client = connect(JSON.parse(line).url, options);
    try {
      return await work(client);
    } finally {
      await client.close();
      child.stdin.end();
      await exited;
    }
  });
