import { serveAgent } from 'baton-agent-sdk';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { registerAgent } from '../../src/commands/agent/register-agent.ts';
import { submitTask } from '../../src/commands/task/submit-task.ts';
import { type Running, start } from '../../src/main.ts';
import { readConfig } from '../../src/platform/config.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { until } from '../support/fleet.ts';
import { type FreezableProxy, freezableProxy } from '../support/freezable-proxy.ts';
import { freshDatabase, freshEventStore } from '../support/servers.ts';

/** What `docs/reliability.md` says about the time without a store, or without an agent. */

const GRACE_MS = 2_500;
const LEASE_MS = 2_000;
const PATIENCE_MS = 60_000;
const caller = { tenant: 'default', actor: 'test' };
const logger = createLogger(process.env['BATON_LOG_LEVEL'] ?? 'silent');
const completed = { status: 'completed' };

let database: Awaited<ReturnType<typeof freshDatabase>>;
let eventStore: Awaited<ReturnType<typeof freshEventStore>>;
let log: FreezableProxy;
let postgres: FreezableProxy;
let redis: FreezableProxy;
let running: Running;
/** Lets the function that is called `held` return. */
let release = (): void => {};
const held = new Promise<void>((resolve) => {
  release = resolve;
});

beforeAll(async () => {
  [database, eventStore] = await Promise.all([freshDatabase(), freshEventStore()]);
  [log, postgres, redis] = (await Promise.all(
    [eventStore.connectionString, database.url, inject('redisUrl')].map(freezableProxy),
  )) as [FreezableProxy, FreezableProxy, FreezableProxy];
  running = await start({
    tenant: 'default',
    logger,
    config: readConfig({
      EVENTSTORE_URL: log.url,
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
      BATON_PORT: '0',
      BATON_GRACE_MS: String(GRACE_MS),
      BATON_LEASE_MS: String(LEASE_MS),
    }),
  });
  running.localAgents.register({ tenant: 'default', agentId: 'near' }, () => 'done');
  running.localAgents.register({ tenant: 'default', agentId: 'held' }, () => held.then(() => 'done'));
  for (const agentId of ['near', 'held', 'elsewhere'])
    await registerAgent(running.core.commands, caller, { agentId, capabilities: [{ name: agentId }] });
  await expect(outcome(await submit())).resolves.toMatchObject(completed);
});

afterAll(async () => {
  await running.stop();
  await Promise.all([log, postgres, redis].map((way) => way.close()));
  await database.drop();
  await eventStore.stop();
});

const submit = async (facts: { deadlineAt?: string; capability?: string } = {}): Promise<string> => {
  const submitted = await submitTask(running.core.commands, caller, { capability: 'near', ...facts });
  if (!submitted.ok) throw new Error(submitted.rejection.reason);
  return submitted.value.id;
};
const outcome = (taskId: string) => running.outcomes.wait('default', taskId);

type GraphQLAnswer<Data> = { readonly data?: Data; readonly errors?: readonly { extensions: { code: string } }[] };

const graphql = async <Data>(query: string, variables: object): Promise<GraphQLAnswer<Data>> => {
  const response = await fetch(`${running.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  return (await response.json()) as GraphQLAnswer<Data>;
};

const ask = async (id: string): Promise<{ status?: string; error?: string }> => {
  const { data, errors } = await graphql<{ task: { status: string } | null }>(
    'query ($id: ID!) { task(id: $id) { status } }',
    { id },
  );
  return { ...(data?.task && { status: data.task.status }), ...(errors?.[0] && { error: errors[0].extensions.code }) };
};
const shows = (taskId: string, status: string) =>
  until(`${status} in the read model`, PATIENCE_MS, async () => {
    const answer = await ask(taskId);
    return answer.status === status || JSON.stringify(answer);
  });

const beat = async (): Promise<number> =>
  (await fetch(`${running.url}/agents/elsewhere/heartbeat`, { method: 'POST', headers: { origin: `${running.url}` } }))
    .status;

it('without the event store queries are answered, and a command waits for it', async () => {
  const before = await submit();
  await shows(before, 'COMPLETED');
  log.cut();
  const submitted = submit();
  await until('a refused connection', PATIENCE_MS, async () => log.counts.refused > 0 || 'none yet');
  expect(await ask(before)).toEqual({ status: 'COMPLETED' });
  log.mend();
  await expect(outcome(await submitted)).resolves.toMatchObject(completed);
});

it('without Postgres commands and outcomes go on, assignment until the lease ends, and queries fail', async () => {
  const underWay = await submit({ capability: 'held' });
  await shows(underWay, 'ASSIGNED');
  postgres.cut();
  const assigned = await submit();
  await expect(outcome(assigned)).resolves.toMatchObject(completed);
  expect(await ask(assigned)).toEqual({ error: 'UNAVAILABLE' });

  let waiting = assigned;
  await until('a task that waits', PATIENCE_MS, async () => {
    waiting = await submit();
    const next = await Promise.race([outcome(waiting), new Promise((resolve) => setTimeout(resolve, 700, 'waits'))]);
    return next === 'waits' || 'it was assigned';
  });
  release();
  await expect(outcome(underWay)).resolves.toMatchObject(completed);

  postgres.mend();
  await expect(outcome(waiting)).resolves.toMatchObject(completed);
  await shows(waiting, 'COMPLETED');
});

const REGISTER = `mutation ($cardUrl: String!) {
  registerAgent(input: { agentId: "clerk", cardUrl: $cardUrl }) { __typename }
}`;
const WHY = 'query ($id: ID!) { task(id: $id) { why { waiting { reason message } } } }';
type Why = {
  readonly task: { readonly why: { readonly waiting: { readonly reason: string; readonly message: string } | null } };
};

it('an agent that is down for some seconds costs no task, and those that wait say why', async () => {
  const clerk = { card: { name: 'clerk' }, handlers: { 'clerk.work': () => 'done' }, handleSignals: false };
  const first = await serveAgent(clerk);
  expect(await graphql(REGISTER, { cardUrl: first.cardUrl })).toEqual({
    data: { registerAgent: { __typename: 'AgentAccepted' } },
  });
  await first.close();

  const tasks = await Promise.all(Array.from({ length: 20 }, () => submit({ capability: 'clerk.work' })));
  const [id = ''] = tasks;
  await until('the reason why it waits', PATIENCE_MS, async () => {
    const waiting = (await graphql<Why>(WHY, { id })).data?.task.why.waiting;
    return (waiting?.reason === 'AGENTS_UNREACHABLE' && waiting.message.includes('clerk')) || JSON.stringify(waiting);
  });

  const again = await serveAgent({ ...clerk, port: Number(new URL(first.url).port) });
  for (const task of tasks) await expect(outcome(task)).resolves.toMatchObject(completed);
  await again.close();
});

it('while Redis is frozen, functions work, deadlines are kept, heartbeats fail, and the process stops in time', async () => {
  expect(await beat()).toBe(204);
  redis.freeze();
  const refused = beat();
  // More than used to be offered before decisions waited for the queue.
  for (let count = 0; count < 12; count += 1) await submit({ capability: 'elsewhere' });
  for (let count = 0; count < 12; count += 1) await expect(outcome(await submit())).resolves.toMatchObject(completed);
  const late = await submit({ deadlineAt: new Date(Date.now() + 1_000).toISOString(), capability: 'elsewhere' });
  await expect(outcome(late)).resolves.toMatchObject({ error: { code: 'DEADLINE_PASSED' } });
  expect(await refused).toBe(503);

  const before = performance.now();
  await running.stop();
  expect(performance.now() - before).toBeLessThan(GRACE_MS + 5_000);
});
