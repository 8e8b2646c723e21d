import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { registerAgent } from '../../src/commands/agent/register-agent.ts';
import { submitTask } from '../../src/commands/task/submit-task.ts';
import { type Running, start } from '../../src/main.ts';
import { readConfig } from '../../src/platform/config.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { type FreezableProxy, freezableProxy } from '../support/freezable-proxy.ts';
import { freshDatabase, freshEventStore } from '../support/servers.ts';

const GRACE_MS = 2_500;
const caller = { tenant: 'default', actor: 'test' };
const logger = createLogger(process.env['BATON_LOG_LEVEL'] ?? 'silent');

let database: Awaited<ReturnType<typeof freshDatabase>>;
let eventStore: Awaited<ReturnType<typeof freshEventStore>>;
let redis: FreezableProxy;
let running: Running;

beforeAll(async () => {
  [database, eventStore, redis] = await Promise.all([
    freshDatabase(),
    freshEventStore(),
    freezableProxy(inject('redisUrl')),
  ]);
  running = await start({
    tenant: 'default',
    logger,
    config: readConfig({
      EVENTSTORE_URL: eventStore.connectionString,
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      BATON_PORT: '0',
      BATON_GRACE_MS: String(GRACE_MS),
    }),
  });
});

afterAll(async () => {
  await running.stop();
  await redis.close();
  await database.drop();
  await eventStore.stop();
});

const submit = async (facts: { deadlineAt?: string; capability?: string } = {}): Promise<string> => {
  const submitted = await submitTask(running.core.commands, caller, { capability: 'near', ...facts });
  if (!submitted.ok) throw new Error(submitted.rejection.reason);
  return submitted.value.id;
};
const outcome = (taskId: string) => running.outcomes.wait('default', taskId);

describe('while Redis is frozen', () => {
  it('agents of this process work, deadlines are kept, and the process stops within its grace period', async () => {
    running.localAgents.register({ tenant: 'default', agentId: 'near' }, () => 'done');
    for (const agentId of ['near', 'elsewhere'])
      await registerAgent(running.core.commands, caller, { agentId, capabilities: [{ name: agentId }] });
    await expect(outcome(await submit())).resolves.toMatchObject({ status: 'completed' });

    redis.freeze();
    // More than used to be offered before decisions waited for the queue.
    for (let count = 0; count < 12; count += 1) await submit({ capability: 'elsewhere' });
    for (let count = 0; count < 12; count += 1)
      await expect(outcome(await submit())).resolves.toMatchObject({ status: 'completed' });
    const late = await submit({ deadlineAt: new Date(Date.now() + 1_000).toISOString(), capability: 'elsewhere' });
    await expect(outcome(late)).resolves.toMatchObject({ error: { code: 'DEADLINE_PASSED' } });

    const before = performance.now();
    await running.stop();
    expect(performance.now() - before).toBeLessThan(GRACE_MS + 2_000);
  });
});
