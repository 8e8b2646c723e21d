import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { readConfig } from '../../src/platform/config.ts';
import { startInOtherProcess } from './embedded-process.ts';

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
  const config = readConfig({
    EVENTSTORE_URL,
    DATABASE_URL,
    REDIS_URL,
    BATON_LOG_LEVEL,
    BATON_DATA_DIR: dataDir,
  });
  const stack = await startInOtherProcess(config, { durable: false }, config.logLevel).catch(async (error: unknown) => {
    await rm(dataDir, { recursive: true, force: true });
    throw error;
  });
  const { eventStoreUrl, databaseUrl, redisUrl } = stack;
  return {
    eventStoreUrl,
    databaseUrl,
    redisUrl,
    async stop() {
      await stack.kill('SIGTERM');
      await rm(dataDir, { recursive: true, force: true });
    },
  };
};

/** Each project loads this file again; what they share is kept on the process object. */
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
