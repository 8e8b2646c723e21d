import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Commands } from '../../src/commands/context.ts';
import { cancelExecution } from '../../src/commands/execution/cancel-execution.ts';
import { forkExecution } from '../../src/commands/execution/fork-execution.ts';
import { migrateExecutions } from '../../src/commands/execution/migrate-executions.ts';
import { pauseExecution } from '../../src/commands/execution/pause-execution.ts';
import {
  handOverCompensation,
  retryCompensation,
  skipCompensation,
} from '../../src/commands/execution/resolve-compensation.ts';
import { resumeExecution } from '../../src/commands/execution/resume-execution.ts';
import { retryExecution } from '../../src/commands/execution/retry-execution.ts';
import { signalExecution } from '../../src/commands/execution/signal-execution.ts';
import { skipStep } from '../../src/commands/execution/skip-step.ts';
import { archiveWorkflow, deprecateWorkflow } from '../../src/commands/workflow/retire-workflow.ts';
import { migrate } from '../../src/platform/migrate.ts';
import { countDeadLetters } from '../../src/projections/dead-letters/queries.ts';
import {
  countCompensations,
  countParkedCompensations,
  getCompensations,
  listCompensations,
} from '../../src/projections/executions/compensations.ts';
import {
  countExecutions,
  getExecutionPayloads,
  getExecutions,
  listExecutions,
  liveExecutionIds,
} from '../../src/projections/executions/queries.ts';
import type { ExecutionRow } from '../../src/projections/executions/table.ts';
import { projectors } from '../../src/projections/registry.ts';
import { getTaskStats } from '../../src/projections/task-stats/queries.ts';
import { countTasks, getTask } from '../../src/projections/tasks/queries.ts';
import {
  countWorkflowVersions,
  getWorkflowVersions,
  listWorkflowVersions,
} from '../../src/projections/workflows/queries.ts';
import { commandsOver, fakeClock } from '../support/fake-ports.ts';
import { at, event, newTaskId, quiet, TENANT, World } from '../support/projections-support.ts';
import { accepted, BROKEN, TRIP, workingFor } from '../support/saga.ts';

const caller = { tenant: TENANT, actor: 'tester' };
/** A single attempt. */
const ONCE = { kind: 'immediate', maxAttempts: 1 } as const;

let world: World;
let commands: Commands;
let work: ReturnType<typeof workingFor>;
beforeEach(async () => {
  world = await World.create();
  commands = commandsOver(world.store, { clock: fakeClock(Date.parse(at(0)), 'immediate') });
  work = workingFor(commands);
});
afterEach(() => world.close());

/** Brings all projections up to date, and checks that one event per batch gives the same rows. */
const project = async (): Promise<void> => {
  await world.project();
  const atOnce = await world.rows();
  await world.reset();
  await world.project({ maxBatch: 1 });
  expect(await world.rows()).toEqual(atOnce);
};

const rowOf = async (executionId: string): Promise<ExecutionRow> => {
  await project();
  const { value } = await getExecutions(world.pool, TENANT, [executionId]);
  return value[0]!;
};

const debtsOf = async (executionId: string) => {
  const { value } = await getCompensations(world.pool, TENANT, [executionId]);
  return Object.fromEntries(value.map((debt) => [debt.unit, debt]));
};

const nodes = <Row>({ edges }: { edges: readonly { node: Row }[] }): Row[] => edges.map(({ node }) => node);
const failing = (definition: object, overrides: object) => ({ ...definition, ...overrides });

