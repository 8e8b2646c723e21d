import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttemptJob } from '../../src/dispatch/queues/attempt-queue.ts';
import { commandIdOf } from '../../src/domain/ids.ts';
import { createEsdbEventStore } from '../../src/eventstore/esdb-event-store.ts';
import type { StoredEvent } from '../../src/eventstore/event-store.ts';
import { type AgentCall, type ClientCall, checkInvariants, type TaskView } from '../../src/invariants/invariants.ts';
import { SometimesCounters } from '../../src/invariants/sometimes.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { readConfig } from '../../src/platform/config.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createPool } from '../../src/platform/postgres.ts';
import { type EmbeddedProcess, startInOtherProcess } from '../support/embedded-process.ts';
import { Member, seeded, until } from '../support/fleet.ts';
import { type ScriptedAgent, startScriptedAgent } from '../support/scripted-agent.ts';

const SEED = Number(process.env['FAULT_SEED'] ?? Date.now() % 1_000_000);
const KILLS_PER_ROLE = Number(process.env['FAULT_KILLS'] ?? 8);
const ROLES = ['api', 'dispatcher', 'assigner', 'projector'] as const;
const CLIENTS = 6;
const SETTLE_MS = 90_000;
const QUEUE = 'dispatch.default.default';

const random = seeded(SEED);
const between = (low: number, high: number): number => low + (high - low) * random();
const logger = createLogger('error');

/** What the clients saw: a witness of its own. */
const calls: ClientCall[] = [];
const sometimes = new SometimesCounters([
  'queue flushed with jobs waiting',
  'assigner fenced by another',
  'zombie woke up after its lease',
  'a client repeated a call whose answer was lost',
  'an agent was called twice for one attempt',
  'projector killed while behind',
  'a call was refused',
  'a key was used again with another body',
] as const);

let stack: EmbeddedProcess;
let dataDir: string;
let database: pg.Pool;
let redis: Redis;
let loading = true;
const members: Member[] = [];
const agents = new Map<string, ScriptedAgent>();

const of = (role: string): Member[] => members.filter((member) => member.role === role && member.running);
const pick = <Item>(items: readonly Item[]): Item | undefined => items[Math.floor(random() * items.length)];

type Answer = {
  readonly data?: Record<string, Record<string, unknown>>;
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[];
};

const PATIENCE_MS = 15_000;

const graphql = async (query: string, variables: object, patienceMs = PATIENCE_MS): Promise<Answer> => {
  const url = pick(of('api'))?.url;
  if (url === undefined) throw new Error('no api process runs');
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(Math.ceil(patienceMs)),
  });
  return (await response.json()) as Answer;
};

const SUBMIT = `mutation ($key: String!, $input: SubmitTaskInput!) {
  submitTask(idempotencyKey: $key, input: $input) { __typename ... on TaskAccepted { taskId position repeated } }
}`;

const CANCEL = `mutation ($key: String!, $taskId: ID!) {
  cancelTask(idempotencyKey: $key, taskId: $taskId) { __typename }
}`;

const REGISTER = `mutation ($input: RegisterAgentInput!) {
  registerAgent(input: $input) { __typename ... on AgentRejected { message } }
}`;

const MAY_BE_REPEATED = new Set(['UNAVAILABLE', 'CONFLICT', 'TIMEOUT']);

/** Undefined when there was no answer, or one that leaves the outcome open. */
const answerTo = async (key: string, input: object): Promise<Record<string, unknown> | undefined> => {
  let answer: Answer;
  try {
    // Some do not wait for the answer, which may be on its way.
    answer = await graphql(SUBMIT, { key, input }, random() < 0.02 ? between(5, 60) : PATIENCE_MS);
  } catch {
    return undefined; // the process was killed, or none was up
  }
  const accepted = answer.data?.['submitTask'];
  if (accepted?.['__typename'] === 'TaskAccepted') return accepted;
  if (MAY_BE_REPEATED.has(answer.errors?.[0]?.extensions?.code ?? '')) return undefined;
  throw new Error(`a good submission was refused: ${JSON.stringify(answer)}`);
};

