import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { AppError, type Baton, startBaton, TaskFailed } from '../../src/baton.ts';
import { agentStream } from '../../src/domain/ids.ts';
import { createEsdbEventStore } from '../../src/eventstore/esdb-event-store.ts';
import type { StoredEvent } from '../../src/eventstore/event-store.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { readConfig } from '../../src/platform/config.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { addressOf, runScript } from '../support/run-source.ts';
import { freshDatabase, freshEventStore } from '../support/servers.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const logger = createLogger('silent');
const GONE_WITHIN_MS = 10_000;
const FOR_A_WHILE_MS = 60_000;

/** Another process that offers agents: it says when it does, and whose name is in each result. */
const SCRIPT = `
  const [env, agents] = JSON.parse(process.argv[1]);
  const { startBaton } = await import(${JSON.stringify(addressOf('baton.ts'))});
  const { readConfig } = await import(${JSON.stringify(addressOf('platform/config.ts'))});
  const baton = await startBaton(readConfig(env));
  for (const agent of agents) {
    let running = 0;
    await baton.agent(agent, async (input) => {
      running += 1;
      const calls = running;
      await new Promise((resolve) => setTimeout(resolve, input.ms));
      running -= 1;
      return { by: 'other', calls };
    });
  }
  console.log('offered');
  process.stdin.resume().once('end', () => process.exit());
`;

const children = new Set<ChildProcess>();
let env: Record<string, string>;
let closeStores: () => Promise<void>;
let store: ReturnType<typeof createEsdbEventStore>;
let baton: Baton;

beforeAll(async () => {
  const [database, eventStore] = await Promise.all([freshDatabase(), freshEventStore()]);
  env = {
    EVENTSTORE_URL: eventStore.connectionString,
    DATABASE_URL: database.url,
    REDIS_URL: inject('redisUrl'),
    BATON_LOG_LEVEL: 'silent',
    BATON_JOB_LOCK_MS: '2000',
  };
  store = createEsdbEventStore(eventStore.connectionString, { logger, clock: systemClock });
  closeStores = async () => {
    await store.close();
    await eventStore.stop();
    await database.drop();
  };
  baton = await startBaton(readConfig({ ...env, BATON_ROLES: 'assigner,dispatcher,processes' }), { logger });
}, 60_000);

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await baton.stop();
  await closeStores();
});

const agent = (agentId: string, capability: string, maxConcurrency: number) => ({
  agentId,
  capabilities: [{ name: capability }],
  maxConcurrency,
});

const otherProcess = async (...agents: readonly object[]): Promise<ChildProcess> => {
  const others = { ...env, BATON_ROLES: 'dispatcher' };
  const args = [...runScript(SCRIPT), '--', JSON.stringify([others, agents])];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] });
  children.add(child);
  await new Promise<void>((resolve, reject) => {
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    lines.once('line', () => resolve());
    lines.once('close', () => reject(new Error('the other process did not start; see above')));
  });
  return child;
};

const run = async (capability: string, ms = 0): Promise<{ by: string; calls: number }> => {
  const result = await baton.run({ capability, input: { ms }, retry: { kind: 'immediate', maxAttempts: 5 } });
  return result as { by: string; calls: number };
};

const last = async (agentId: string): Promise<StoredEvent | undefined> =>
  (await store.readStream(agentStream('default', agentId), { direction: 'backwards', limit: 1 }))[0];

it('is deregistered when the last process that offered it is killed, and its work goes to others', async () => {
  const other = await otherProcess(agent('lonely', 'alone', 2));
  const running = run('alone', FOR_A_WHILE_MS);
  await expect.poll(async () => (await last('lonely'))?.type).toBe('AgentRegistered');
  await expect.poll(() => baton.counters()['assigner.default']?.['assigned']).toBe(1);
  other.kill('SIGKILL');
  const killedMs = systemClock.now();
  await expect.poll(async () => (await last('lonely'))?.type, { timeout: 30_000 }).toBe('AgentDeregistered');
  const goneMs = Date.parse((await last('lonely'))?.recordedAt ?? '') - killedMs;
  expect(goneMs).toBeLessThan(GONE_WITHIN_MS);

  await baton.agent(agent('heir', 'alone', 1), () => ({ by: 'heir', calls: 1 }));
  expect(await running).toEqual({ by: 'heir', calls: 1 });
});

it('gets work in every process that offers it, up to the capacity there', async () => {
  let calls = 0;
  await baton.agent(agent('shared', 'both', 2), async () => {
    calls += 1;
    const now = calls;
    await new Promise((resolve) => setTimeout(resolve, 100));
    calls -= 1;
    return { by: 'here', calls: now };
  });
  const other = await otherProcess(agent('shared', 'both', 3));
  expect((await last('shared'))?.data).toMatchObject({ maxConcurrency: 5 });
  await new Promise((resolve) => setTimeout(resolve, 2_000)); // until this process knows of the other
  const results = await Promise.all(Array.from({ length: 40 }, () => run('both', 100)));
  const most = (who: string): number =>
    Math.max(0, ...results.filter(({ by }) => by === who).map(({ calls }) => calls));
  expect(most('here')).toBe(2);
  expect(most('other')).toBe(3);

  other.kill('SIGKILL');
  await expect.poll(async () => (await last('shared'))?.data, { timeout: 30_000 }).toMatchObject({ maxConcurrency: 2 });
  expect((await run('both')).by).toBe('here');
});

it('answers a call with the result of its task, or with an error that says how it ended', async () => {
  await baton.agent(agent('clerk', 'count', 1), (input) => {
    if (!Array.isArray(input)) throw new Error('there is nothing to count');
    return input.length;
  });
  expect(await baton.run({ capability: 'count', input: [1, 2, 3] })).toBe(3);
  const failed = await baton.run({ capability: 'count', input: {}, retry: { maxAttempts: 1 } }).catch((error) => error);
  expect(failed).toBeInstanceOf(TaskFailed);
  expect(failed).toMatchObject({ status: 'deadLettered', error: { code: 'AGENT_FAILED' } });
  expect(failed.message).toMatch(/^task [0-9a-f-]{36} failed: AGENT_FAILED: .*there is nothing to count/);
  const refused = await baton.run({ capability: '' }).catch((error) => error);
  expect(refused).toBeInstanceOf(AppError);
  expect(refused).toMatchObject({ code: 'BAD_USER_INPUT', issues: [{ pointer: '/capability' }] });
});

it('is deregistered at once when the process stops', async () => {
  const stopping = await startBaton(readConfig({ ...env, BATON_ROLES: 'dispatcher' }), { logger });
  await stopping.agent(agent('brief', 'once', 1), () => ({ by: 'brief', calls: 1 }));
  expect((await run('once')).by).toBe('brief');
  const waiting = stopping.run({ capability: 'nobody' });
  const told = expect(waiting).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await stopping.stop();
  await told;
  expect((await last('brief'))?.type).toBe('AgentDeregistered');
});