describe('versions of workflows', () => {
  it('are as their last event left them', async () => {
    await work.publish(TRIP);
    await work.publish({ ...TRIP, version: '2.0.0' });
    await work.publish({ ...TRIP, name: 'other', tags: [], description: undefined });
    accepted(await deprecateWorkflow(commands, caller, 'trip', { version: '1.0.0', reason: 'old' }));
    accepted(await archiveWorkflow(commands, caller, 'other', { version: '1.0.0' }));
    await project();
    const { value } = await getWorkflowVersions(world.pool, TENANT, ['trip', 'none']);
    expect(value.map(({ version, status, reason }) => ({ version, status, reason }))).toEqual([
      { version: '2.0.0', status: 'published', reason: null },
      { version: '1.0.0', status: 'deprecated', reason: 'old' },
    ]);
    expect(value[1]).toMatchObject({
      name: 'trip',
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      pattern: 'saga',
      description: 'books a trip',
      tags: ['travel'],
      tasks: 3,
      definition: { name: 'trip', tasks: [{ id: 'flight' }, { id: 'hotel' }, { id: 'mail' }] },
      publishedAt: at(0),
      retiredAt: expect.any(String),
      actor: 'author',
    });
  });

  it('are found by name, status, pattern, tag and text', async () => {
    await work.publish(TRIP);
    await work.publish({ ...TRIP, name: 'plain', pattern: 'custom', tags: [], description: 'nothing special' });
    await project();
    const found = async (filter: Parameters<typeof listWorkflowVersions>[2]) => {
      const page = await listWorkflowVersions(world.pool, TENANT, filter, { first: 10 });
      expect((await countWorkflowVersions(world.pool, TENANT, filter)).value).toBe(BigInt(page.edges.length));
      return nodes(page).map(({ name }) => name);
    };
    expect(await found({})).toEqual(['plain', 'trip']);
    expect(await found({ name: 'trip' })).toEqual(['trip']);
    expect(await found({ statuses: ['archived'] })).toEqual([]);
    expect(await found({ pattern: 'custom' })).toEqual(['plain']);
    expect(await found({ tags: ['travel'] })).toEqual(['trip']);
    expect(await found({ text: 'SPECIAL' })).toEqual(['plain']);
  });
});

