import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandIdOf } from '../../src/domain/ids.ts';
import { createEsdbEventStore } from '../../src/eventstore/esdb-event-store.ts';
import type { EventStore, StoredEvent } from '../../src/eventstore/event-store.ts';
import {
  type ClientCall,
  checkInvariants,
  type ExecutionView,
  type TaskView,
} from '../../src/invariants/invariants.ts';
import { SometimesCounters } from '../../src/invariants/sometimes.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { type Role, readConfig } from '../../src/platform/config.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createPool } from '../../src/platform/postgres.ts';
import { AgentProcess } from '../support/agent-process.ts';
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

const SEED = Number(process.env['FAULT_SEED'] ?? Date.now() % 1_000_000);
const KILLS_PER_ROLE = Number(process.env['FAULT_KILLS'] ?? 2);
const EXECUTIONS = Number(process.env['FAULT_EXECUTIONS'] ?? 300);
const ROLES = ['api', 'dispatcher', 'assigner', 'projector', 'processes'] as const satisfies readonly Role[];
const CLIENTS = 8;
/** From the last kill until everything must have ended; much of it is for a busy machine. */
const SETTLE_MS = 120_000;

const fleet = new FaultFleet(seeded(SEED));
const logger = createLogger('error');

const calls: ClientCall[] = [];
const sometimes = new SometimesCounters([
  'queue flushed with tasks open',
  'a client repeated a call whose answer was lost',
  'a call was refused',
  'a key was used again with another body',
  'execution completed',
  'execution compensated',
  'sub-workflow joined',
  'delay ended',
  'assigner fenced by another',
] as const);

const STEP = { capability: 'work', timeoutMs: 4_000, retry: { baseMs: 50, maxDelayMs: 500, maxAttempts: 30 } };
const UNDO = { compensation: { capability: 'work', input: null, timeoutMs: 4_000, retry: STEP.retry } };
const agentStep = (id: string, dependsOn: readonly string[] = [], facts: object = {}) => ({
  id,
  dependsOn,
  input: null,
  ...STEP,
  ...facts,
});
const HOPELESS = { input: { fails: true }, retry: { kind: 'immediate', maxAttempts: 2 } };

/** What is run, and how often out of 100. */
const WORKFLOWS: readonly (readonly [share: number, name: string, tasks: readonly object[]])[] = [
  [30, 'chain', [agentStep('a'), agentStep('b', ['a']), agentStep('c', ['b'])]],
  [15, 'diamond', [agentStep('a'), agentStep('b', ['a']), agentStep('c', ['a']), agentStep('d', ['b', 'c'])]],
  [
    20,
    'saga',
    [
      agentStep('a', [], UNDO),
      agentStep('b', ['a'], UNDO),
      agentStep('c', ['a'], UNDO),
      agentStep('d', ['b', 'c'], HOPELESS),
    ],
  ],
  [15, 'each', [agentStep('a', [], { forEach: { items: '[1, 2, 3]' } })]],
  [10, 'nap', [agentStep('a'), { id: 'nap', dependsOn: ['a'], delayMs: 1_000 }, agentStep('b', ['nap'])]],
  [10, 'nest', [agentStep('a'), { id: 'sub', dependsOn: ['a'], input: null, workflow: { name: 'chain' } }]],
];

let stack: EmbeddedProcess;
let dataDir: string;
let database: pg.Pool;
let redis: Redis;
let log: LogTail;
const agents: AgentProcess[] = [];

const REGISTER = 'mutation ($input: RegisterAgentInput!) { registerAgent(input: $input) { __typename } }';
const PUBLISH = 'mutation ($definition: JSON!) { publishWorkflow(definition: $definition) { __typename } }';
const START = `mutation ($key: String!, $input: StartExecutionInput!) {
  startExecution(idempotencyKey: $key, input: $input) {
    __typename ... on ExecutionAccepted { executionId position repeated }
  }
}`;
const STATUS = 'query ($id: ID!) { execution(id: $id) { status } }';

/** One call, noted as its client saw it. Undefined: no answer, or one that leaves the outcome open. */
const start = async (key: string, input: object, patienceMs = PATIENCE_MS): Promise<'ok' | 'fail' | undefined> => {
  const scope = 'StartExecution';
  const commandId = commandIdOf('default', scope, key);
  const call = { tenant: 'default', scope, idempotencyKey: key, commandId, body: JSON.stringify(input) };
  let answer: Answer | undefined;
  try {
    answer = await fleet.graphql(START, { key, input }, patienceMs);
  } catch {
    // the process was killed, or none was up
  }
  const accepted = answer?.data?.['startExecution'];
  if (accepted?.['__typename'] === 'ExecutionAccepted') {
    const { executionId, position, repeated } = accepted;
    if (repeated) sometimes.hit('a client repeated a call whose answer was lost');
    calls.push({
      ...call,
      outcome: 'ok',
      executionId: String(executionId),
      position: BigInt(String(position)),
    });
    return 'ok';
  }
  const open = answer === undefined || leavesOutcomeOpen(answer);
  calls.push({ ...call, outcome: open ? 'unknown' : 'fail' });
  return open ? undefined : 'fail';
};

