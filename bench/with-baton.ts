import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Baton, startBaton } from '#baton/baton.js';
import { type Client, connect } from '#baton/cli/client.js';
import { readConfig } from '#baton/platform/config.js';

const SERVER = fileURLToPath(new URL('./server.ts', import.meta.url));

const inTemporaryFolder = async <Value>(work: (env: Record<string, string>) => Promise<Value>): Promise<Value> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'baton-bench-'));
  try {
    return await work({ BATON_DATA_DIR: dataDir, BATON_PORT: '0', BATON_LOG_LEVEL: 'error' });
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
};

/** A Baton of its own with durable settings: all roles in this process, its stores as children. */
export const withBaton = <Value>(work: (baton: Baton) => Promise<Value>): Promise<Value> =>
  inTemporaryFolder(async (env) => {
    const baton = await startBaton(readConfig(env));
    try {
      return await work(baton);
    } finally {
      await baton.stop();
    }
  });

/** The same in a process of its own, with the no-op agent, and a client for it. */
export const withServer = <Value>(work: (client: Client) => Promise<Value>): Promise<Value> =>
  inTemporaryFolder(async (env) => {
    const child = spawn(process.execPath, ['--import', 'tsx', SERVER], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const client = connect(JSON.parse(line).url, { connections: 64 });
    try {
      return await work(client);
    } finally {
      await client.close();
      child.stdin.end();
      await exited;
    }
  });