describe('an execution', () => {
  it('has a row that follows its progress', async () => {
    await work.publish(TRIP);
    const id = await work.start({ workflow: 'trip', input: { to: 'Rome' }, tags: ['a'] });
    await work.complete(id, 'flight');
    expect(await rowOf(id)).toMatchObject({
      workflow: 'trip',
      version: '1.0.0',
      status: 'executing',
      tags: ['a'],
      startedAt: at(0),
      endedAt: null,
      deadlineAt: null,
      stepsTotal: 3,
      stepsCompleted: 1,
      stepsFailed: 0,
      stepsSkipped: 0,
      durationMs: null,
      compensationStrategy: null,
      debtsOpen: 0,
      undos: null,
      actor: 'starter',
      parentExecutionId: null,
      forkedFrom: null,
    });
    await work.complete(id, 'hotel');
    await work.complete(id, 'mail', 'sent');
    const row = await rowOf(id);
    expect(row).toMatchObject({ status: 'completed', stepsCompleted: 3, error: null });
    expect(row.agentMs! + row.waitMs! + row.overheadMs!).toBe(row.durationMs);
    const payload = async (kind: 'input' | 'output') =>
      (await getExecutionPayloads(world.pool, TENANT, kind, [id])).value.get(id);
    expect(await payload('input')).toEqual({ to: 'Rome' });
    expect(await payload('output')).toEqual({ mail: 'sent' });
  });

  it('shows that it is paused, and the phase that it returns to', async () => {
    await work.publish(TRIP);
    const id = await work.start({ workflow: 'trip' });
    accepted(await pauseExecution(commands, caller, id, { reason: 'audit' }));
    expect(await rowOf(id)).toMatchObject({ status: 'paused', phase: 'executing', pauseReason: 'audit' });
    accepted(await resumeExecution(commands, caller, id));
    expect(await rowOf(id)).toMatchObject({ status: 'executing', pausedAt: null, pauseReason: null });
    accepted(await cancelExecution(commands, caller, id, { reason: 'enough' }));
    expect(await rowOf(id)).toMatchObject({ abortReason: 'cancelled', cancelReason: 'enough' });
  });

  it('counts items of a list, waits and skipped steps', async () => {
    await work.publish({
      name: 'mixed',
      version: '1.0.0',
      tasks: [
        { id: 'each', capability: 'c', forEach: { items: 'input.list' } },
        { id: 'none', capability: 'c', forEach: { items: 'input.empty' } },
        { id: 'approval', waitFor: { kind: 'event', name: 'go' } },
        { id: 'never', capability: 'c', when: 'false' },
        { id: 'last', capability: 'c', dependsOn: ['each', 'approval'], onFailure: 'continue', retry: ONCE },
      ],
    });
    const id = await work.start({ workflow: 'mixed', input: { list: [1, 2, 3], empty: [] } });
    await work.complete(id, 'each[1]');
    expect(await rowOf(id)).toMatchObject({ stepsTotal: 7, stepsCompleted: 2, stepsSkipped: 1, itemsExtra: 2 });
    await work.complete(id, 'each[0]');
    await work.complete(id, 'each[2]');
    accepted(await signalExecution(commands, caller, id, { name: 'go' }));
    await work.fail(id, 'last');
    expect(await rowOf(id)).toMatchObject({
      status: 'completed',
      stepsTotal: 7,
      stepsCompleted: 5,
      stepsSkipped: 1,
      stepsFailed: 1,
    });
  });

  it('fails with its error, and continues when it is retried', async () => {
    await work.publish({
      name: 'plain',
      version: '1.0.0',
      tasks: [
        { id: 'a', capability: 'c', retry: ONCE },
        { id: 'b', capability: 'c', dependsOn: ['a'] },
      ],
    });
    const id = await work.start({ workflow: 'plain' });
    await work.fail(id, 'a');
    expect(await rowOf(id)).toMatchObject({
      status: 'failed',
      abortReason: 'step_failed',
      error: { code: 'BOOM' },
      stepsFailed: 1,
      durationMs: expect.any(Number),
    });
    accepted(await retryExecution(commands, caller, id));
    expect(await rowOf(id)).toMatchObject({ status: 'executing', abortReason: null, error: null, stepsFailed: 0 });
    await work.complete(id, 'a', null, 2);
    await work.complete(id, 'b');
    expect(await rowOf(id)).toMatchObject({ status: 'completed', stepsCompleted: 2, stepsFailed: 0 });
  });

  it('shows its origin, and the version under which it continues', async () => {
    await work.publish(TRIP);
    const id = await work.start({ workflow: 'trip' });
    await work.complete(id, 'flight');
    const fork = accepted(await forkExecution(commands, world.store, caller, id)).id;
    expect(await rowOf(fork)).toMatchObject({ forkedFrom: id, forkedRevision: expect.any(Number), stepsCompleted: 1 });
    const more = [...TRIP.tasks, { id: 'car', capability: 'book', dependsOn: ['mail'] }];
    await work.publish({ ...TRIP, version: '1.1.0', tasks: more });
    await migrateExecutions(commands, caller, 'trip', { executionIds: [fork], version: '1.1.0' });
    expect(await rowOf(fork)).toMatchObject({ version: '1.1.0', stepsTotal: 4 });
  });
});