/** One submission, repeated under its key until there is an answer. */
const submit = async (key: string, input: object): Promise<void> => {
  const commandId = commandIdOf('default', 'SubmitTask', key);
  const call = { tenant: 'default', scope: 'SubmitTask', idempotencyKey: key, commandId, body: JSON.stringify(input) };
  for (;;) {
    const accepted = await answerTo(key, input);
    if (accepted) {
      if (accepted['repeated'] === true) sometimes.hit('a client repeated a call whose answer was lost');
      const { taskId, position } = accepted;
      calls.push({ ...call, outcome: 'ok', taskId: String(taskId), position: BigInt(String(position)) });
      return;
    }
    calls.push({ ...call, outcome: 'unknown' });
    await sleep(between(20, 200));
  }
};

/** Asks for what cannot be had, and notes how that went. The processes come and go: it may be that nobody says no. */
const beRefused = async (
  call: Omit<ClientCall, 'outcome'> & { readonly idempotencyKey: string },
  send: () => Promise<Answer>,
): Promise<boolean> => {
  const commandId = commandIdOf(call.tenant, call.scope, call.idempotencyKey);
  try {
    const { data, errors } = await send();
    const said = Object.values(data ?? {})[0]?.['__typename'];
    if (MAY_BE_REPEATED.has(errors?.[0]?.extensions?.code ?? '')) return false;
    const refused = errors !== undefined || said === 'TaskRejected';
    calls.push({ ...call, commandId, outcome: refused ? 'fail' : 'ok' });
    return refused;
  } catch {
    return false; // no answer
  }
};

/** A key that was used before, with another body; a task that cannot be; the cancellation of one that nobody knows. */
const refusals = async (key: string, input: object): Promise<void> => {
  const other = { ...input, priority: 1, tags: ['other'] };
  const reused = { tenant: 'default', scope: 'SubmitTask', idempotencyKey: key, body: JSON.stringify(other) };
  if (await beRefused(reused, () => graphql(SUBMIT, { key, input: other })))
    sometimes.hit('a key was used again with another body');
  const bad = { ...input, timeoutMs: -1 };
  const badCall = { ...reused, idempotencyKey: `${key}-bad`, body: JSON.stringify(bad) };
  if (await beRefused(badCall, () => graphql(SUBMIT, { key: `${key}-bad`, input: bad })))
    sometimes.hit('a call was refused');
  const taskId = randomUUID();
  const cancelCall = { tenant: 'default', scope: `CancelTask/${taskId}`, idempotencyKey: key, body: '' };
  if (await beRefused(cancelCall, () => graphql(CANCEL, { key, taskId }))) sometimes.hit('a call was refused');
};

const client = async (index: number): Promise<void> => {
  for (let n = 0; loading; n += 1) {
    const key = `client-${index}-${n}`;
    const input = {
      capability: 'work',
      input: { client: index, n },
      priority: 1 + Math.floor(random() * 5),
      timeoutMs: 4_000,
      retry: { kind: 'EXPONENTIAL', baseMs: 50, maxDelayMs: 1_000, maxAttempts: 30 },
    };
    await submit(key, input);
    if (random() < 0.1) await refusals(key, input);
    await sleep(between(0, 120));
  }
};

const LOOKS = 100;

/** Waits a little for a moment at which the read models do not hold yet what a client was told. */
const untilBehind = async (): Promise<void> => {
  for (let look = 0; look < LOOKS; look += 1) {
    const { rows } = await database.query('SELECT min(position)::text AS position FROM baton.checkpoints');
    const last = calls.findLast(({ outcome }) => outcome === 'ok')?.position;
    if (last === undefined || BigInt(rows[0].position) >= last) continue;
    sometimes.hit('projector killed while behind');
    return;
  }
};

/** Kills processes of a role at random moments and starts each again. */
const killer = async (role: (typeof ROLES)[number]): Promise<void> => {
  for (let kills = 0; kills < KILLS_PER_ROLE; ) {
    await sleep(between(100, 1_500));
    const victim = pick(of(role));
    if (!victim) continue;
    if (role === 'projector') await untilBehind();
    await victim.kill();
    await victim.start();
    kills += 1;
  }
};