const untilAnswered = async (key: string, input: object): Promise<'ok' | 'fail'> => {
  for (;;) {
    // Some do not wait for the answer, which may be on its way.
    const outcome = await start(key, input, fleet.random() < 0.05 ? fleet.between(5, 60) : PATIENCE_MS);
    if (outcome) return outcome;
    await sleep(fleet.between(20, 200));
  }
};

const workflowOf = (dice: number): string => {
  let left = dice * 100;
  for (const [share, name] of WORKFLOWS) {
    left -= share;
    if (left < 0) return name;
  }
  throw new Error('the shares do not add up to 100');
};

let started = 0;

/** Half of all at once, the rest as the faults go on, so that each of them meets work under way. */
const mayStart = (): boolean => started < EXECUTIONS * (1 - victims.length / KILLS / 2);

const client = async (index: number): Promise<void> => {
  while (started < EXECUTIONS) {
    if (!mayStart()) {
      await sleep(100);
      continue;
    }
    const key = `client-${index}-${started++}`;
    const input = { workflow: workflowOf(fleet.random()), input: { key } };
    if ((await untilAnswered(key, input)) === 'fail') throw new Error(`a good start was refused: ${key}`);
    if (fleet.random() < 0.05 && (await untilAnswered(key, { ...input, tags: ['other'] })) === 'fail')
      sometimes.hit('a key was used again with another body');
    if (fleet.random() < 0.05 && (await untilAnswered(`${key}-bad`, { workflow: 'ghost' })) === 'fail')
      sometimes.hit('a call was refused');
  }
};

/** Roles to be killed, in an order that the seed gives. */
const victims: Role[] = ROLES.flatMap((role) => Array.from({ length: KILLS_PER_ROLE }, () => role))
  .map((role) => ({ role, place: fleet.random() }))
  .sort((a, b) => a.place - b.place)
  .map(({ role }) => role);
const KILLS = victims.length;

/** Kills processes at random moments and starts each again. Two of these are at it: more, and nobody would be left to do any work. */
const killer = async (): Promise<void> => {
  for (let role = victims.pop(); role !== undefined; role = victims.pop()) {
    await sleep(fleet.between(300, 2_500));
    const victim = fleet.victim(role);
    if (!victim) {
      victims.unshift(role); // both are being killed right now
      continue;
    }
    await victim.kill();
    await victim.start();
  }
};

const flusher = async (): Promise<void> => {
  await sleep(fleet.between(4_000, 12_000));
  await log.catchUp();
  sometimes.hit('queue flushed with tasks open', log.openTasks);
  await redis.flushall();
};

const TASK_ENDS = new Set(['TaskCompleted', 'TaskFailed', 'TaskCancelled', 'TaskOutcomeUnknown']);
const ENDS = new Set([
  'ExecutionCompleted',
  'ExecutionFailed',
  'ExecutionCancelled',
  'ExecutionCompensated',
  'ExecutionCompensationFailed',
]);

/** The log as far as it was read, by a client of its own. */
class LogTail {
  readonly events: StoredEvent[] = [];
  readonly ended = new Map<string, string>();
  readonly running = new Set<string>();
  openTasks = 0;
  readonly #store: EventStore;

  constructor(url: string) {
    this.#store = createEsdbEventStore(url, { logger, clock: systemClock });
  }

  async catchUp(): Promise<void> {
    for (;;) {
      const after = this.events.at(-1)?.position;
      const page = await this.#store.readAll({ ...(after === undefined ? {} : { after }), limit: 1_000 });
      for (const event of page.events) this.#take(event);
      if (page.next === undefined || page.events.length === 0) return;
    }
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #take(event: StoredEvent): void {
    const { type, data } = event;
    this.events.push(event);
    if (type === 'TaskSubmitted' || type === 'TaskRedriven') this.openTasks += 1;
    if (TASK_ENDS.has(type)) this.openTasks -= 1;
    const { executionId } = data as { readonly executionId?: string };
    if (executionId === undefined) return;
    if (type === 'ExecutionStarted') this.running.add(executionId);
    if (!ENDS.has(type)) return;
    this.running.delete(executionId);
    this.ended.set(executionId, type);
  }
}