describe('an execution that compensates', () => {
  const saga = failing(TRIP, {
    tasks: [
      { ...TRIP.tasks[0], compensation: { role: 'canceller', retry: ONCE } },
      { ...TRIP.tasks[1], compensation: { role: 'canceller', retry: ONCE } },
      { ...TRIP.tasks[2], retry: ONCE },
    ],
  });
  const aborted = async (): Promise<string> => {
    await work.publish(saga);
    const id = await work.start({ workflow: 'trip' });
    await work.complete(id, 'flight');
    await work.complete(id, 'hotel');
    await work.fail(id, 'mail');
    return id;
  };

  it('has open compensations, and completes them one by one', async () => {
    const id = await aborted();
    const row = await rowOf(id);
    expect(row).toMatchObject({
      status: 'compensating',
      abortReason: 'step_failed',
      compensationStrategy: 'backward',
      stepsCompleted: 2,
      stepsFailed: 1,
      debtsOpen: 2,
      debtsParked: 0,
    });
    expect(await debtsOf(id)).toMatchObject({
      hotel: { status: 'running', taskId: await work.taskIdOf(id, '~hotel'), workflow: 'trip', strategy: 'backward' },
      flight: { status: 'owed', taskId: null, closedAt: null, position: row.compensationPosition },
    });
    await work.complete(id, '~hotel');
    expect(await rowOf(id)).toMatchObject({ debtsOpen: 1, stepsCompleted: 2 });
    expect((await debtsOf(id))['hotel']).toMatchObject({ status: 'completed', closedAt: expect.any(String) });
    await work.complete(id, '~flight');
    expect(await rowOf(id)).toMatchObject({ status: 'compensated', debtsOpen: 0, endedAt: expect.any(String) });
  });

  it('waits for a person when a compensation has failed permanently', async () => {
    const id = await aborted();
    await work.fail(id, '~hotel');
    expect(await rowOf(id)).toMatchObject({ status: 'compensation_failed', debtsOpen: 2, debtsParked: 1 });
    expect((await debtsOf(id))['hotel']).toMatchObject({
      status: 'parked',
      error: { code: 'BOOM' },
      parkedAt: expect.any(String),
    });
    expect(await countParkedCompensations(world.pool)).toBe(1);

    accepted(await handOverCompensation(commands, caller, id, { unit: 'hotel', to: 'Kim', note: 'call them' }));
    await project();
    expect((await debtsOf(id))['hotel']).toMatchObject({
      status: 'handed_over',
      handedOverTo: 'Kim',
      note: 'call them',
    });
    expect(await countParkedCompensations(world.pool)).toBe(1);

    accepted(await retryCompensation(commands, caller, id, { unit: 'hotel' }));
    expect(await rowOf(id)).toMatchObject({ status: 'compensating', debtsOpen: 2, debtsParked: 0 });
    expect((await debtsOf(id))['hotel']?.status).toBe('running');
    await work.fail(id, '~hotel', BROKEN, 2);
    accepted(await skipCompensation(commands, caller, id, { unit: 'hotel', reason: 'done by hand' }));
    await work.complete(id, '~flight');
    expect(await rowOf(id)).toMatchObject({ status: 'compensated', debtsOpen: 0, debtsParked: 0 });
    expect(await debtsOf(id)).toMatchObject({
      hotel: { status: 'skipped', reason: 'done by hand' },
      flight: { status: 'completed' },
    });
  });

  it('is in the list of compensations of all executions', async () => {
    const id = await aborted();
    await work.fail(id, '~hotel');
    await project();
    const found = async (filter: Parameters<typeof listCompensations>[2]) => {
      const page = await listCompensations(world.pool, TENANT, filter, { first: 10 });
      expect((await countCompensations(world.pool, TENANT, filter)).value).toBe(BigInt(page.edges.length));
      return nodes(page).map(({ unit }) => unit);
    };
    expect(await found({})).toEqual(['hotel', 'flight']);
    expect(await found({ statuses: ['parked'], errorCode: 'BOOM', workflow: 'trip', executionId: id })).toEqual([
      'hotel',
    ]);
    expect(await found({ executionId: 'nope' })).toEqual([]);
    expect(await found({ handedOverTo: 'Kim' })).toEqual([]);
    const [first] = (await listCompensations(world.pool, TENANT, {}, { first: 1 })).edges;
    expect(nodes(await listCompensations(world.pool, TENANT, {}, { first: 1, after: first!.cursor }))[0]?.unit).toBe(
      'flight',
    );
  });

  it('leaves no dead letters: its failed tasks count as failed', async () => {
    const id = await aborted();
    await project();
    const taskId = await work.taskIdOf(id, 'mail');
    expect((await getTask(world.pool, TENANT, taskId)).value).toMatchObject({
      status: 'failed',
      executionId: id,
      unit: 'mail',
      endedAt: expect.any(String),
      error: { code: 'BOOM' },
    });
    expect((await countDeadLetters(world.pool, TENANT)).value).toBe(0n);
    const { totals } = (await getTaskStats(world.pool, TENANT, { from: at(0), to: at(600), stepMinutes: 10 })).value;
    expect(totals).toMatchObject({ submitted: 4, completed: 2, failed: 1, deadLettered: 0 });
    expect((await countTasks(world.pool, TENANT, { executionId: id })).value).toBe(4n);
    expect((await countTasks(world.pool, TENANT, { executionId: 'nope' })).value).toBe(0n);
  });
});

