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
import type { EventStore, StoredEvent } from '../../src/eventstore/event-store.ts';
import { type AgentCall, type ClientCall, checkInvariants, type TaskView } from '../../src/invariants/invariants.ts';
import { SometimesCounters } from '../../src/invariants/sometimes.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { readConfig } from '../../src/platform/config.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createPool } from '../../src/platform/postgres.ts';
import { type EmbeddedProcess, startInOtherProcess } from '../support/embedded-process.ts';
import {
  type Answer,
  caughtUp,
  FaultFleet,
  leavesOutcomeOpen,
  PATIENCE_MS,
  readModelAt,
} from '../support/fault-fleet.ts';
import { Member, seeded, until } from '../support/fleet.ts';
import { type ScriptedAgent, startScriptedAgent } from '../support/scripted-agent.ts';
import {
  type Disturbance,
  DisturbedStores,
  recoveries,
  STORE_FAULTS,
  STORES,
  type StoreFault,
  type StoreName,
} from '../support/store-faults.ts';

const SEED = Number(process.env['FAULT_SEED'] ?? Date.now() % 1_000_000);
const KILLS_PER_ROLE = Number(process.env['FAULT_KILLS'] ?? 3);
/** Faults per store: each is killed, frozen and cut off in turn. */
const FAULTS_PER_STORE = Number(process.env['FAULT_STORES'] ?? 1);
/** Tasks that must have been acknowledged before the faults end. */
const MIN_TASKS = Number(process.env['FAULT_TASKS'] ?? 300);
const ROLES = ['api', 'dispatcher', 'assigner', 'projector'] as const;
const CLIENTS = 6;
/** On a busy machine a start takes minutes, and so may the end of all tasks, as long as some end. */
const START_MS = 600_000;
const STALLED_MS = 90_000;
/** The clients wait while this many of their tasks are open, so that the backlog of a slow machine has a bound. */
const MAX_OPEN = 500;
/** Flushes of the queue, and zombies. */
const RARE_FAULTS = Math.max(2, Math.ceil(KILLS_PER_ROLE / 4));
const QUEUE = 'dispatch.default.default';

const fleet = new FaultFleet(seeded(SEED));
const logger = createLogger('error');

/** With fewer faults per store, each store meets one of them. */
const everyFault = FAULTS_PER_STORE >= STORE_FAULTS.length;
type StoreTrouble = `${StoreName} was ${StoreFault}` | `${StoreName} was disturbed`;
const troubleOf = (store: StoreName, fault: StoreFault): StoreTrouble =>
  everyFault ? `${store} was ${fault}` : `${store} was disturbed`;

/** What the clients saw: a witness of its own. */
const calls: ClientCall[] = [];
const acknowledgedAt: number[] = [];
const disturbances: Disturbance[] = [];
/** Starts that failed, because a store was away, and were repeated. */
const failedStarts: string[] = [];
const sometimes = new SometimesCounters<string>([
  'queue flushed with jobs waiting',
  'assigner fenced by another',
  'zombie woke up after its lease',
  'a client repeated a call whose answer was lost',
  'an agent was called twice for one attempt',
  'projector killed while behind',
  'a call was refused',
  'a key was used again with another body',
  'jobs were duplicated',
  ...ROLES.map((role) => `${role} was killed` as const),
  ...new Set(STORES.flatMap((store) => STORE_FAULTS.map((fault) => troubleOf(store, fault)))),
]);

let stack: EmbeddedProcess;
let stores: DisturbedStores;
let reader: EventStore;
let dataDir: string;
let database: pg.Pool;
let redis: Redis;
let loading = true;
const agents = new Map<string, ScriptedAgent>();

const SUBMIT = `mutation ($key: String!, $input: SubmitTaskInput!) {
  submitTask(idempotencyKey: $key, input: $input) { __typename ... on TaskAccepted { taskId position repeated } }
}`;

const CANCEL = `mutation ($key: String!, $taskId: ID!) {
  cancelTask(idempotencyKey: $key, taskId: $taskId) { __typename }
}`;

const REGISTER = `mutation ($input: RegisterAgentInput!) {
  registerAgent(input: $input) { __typename ... on AgentRejected { message } }
}`;