const withQueue = async (work: (queue: Queue<AttemptJob>) => Promise<void>): Promise<void> => {
  const { rows } = await database.query('SELECT cluster_id FROM baton.cluster_identity');
  const queue = new Queue<AttemptJob>(QUEUE, { connection: redis, prefix: `baton:${rows[0].cluster_id}` });
  await work(queue);
  await queue.close();
};

/** Puts copies of jobs under way into their queue under other names, as a broken queue would. */
const duplicator = (): Promise<void> =>
  withQueue(async (queue) => {
    for (let round = 0; loading; round += 1) {
      const jobs = (await queue.getJobs(['active', 'waiting'], 0, 20)).filter(Boolean);
      await queue.addBulk(
        jobs.map(({ data }, index) => ({
          name: 'attempt',
          data,
          opts: { jobId: `copy-${round}-${index}`, removeOnComplete: true, removeOnFail: true },
        })),
      );
      await sleep(1_000);
    }
  });

const flusher = (): Promise<void> =>
  withQueue(async (queue) => {
    for (let flush = 0; flush < 2; flush += 1) {
      await sleep(between(3_000, 10_000));
      await until('jobs in the queue', 20_000, async () => {
        const { active = 0, waiting = 0 } = await queue.getJobCounts('active', 'waiting');
        if (active + waiting === 0) return 'it is empty';
        sometimes.hit('queue flushed with jobs waiting', active + waiting);
        return true;
      });
      await redis.flushall();
    }
  });

/** Stops the leading assigner for longer than its lease, lets another take over, and wakes it. */
const zombies = async (): Promise<void> => {
  for (let awake = 0; awake < 2; ) {
    await sleep(between(1_000, 4_000));
    const { rows } = await database.query(`SELECT holder FROM baton.leases WHERE name = 'assigner:default.default'`);
    const leader = of('assigner').find((member) => String(rows[0]?.holder).endsWith(`:${member.pid}`));
    if (!leader) continue;
    const { pid } = leader;
    leader.signal('SIGSTOP');
    await sleep(4_000);
    if (!leader.running || leader.pid !== pid) continue; // killed meanwhile
    leader.signal('SIGCONT');
    awake += 1;
    sometimes.hit('zombie woke up after its lease');
  }
};

const startAgents = async (): Promise<void> => {
  for (const agentId of ['agent-a', 'agent-b', 'agent-c']) {
    const agent = await startScriptedAgent(async (call, reply) => {
      const dice = random();
      await sleep(between(2, 40));
      if (dice < 0.01) return; // never answers
      if (dice < 0.05) reply.error(-32_000, 'not today');
      else if (dice < 0.07) reply.cut();
      else reply.data({ echo: call.input });
    });
    agents.set(agentId, agent);
    const input = { agentId, cardUrl: agent.cardUrl, capabilities: [{ name: 'work' }], maxConcurrency: 8 };
    expect(await graphql(REGISTER, { input })).toMatchObject({
      data: { registerAgent: { __typename: 'AgentAccepted' } },
    });
  }
};

const readLog = async (): Promise<StoredEvent[]> => {
  const reader = createEsdbEventStore(stack.eventStoreUrl, { logger, clock: systemClock });
  const log: StoredEvent[] = [];
  for (let next: bigint | undefined = -1n; next !== undefined; ) {
    const page: Awaited<ReturnType<typeof reader.readAll>> = await reader.readAll({
      ...(next < 0n ? {} : { after: next }),
      limit: 1_000,
    });
    log.push(...page.events);
    next = page.next;
  }
  await reader.close();
  return log;
};

const tasksView = async (): Promise<TaskView> => {
  const connection = await database.connect();
  try {
    await connection.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    const checkpoint = await connection.query(
      `SELECT position::text, event_hash AS hash FROM baton.checkpoints WHERE name = 'tasks'`,
    );
    const { rows } = await connection.query(
      'SELECT tenant, task_id AS "taskId", status, attempt, failures FROM baton.tasks',
    );
    await connection.query('COMMIT');
    const { position, hash } = checkpoint.rows[0];
    return { name: 'tasks', checkpoint: BigInt(position), checkpointHash: hash, rows };
  } finally {
    connection.release();
  }
};

