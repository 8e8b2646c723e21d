import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { endOf, runCli, startCli } from '../support/cli-process.ts';
import { freshDatabase, freshEventStore } from '../support/servers.ts';

let dataDir: string;
let stores: {
  eventStore: Awaited<ReturnType<typeof freshEventStore>>;
  database: Awaited<ReturnType<typeof freshDatabase>>;
};
let env: Record<string, string>;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'baton-demo-'));
  const [eventStore, database] = await Promise.all([freshEventStore(), freshDatabase()]);
  stores = { eventStore, database };
  env = {
    BATON_DATA_DIR: dataDir,
    EVENTSTORE_URL: eventStore.connectionString,
    DATABASE_URL: database.url,
    REDIS_URL: inject('redisUrl'),
  };
});

afterAll(async () => {
  await stores?.database.drop();
  await stores?.eventStore.stop();
  await rm(dataDir, { recursive: true, force: true });
});

const demo = async (...args: string[]): Promise<Record<string, unknown>> => {
  const { code, out, err } = await runCli(['demo', '--json', ...args], env);
  expect(code, err + out).toBe(0);
  return JSON.parse(out) as Record<string, unknown>;
};

const figures = { p50: expect.any(Number), p99: expect.any(Number) };

describe('the demo', () => {
  it('completes every task once even though an agent is killed, and prints exactly one JSON object', async () => {
    const result = await demo('--suppliers', '60', '--seed', '7');
    expect(result).toEqual({
      suppliers: 60,
      completed: 60,
      failed: 0,
      deadLettered: 0,
      agentKilled: true,
      duplicateTerminals: 0,
      throughputPerS: expect.any(Number),
      submitMs: figures,
      endToEndMs: figures,
      auditVerified: true,
      totalTonnesCO2e: expect.any(Number),
    });
    const quiet = await demo('--suppliers', '60', '--seed', '7', '--no-fault');
    expect(quiet).toMatchObject({ completed: 60, agentKilled: false, totalTonnesCO2e: result['totalTonnesCO2e'] });
    expect(await demo('--suppliers', '60', '--seed', '8')).not.toMatchObject({
      totalTonnesCO2e: result['totalTonnesCO2e'],
    });
  });

  it('prints a table for people', async () => {
    const { code, out, err } = await runCli(['demo', '--suppliers', '20', '--no-fault'], env);
    expect(code, err).toBe(0);
    expect(out).toMatch(/^tasks +20, one per supplier \(seed 42\)$/m);
    expect(out).toMatch(/^audit +\d+ events in 24 streams .* every hash chain holds, 0 duplicate terminal events$/m);
    expect(out).toMatch(/^AGENT +ASSIGNED +COMPLETED +FAILED$/m);
  });

  it('stops together with its agents when it is interrupted', async () => {
    const child = startCli(['demo', '--suppliers', '5000'], env);
    const ended = endOf(child);
    await new Promise<void>((resolve) => {
      child.stderr.on('data', (chunk: Buffer) => {
        if (chunk.toString().includes('ready after')) resolve();
      });
    });
    child.kill('SIGINT');
    // Its streams close only when no agent holds them any more.
    expect(await ended).toMatchObject({ code: 130, out: '' });
  });
});