describe('a list of executions', () => {
  it('is filtered by status, workflow, version, tag, parent, fork, text and time', async () => {
    await work.publish(TRIP);
    await work.publish({ name: 'outer', version: '1.0.0', tasks: [{ id: 'inner', workflow: { name: 'trip' } }] });
    const trip = await work.start({ workflow: 'trip', tags: ['red', 'blue'] });
    const outer = await work.start({ workflow: 'outer' });
    accepted(await skipStep(commands, caller, trip, { step: 'mail', reason: 'no mail' }));
    const fork = accepted(await forkExecution(commands, world.store, caller, trip)).id;
    await project();
    const found = async (filter: Parameters<typeof listExecutions>[2]) => {
      const page = await listExecutions(world.pool, TENANT, filter, { first: 10 });
      expect((await countExecutions(world.pool, TENANT, filter)).value).toBe(BigInt(page.edges.length));
      return nodes(page).map(({ executionId }) => executionId);
    };
    expect(await found({})).toEqual([fork, outer, trip]);
    expect(await found({ statuses: ['executing'], workflow: 'trip', version: '1.0.0' })).toEqual([fork, trip]);
    expect(await found({ tags: ['blue', 'red'], text: 'TRIP' })).toEqual([fork, trip]);
    expect(await found({ forkedFrom: trip })).toEqual([fork]);
    expect(await found({ parentExecutionId: outer })).toEqual([]);
    expect(await found({ parentExecutionId: "' OR 1=1 --" })).toEqual([]);
    expect(await found({ startedFrom: at(0), startedTo: at(0) })).toEqual([]);
    expect((await liveExecutionIds(world.pool, TENANT, { workflow: 'trip' }, 10)).value).toEqual([trip, fork]);
    expect((await liveExecutionIds(world.pool, TENANT, { workflow: 'trip' }, 1)).value).toEqual([trip]);
    expect((await liveExecutionIds(world.pool, TENANT, { workflow: 'trip', version: '9' }, 10)).value).toEqual([]);
  });
});

describe('a database from before executions existed', () => {
  it('is migrated with its rows, and its tasks are rebuilt', async () => {
    const id = newTaskId();
    const directory = await mkdtemp(join(tmpdir(), 'baton-migrations-'));
    try {
      const all = fileURLToPath(new URL('../../migrations', import.meta.url));
      await cp(all, directory, { recursive: true, filter: (path) => !/\/000[4-9]_/.test(path) });
      await world.pool.query('DROP SCHEMA baton CASCADE; DROP TABLE public.schema_migrations');
      for (const { name, version } of projectors) await world.pool.query(`DROP SCHEMA rm_${name}_v${version} CASCADE`);
      await migrate(world.url, quiet, directory);
    } finally {
      await rm(directory, { recursive: true });
    }
    const head = await world.append(event.submitted(id), event.registered('a1'));
    await world.pool.query('UPDATE baton.checkpoints SET position = $1, events = 2', [head]);
    await migrate(world.url, quiet);
    await expect(countTasks(world.pool, TENANT)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(countExecutions(world.pool, TENANT)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await world.project();
    expect((await getTask(world.pool, TENANT, id)).value).toMatchObject({ status: 'ready', executionId: null });
    expect((await countExecutions(world.pool, TENANT)).value).toBe(0n);
    const { rows } = await world.pool.query("SELECT nspname FROM pg_namespace WHERE nspname = 'rm_tasks_v1'");
    expect(rows).toEqual([]);
  });
});
