import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startEmbedded } from '../../src/embedded/stack.ts';
import { readConfig } from '../../src/platform/config.ts';
import { createLogger } from '../../src/platform/logger.ts';

declare module 'vitest' {
  interface ProvidedContext {
    eventStoreUrl: string;
    databaseUrl: string;
    redisUrl: string;
  }
}

type Servers = { eventStoreUrl: string; databaseUrl: string; redisUrl: string; stop(): Promise<void> };

const startServers = async (): Promise<Servers> => {
  const { EVENTSTORE_URL, DATABASE_URL, REDIS_URL, BATON_LOG_LEVEL = 'warn' } = process.env;
  const dataDir = await mkdtemp(join(tmpdir(), 'baton-test-'));
  await chmod(dataDir, 0o711); // Postgres, started by root, runs as another user and must get in
  // Until src/embedded/eventstore-node can be started: the other two servers are of use without it.
  const nodeIsThere = existsSync(new URL('../../src/embedded/eventstore-node/index.ts', import.meta.url));
  const eventStore = EVENTSTORE_URL ?? (nodeIsThere ? undefined : 'esdb://127.0.0.1:1?tls=false');
  const config = readConfig({
    EVENTSTORE_URL: eventStore,
    DATABASE_URL,
    REDIS_URL,
    BATON_LOG_LEVEL,
    BATON_DATA_DIR: dataDir,
  });
  const stack = await startEmbedded(config, createLogger(config.logLevel), { durable: false });
  const { eventStoreUrl, databaseUrl, redisUrl } = stack;
  return {
    eventStoreUrl,
    databaseUrl,
    redisUrl,
    async stop() {
      await stack.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
};

/** Each project loads this file anew; what they share hangs on the process. */
const shared = globalThis as { batonTestServers?: { servers: Promise<Servers>; users: number } | undefined };

/** Starts one set of servers (or takes those the environment names) for all projects of a run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  shared.batonTestServers ??= { servers: startServers(), users: 0 };
  const mine = shared.batonTestServers;
  mine.users++;
  const { eventStoreUrl, databaseUrl, redisUrl, stop } = await mine.servers;
  project.provide('eventStoreUrl', eventStoreUrl);
  project.provide('databaseUrl', databaseUrl);
  project.provide('redisUrl', redisUrl);
  return async () => {
    if (--mine.users > 0) return;
    shared.batonTestServers = undefined;
    await stop();
  };
}