/** Undefined when there was no answer, or one that leaves the outcome open. */
const answerTo = async (key: string, input: object): Promise<Record<string, unknown> | undefined> => {
  let answer: Answer;
  try {
    // Some do not wait for the answer, which may be on its way.
    answer = await fleet.graphql(SUBMIT, { key, input }, fleet.random() < 0.02 ? fleet.between(5, 60) : PATIENCE_MS);
  } catch {
    return undefined; // the process was killed, or none was up
  }
  const accepted = answer.data?.['submitTask'];
  if (accepted?.['__typename'] === 'TaskAccepted') return accepted;
  if (leavesOutcomeOpen(answer)) return undefined;
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
      acknowledgedAt.push(Date.now());
      calls.push({ ...call, outcome: 'ok', taskId: String(taskId), position: BigInt(String(position)) });
      return;
    }
    calls.push({ ...call, outcome: 'unknown' });
    await sleep(fleet.between(20, 200));
  }
};

/** Asks for what cannot be had, and notes how that went. The processes come and go: it may be that nobody says no. */
const beRefused = async (
  call: Omit<ClientCall, 'outcome'> & { readonly idempotencyKey: string },
  send: () => Promise<Answer>,
): Promise<boolean> => {
  const commandId = commandIdOf(call.tenant, call.scope, call.idempotencyKey);
  try {
    const answer = await send();
    if (leavesOutcomeOpen(answer)) return false;
    const said = Object.values(answer.data ?? {})[0]?.['__typename'];
    const refused = answer.errors !== undefined || said === 'TaskRejected';
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
  if (await beRefused(reused, () => fleet.graphql(SUBMIT, { key, input: other })))
    sometimes.hit('a key was used again with another body');
  const bad = { ...input, timeoutMs: -1 };
  const badCall = { ...reused, idempotencyKey: `${key}-bad`, body: JSON.stringify(bad) };
  if (await beRefused(badCall, () => fleet.graphql(SUBMIT, { key: `${key}-bad`, input: bad })))
    sometimes.hit('a call was refused');
  const taskId = randomUUID();
  const cancelCall = { tenant: 'default', scope: `CancelTask/${taskId}`, idempotencyKey: key, body: '' };
  if (await beRefused(cancelCall, () => fleet.graphql(CANCEL, { key, taskId }))) sometimes.hit('a call was refused');
};

const client = async (index: number): Promise<void> => {
  for (let n = 0; loading; n += 1) {
    const key = `client-${index}-${n}`;
    const input = {
      capability: 'work',
      input: { client: index, n },
      priority: 1 + Math.floor(fleet.random() * 5),
      timeoutMs: 4_000,
    };
    await submit(key, input);
    while (loading && acknowledgedAt.length - ended.size > MAX_OPEN) await sleep(100);
    if (fleet.random() < 0.1) await refusals(key, input);
    await sleep(fleet.between(0, 120));
  }
};

/** Asks again while the store that is asked is away. */
const persistently = async <Value>(
  ask: () => Promise<Value>,
  onError: (error: Error) => void = () => {},
): Promise<Value> => {
  const endAt = Date.now() + START_MS;
  for (;;)
    try {
      return await ask();
    } catch (error) {
      if (Date.now() > endAt) throw error;
      onError(error as Error);
      await sleep(200);
    }
};

/** Spreads the faults over the tasks: waits until this part of them was acknowledged. */
const untilLoaded = (part: number): Promise<void> =>
  until(`${Math.floor(part * 100)} % of the acknowledged tasks`, 3_600_000, async () => {
    const count = acknowledgedAt.length;
    return count >= MIN_TASKS * part || `${count} so far`;
  });

const LOOKS = 100;

/** Waits a little for a moment at which the read models do not hold yet what a client was told. */
const untilBehind = async (): Promise<void> => {
  for (let look = 0; look < LOOKS; look += 1) {
    const { rows } = await persistently(() =>
      database.query('SELECT min(position)::text AS position FROM baton.checkpoints'),
    );
    const last = calls.findLast(({ outcome }) => outcome === 'ok')?.position;
    if (last === undefined || BigInt(rows[0].position) >= last) continue;
    sometimes.hit('projector killed while behind');
    return;
  }
};

/** Kills processes of a role at random moments and starts each again. */
const killer = async (role: (typeof ROLES)[number]): Promise<void> => {
  for (let kills = 0; kills < KILLS_PER_ROLE; ) {
    await sleep(fleet.between(100, 1_500));
    const victim = fleet.victim(role);
    if (!victim) continue;
    if (role === 'projector') await untilBehind();
    await victim.kill();
    sometimes.hit(`${role} was killed`);
    await persistently(
      () => victim.start(),
      ({ message }) => failedStarts.push(message),
    );
    kills += 1;
    await untilLoaded(kills / KILLS_PER_ROLE);
  }
};

const withQueue = async (work: (queue: Queue<AttemptJob>) => Promise<void>): Promise<void> => {
  const { rows } = await persistently(() => database.query('SELECT cluster_id FROM baton.cluster_identity'));
  const queue = new Queue<AttemptJob>(QUEUE, { connection: redis, prefix: `baton:${rows[0].cluster_id}` });
  queue.on('error', () => {}); // Redis is away now and then; it reconnects
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
      sometimes.hit('jobs were duplicated', jobs.length);
      await sleep(1_000);
    }
  });