const everyExecutionEnded = async (): Promise<true | string> => {
  await log.catchUp();
  const lost = calls.filter(
    ({ outcome, executionId = '' }) => outcome === 'ok' && !log.ended.has(executionId) && !log.running.has(executionId),
  );
  if (lost.length > 0) return `${lost.length} executions are not in the log, for example ${lost[0]?.executionId}`;
  const { size } = log.running;
  return size === 0 || `${size} executions are open, for example ${[...log.running][0]}`;
};

const views = async (): Promise<[TaskView, ExecutionView]> => {
  const tasks = await readModelAt<{
    tenant: string;
    taskId: string;
    status: string;
    attempt: number;
    failures: number;
  }>(database, 'tasks', 'task_id AS "taskId", status, attempt, failures');
  const { rows, ...executions } = await readModelAt<{
    tenant: string;
    executionId: string;
    status: string;
    debtsOpen: number;
  }>(database, 'executions', 'execution_id AS "executionId", status, debts_open AS "debtsOpen"');
  return [tasks, { ...executions, executions: rows }];
};

/** What the API says of some executions, beside what the log says. */
const disagreements = async (): Promise<string[]> => {
  const different: string[] = [];
  for (const [executionId, type] of [...log.ended].slice(0, 50)) {
    const { data } = await fleet.graphql(STATUS, { id: executionId });
    const status = String(data?.['execution']?.['status']);
    if (`Execution${status}`.replaceAll('_', '').toLowerCase() !== type.toLowerCase())
      different.push(`${executionId} is ${status}, the log says ${type}`);
  }
  return different;
};

const startAgents = async (): Promise<void> => {
  const faults = { silent: 0.003, failing: 0.03, cut: 0.01 };
  for (const agentId of ['agent-a', 'agent-b', 'agent-c']) {
    const agent = await AgentProcess.start(agentId, join(dataDir, `${agentId}.journal`), SEED + agents.length, faults);
    agents.push(agent);
    const input = { agentId, cardUrl: agent.cardUrl, capabilities: [{ name: 'work' }], maxConcurrency: 16 };
    expect(await fleet.graphql(REGISTER, { input })).toMatchObject({
      data: { registerAgent: { __typename: 'AgentAccepted' } },
    });
  }
};

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'baton-executions-'));
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
  for (const role of ROLES) fleet.members.push(new Member(role, 0, env));
  // Of the projector there is one: nothing but reads waits for it.
  for (const role of ['api', 'dispatcher', 'assigner', 'processes'] as const)
    fleet.members.push(new Member(role, 1, env));
  await Promise.all(fleet.members.map((member) => member.start()));
  database = createPool(stack.databaseUrl, 3, logger);
  redis = new Redis(stack.redisUrl, { maxRetriesPerRequest: null });
  log = new LogTail(stack.eventStoreUrl);
  await startAgents();
  for (const [, name, tasks] of WORKFLOWS) {
    const definition = { name, version: '1.0.0', tasks };
    expect(await fleet.graphql(PUBLISH, { definition })).toMatchObject({
      data: { publishWorkflow: { __typename: 'WorkflowAccepted' } },
    });
  }
});

afterAll(async () => {
  await Promise.all(fleet.members.map((member) => member.stop()));
  await Promise.all(agents.map((agent) => agent.stop()));
  await redis?.quit();
  await database?.end();
  await log?.close();
  await stack?.kill('SIGTERM');
  await rm(dataDir, { recursive: true, force: true });
});

describe(`executions in a fleet of processes under faults (FAULT_SEED=${SEED})`, () => {
  it(`${EXECUTIONS} at once all end correctly while every role is killed ${KILLS_PER_ROLE} times`, async () => {
    const startedMs = Date.now();
    const load = Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(index)));
    await Promise.all([load, killer(), killer(), flusher()]);
    const faultsMs = Date.now() - startedMs;
    await log.catchUp();
    const openAfterFaults = log.running.size;
    await until('the end of every execution', SETTLE_MS, everyExecutionEnded);
    const settledMs = Date.now() - startedMs;
    await until('read models that hold the whole log', 60_000, () =>
      caughtUp(database, log.events.at(-1)?.position ?? 0n),
    );

    const journals = (await Promise.all(agents.map((agent) => agent.calls('default')))).flat();
    const report = checkInvariants(
      { log: log.events, calls, journals, views: await views(), sometimes },
      { minCompleted: EXECUTIONS },
    );
    const { kills } = fleet;
    const figures = { seed: SEED, kills, faultsMs, settledMs, openAfterFaults };
    console.log(JSON.stringify({ ...figures, ...report.counts, ...sometimes.counts, ...report.seen }));
    expect(report.violations).toEqual([]);
    expect(await disagreements()).toEqual([]);
    expect(kills).toBe(KILLS);
    expect(report.counts.executions).toBeGreaterThanOrEqual(EXECUTIONS);
    expect(report.counts.executionsFailed + report.counts.compensationsFailed).toBe(0);
  });
});