const ENDS = new Set(['TaskCompleted', 'TaskCancelled', 'TaskDeadLettered']);

const everyTaskEnded = async (): Promise<true | string> => {
  const ended = new Set((await readLog()).filter(({ type }) => ENDS.has(type)).map(({ stream }) => stream));
  const open = calls.filter(({ outcome, taskId }) => outcome === 'ok' && !ended.has(`task-default.${taskId}`));
  return open.length === 0 || `${open.length} acknowledged tasks are open, for example ${open[0]?.taskId}`;
};

const caughtUp = async (head: bigint): Promise<true | string> => {
  const { rows } = await database.query(`SELECT name, position::text FROM baton.checkpoints WHERE position < $1`, [
    head.toString(),
  ]);
  return rows.length === 0 || `behind: ${JSON.stringify(rows)}`;
};

/** What the agents saw: the third witness. */
const journals = (): AgentCall[] =>
  [...agents].flatMap(([agentId, agent]) =>
    agent.sends().map(({ effectKey, attempt, at }) => ({
      tenant: 'default',
      agentId,
      taskId: String(effectKey),
      attempt: Number(attempt),
      at,
    })),
  );

const countRepeatedCalls = (): void => {
  const seen = new Set<string>();
  for (const { taskId, attempt } of journals()) {
    const call = `${taskId}.${attempt}`;
    if (seen.has(call)) sometimes.hit('an agent was called twice for one attempt');
    seen.add(call);
  }
};

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'baton-faults-'));
  stack = await startInOtherProcess(readConfig({ BATON_DATA_DIR: dataDir }), { durable: false });
  const env = {
    EVENTSTORE_URL: stack.eventStoreUrl,
    DATABASE_URL: stack.databaseUrl,
    REDIS_URL: stack.redisUrl,
    BATON_LEASE_MS: '1500',
    BATON_JOB_LOCK_MS: '2000',
    BATON_ALLOW_PRIVATE_AGENTS: 'true',
    BATON_PG_POOL: '5',
  };
  for (const role of ROLES) members.push(new Member(role, 0, env), new Member(role, 1, env));
  await Promise.all(members.map((member) => member.start()));
  database = createPool(stack.databaseUrl, 3, logger);
  redis = new Redis(stack.redisUrl, { maxRetriesPerRequest: null });
  await startAgents();
});

afterAll(async () => {
  await Promise.all(members.map((member) => member.stop()));
  for (const agent of agents.values()) await agent.close();
  await redis?.quit();
  await database?.end();
  await stack?.kill('SIGTERM');
  await rm(dataDir, { recursive: true, force: true });
});

describe(`a fleet of processes under faults (FAULT_SEED=${SEED})`, () => {
  it(`loses nothing and ends nothing twice while every role is killed ${KILLS_PER_ROLE} times`, async () => {
    const load = Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(index)));
    const duplicates = duplicator();
    await Promise.all([...ROLES.map(killer), flusher(), zombies()]);
    loading = false;
    await Promise.all([load, duplicates]);
    await until('the end of every acknowledged task', SETTLE_MS, everyTaskEnded);

    const log = await readLog();
    await until('read models that hold the whole log', 30_000, () => caughtUp(log.at(-1)?.position ?? 0n));
    countRepeatedCalls();
    sometimes.hit('assigner fenced by another', log.filter(({ type }) => type === 'PoolWriterElected').length - 1);
    const witnesses = { log, calls, journals: journals(), views: [await tasksView()], sometimes };
    const report = checkInvariants(witnesses, { minCompleted: 300 });
    const kills = members.reduce((sum, member) => sum + member.kills, 0);
    console.log(JSON.stringify({ seed: SEED, kills, ...report.counts, sometimes: sometimes.counts }));
    expect(report.violations).toEqual([]);
    expect(kills).toBe(ROLES.length * KILLS_PER_ROLE);
  });
});