const flusher = (): Promise<void> =>
  withQueue(async (queue) => {
    for (let flush = 0; flush < RARE_FAULTS; flush += 1) {
      await untilLoaded(flush / RARE_FAULTS);
      await sleep(fleet.between(3_000, 10_000));
      await until('jobs in the queue', 20_000, async () => {
        const { active = 0, waiting = 0 } = await queue.getJobCounts('active', 'waiting');
        if (active + waiting === 0) return 'it is empty';
        sometimes.hit('queue flushed with jobs waiting', active + waiting);
        return true;
      });
      await redis.flushall();
    }
  });

/** Errors: throws when nobody has led for minutes. */
const leadingAssigner = async () => {
  let holder = '';
  await until('an assigner that leads', START_MS, async () => {
    const { rows } = await persistently(() =>
      database.query(`SELECT holder FROM baton.leases WHERE name = 'assigner:default.default'`),
    );
    holder = String(rows[0]?.holder);
    return fleet.running('assigner').some(({ pid }) => holder.includes(`:${pid}:`)) || `the lease says ${holder}`;
  });
  return fleet.running('assigner').find(({ pid }) => holder.includes(`:${pid}:`));
};

/** Stops the leading assigner for longer than its lease, lets another take over, and wakes it. */
const zombies = async (): Promise<void> => {
  for (let awake = 0; awake < RARE_FAULTS; ) {
    await untilLoaded(awake / RARE_FAULTS);
    await sleep(fleet.between(1_000, 4_000));
    const leader = await leadingAssigner();
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

/** Disturbs a store again and again, with each fault in turn, beginning with any of them. */
const troublemaker = async (store: StoreName): Promise<void> => {
  const first = Math.floor(fleet.random() * STORE_FAULTS.length);
  for (let n = 0; n < FAULTS_PER_STORE; n += 1) {
    await sleep(fleet.between(2_000, 8_000));
    const fault = STORE_FAULTS[(first + n) % STORE_FAULTS.length] ?? 'killed';
    const disturbance = await stores.disturb(store, fault, fleet.between(1_000, 5_000));
    disturbances.push(disturbance);
    if (disturbance.met > 0) sometimes.hit(troubleOf(store, fault));
    await untilLoaded((n + 1) / FAULTS_PER_STORE);
  }
};

const startAgents = async (): Promise<void> => {
  for (const agentId of ['agent-a', 'agent-b', 'agent-c']) {
    const agent = await startScriptedAgent(async (call, reply) => {
      const dice = fleet.random();
      await sleep(fleet.between(2, 40));
      if (dice < 0.01) return; // never answers
      if (dice < 0.05) reply.error(-32_000, 'not today');
      else if (dice < 0.07) reply.cut();
      else reply.data({ echo: call.input });
    });
    agents.set(agentId, agent);
    const input = { agentId, cardUrl: agent.cardUrl, capabilities: [{ name: 'work' }], maxConcurrency: 8 };
    expect(await fleet.graphql(REGISTER, { input })).toMatchObject({
      data: { registerAgent: { __typename: 'AgentAccepted' } },
    });
  }
};

const ENDS = new Set(['TaskCompleted', 'TaskCancelled', 'TaskDeadLettered']);

/** The log as far as it was read. Each look reads only what is new: the agents run in this process, too. */
const log: StoredEvent[] = [];
const ended = new Set<string>();

const readOn = async (): Promise<void> => {
  for (let after = log.at(-1)?.position; ; ) {
    const { events, next } = await reader.readAll({ ...(after !== undefined && { after }), limit: 1_000 });
    log.push(...events);
    for (const { type, stream } of events) if (ENDS.has(type)) ended.add(stream);
    if (next === undefined) return;
    after = next;
  }
};

const watchLog = async (): Promise<void> => {
  while (loading) {
    await persistently(readOn);
    await sleep(300);
  }
};

type TaskRow = TaskView['rows'] extends Iterable<infer Row extends object> ? Row : never;
const tasksView = (): Promise<TaskView> =>
  readModelAt<TaskRow>(database, 'tasks', 'task_id AS "taskId", status, attempt, failures');

const untilEveryTaskEnded = async (): Promise<void> => {
  for (let count = -1, endedAt = Date.now(); ; ) {
    await readOn();
    const open = calls.filter(({ outcome, taskId }) => outcome === 'ok' && !ended.has(`task-default.${taskId}`));
    if (open.length === 0) return;
    if (ended.size > count) [count, endedAt] = [ended.size, Date.now()];
    if (Date.now() - endedAt > STALLED_MS)
      throw new Error(`${open.length} acknowledged tasks are open, for example ${open[0]?.taskId}; none ended lately`);
    await sleep(200);
  }
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

const LONG_CAMPAIGN = MIN_TASKS > 1_000;
/** A long campaign says how far it is. */
const progress = (): void => {
  const faults = disturbances.length;
  process.stderr.write(`${acknowledgedAt.length} acknowledged, ${fleet.kills} kills, ${faults} faults of stores\n`);
};

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
  stores = await DisturbedStores.before(stack);
  reader = createEsdbEventStore(stack.eventStoreUrl, { logger, clock: systemClock });
  const env = {
    ...stores.environment,
    BATON_LEASE_MS: '1500',
    BATON_JOB_LOCK_MS: '2000',
    BATON_ALLOW_PRIVATE_AGENTS: 'true',
    BATON_PG_POOL: '5',
  };
  for (const role of ROLES) fleet.members.push(new Member(role, 0, env), new Member(role, 1, env));
  await Promise.all(fleet.members.map((member) => member.start()));
  database = createPool(stack.databaseUrl, 3, logger);
  redis = new Redis(stack.redisUrl, { maxRetriesPerRequest: null });
  await startAgents();
});

afterAll(async () => {
  await Promise.all(fleet.members.map((member) => member.stop()));
  for (const agent of agents.values()) await agent.close();
  await redis?.quit();
  await database?.end();
  await reader?.close();
  await stores?.close();
  await stack?.kill('SIGTERM');
  await rm(dataDir, { recursive: true, force: true });
});

describe(`a fleet of processes under faults (FAULT_SEED=${SEED})`, () => {
  it(`loses nothing and ends nothing twice while every role is killed ${KILLS_PER_ROLE} times`, async () => {
    const load = Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(index)));
    const watching = watchLog();
    const duplicates = duplicator();
    const reporting = LONG_CAMPAIGN ? setInterval(progress, 30_000).unref() : undefined;
    await Promise.all([...ROLES.map(killer), ...STORES.map(troublemaker), flusher(), zombies()]);
    loading = false;
    clearInterval(reporting);
    await Promise.all([load, duplicates, watching]);
    const loadedAt = Date.now();
    await untilEveryTaskEnded();
    const settledMs = Date.now() - loadedAt;

    await readOn();
    await until('read models that hold the whole log', 30_000, () => caughtUp(database, log.at(-1)?.position ?? 0n));
    countRepeatedCalls();
    sometimes.hit('assigner fenced by another', log.filter(({ type }) => type === 'PoolWriterElected').length - 1);
    const witnesses = { log, calls, journals: journals(), views: [await tasksView()], sometimes };
    const report = checkInvariants(witnesses, { minCompleted: 300 });
    const { kills } = fleet;
    const acknowledged = acknowledgedAt.length;
    const completedAt = log
      .filter(({ type }) => type === 'TaskCompleted')
      .map(({ recordedAt }) => Date.parse(recordedAt));
    const stores = { stores: recoveries(disturbances, { acknowledgedAt, completedAt }), failedStarts, settledMs };
    const figures = { seed: SEED, acknowledged, kills, ...report.counts, ...stores, sometimes: sometimes.counts };
    console.log(JSON.stringify(figures));
    expect(report.violations).toEqual([]);
    expect(kills).toBe(ROLES.length * KILLS_PER_ROLE);
  });
});
