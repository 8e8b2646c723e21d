import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { STATE_NAMES, type StateName, stateOf, type Vocabulary } from '../../src/domain/agent/vocabularies.ts';
import { countOpenTasks, factsOfAgent, getAgent, listAgents } from '../../src/projections/agents/queries.ts';
import { getAssignments, listAssignments } from '../../src/projections/assignments/queries.ts';
import { listAuditLog } from '../../src/projections/audit-log/queries.ts';
import { getRests } from '../../src/projections/task-attempts/queries.ts';
import { getTaskStats } from '../../src/projections/task-stats/queries.ts';
import { at, event, newTaskId, TENANT, World } from '../support/projections-support.ts';

let world: World;
beforeEach(async () => {
  world = await World.create();
});
afterEach(() => world.close());

const nodes = <Row>({ edges }: { edges: readonly { node: Row }[] }): Row[] => edges.map(({ node }) => node);

describe('agents', () => {
  it('are as their last event left them', async () => {
    await world.append(
      event.registered('a1', {
        description: 'reads',
        capabilities: [{ name: 'read', version: '1.2.0' }],
        transport: { kind: 'a2a', cardUrl: 'https://a.example/card', card: { name: 'A' } },
        labels: { zone: 'eu' },
        costPerCall: { currency: 'EUR', micros: 100 },
        version: '2.1.0',
        serviceTypes: ['reporting'],
        tags: ['gpu'],
        location: { region: 'eu', zone: 'b' },
        weight: 1.5,
        sla: { p95Ms: 900 },
      }),
      {
        type: 'AgentHealthChanged',
        data: { agentId: 'a1', pool: 'default', from: 'healthy', to: 'degraded', reason: 'slow', changedAt: at(1) },
      },
      {
        type: 'AgentDrainStarted',
        data: { agentId: 'a1', pool: 'default', reason: 'upgrade', limitMs: 1_000, startedAt: at(2) },
      },
    );
    await world.project();
    const { value, position } = await getAgent(world.pool, TENANT, 'a1');
    expect(position).toBe(48n);
    expect(value).toEqual({
      tenant: TENANT,
      agentId: 'a1',
      pool: 'default',
      name: 'Agent a1',
      description: 'reads',
      capabilities: [{ name: 'read', version: '1.2.0' }],
      capabilityNames: ['read'],
      transport: 'a2a',
      cardUrl: 'https://a.example/card',
      card: { name: 'A' },
      maxConcurrency: 4,
      delivery: 'at_least_once',
      heartbeatIntervalMs: null,
      costPerCall: { currency: 'EUR', micros: 100 },
      labels: { zone: 'eu' },
      version: '2.1.0',
      serviceTypes: ['reporting'],
      tags: ['gpu'],
      location: { region: 'eu', zone: 'b' },
      weight: 1.5,
      costFactor: null,
      sla: { p95Ms: 900 },
      constraints: null,
      status: 'draining',
      health: 'degraded',
      healthReason: 'slow',
      healthChangedAt: at(1),
      statusReason: 'upgrade',
      registeredAt: at(0),
      updatedAt: at(2),
      drainStartedAt: at(2),
      drainsUntil: at(3),
      warmUpMs: null,
      maintenanceStartedAt: null,
      maintenanceReason: null,
      silentSince: null,
      standby: false,
      deregisteredAt: null,
      position: 16n,
      updatedPosition: 48n,
    });
    await world.append({
      type: 'AgentDrainEnded',
      data: { agentId: 'a1', pool: 'default', reason: 'upgraded', endedAt: at(3) },
    });
    await world.project();
    expect((await getAgent(world.pool, TENANT, 'a1')).value).toMatchObject({
      status: 'active',
      statusReason: 'upgraded',
      drainStartedAt: null,
      health: 'degraded',
    });
  });

  it('start afresh when they register again', async () => {
    await world.append(
      event.registered('a1'),
      { type: 'AgentDeregistered', data: { agentId: 'a1', pool: 'default', deregisteredAt: at(1) } },
      event.registered('a1', { registeredAt: at(2), maxConcurrency: 9 }),
    );
    await world.project();
    expect((await getAgent(world.pool, TENANT, 'a1')).value).toMatchObject({
      status: 'active',
      maxConcurrency: 9,
      registeredAt: at(2),
      deregisteredAt: null,
      position: 48n,
    });
  });

  it('warm up, and stay under maintenance when they register again', async () => {
    const subject = { agentId: 'a1', pool: 'default' };
    const expectAgent = async (facts: object) => {
      await world.project();
      expect((await getAgent(world.pool, TENANT, 'a1')).value).toMatchObject(facts);
    };
    await world.append(event.registered('a1', { warmUpMs: 5_000 }), {
      type: 'AgentMaintenanceStarted',
      data: { ...subject, reason: 'disks', startedAt: at(1) },
    });
    await expectAgent({ status: 'warming', warmUpMs: 5_000, maintenanceStartedAt: at(1), maintenanceReason: 'disks' });
    await world.append(
      { type: 'AgentDeregistered', data: { ...subject, deregisteredAt: at(2) } },
      event.registered('a1', { warmUpMs: 5_000, registeredAt: at(3), maintenance: true } as object),
      { type: 'AgentWarmUpEnded', data: { ...subject, by: 'agent', endedAt: at(4) } },
    );
    await expectAgent({ status: 'active', maintenanceStartedAt: at(1), maintenanceReason: 'disks', updatedAt: at(4) });
    const silent = { from: 'healthy', to: 'unhealthy', reason: 'silent', callsLost: true } as const;
    await world.append(
      { type: 'AgentMaintenanceEnded', data: { ...subject, endedAt: at(5) } },
      { type: 'AgentHealthChanged', data: { ...subject, ...silent, changedAt: at(6) } },
    );
    await expectAgent({ maintenanceStartedAt: null, maintenanceReason: null, silentSince: at(6) });
  });

  it('are found by capability, label, status, health and text', async () => {
    await world.append(
      event.registered('a1', { capabilities: [{ name: 'read', version: '1.0.0' }], labels: { zone: 'eu', tier: '1' } }),
      event.registered('a2', { capabilities: [{ name: 'write', version: '1.0.0' }], description: '100% sure' }),
    );
    await world.project();
    const found = async (filter: Parameters<typeof listAgents>[2]) =>
      nodes(await listAgents(world.pool, TENANT, filter, { first: 10 })).map(({ agentId }) => agentId);
    expect(await found({})).toEqual(['a2', 'a1']);
    expect(await found({ capability: 'read' })).toEqual(['a1']);
    expect(await found({ labels: { zone: 'eu' } })).toEqual(['a1']);
    expect(await found({ text: '0% S' })).toEqual(['a2']);
    expect(await found({ text: '0_ s' })).toEqual([]);
    expect(await found({ statuses: ['draining'] })).toEqual([]);
    expect(await found({ healths: ['healthy'], pool: 'default' })).toEqual(['a2', 'a1']);
  });

  it('are found by their state in the words of other systems', async () => {
    const [one, two] = [newTaskId(), newTaskId()];
    const agents = ['ready', 'full', 'some', 'kept', 'gone'];
    await world.append(
      ...agents.map((id) => event.registered(id, { maxConcurrency: id === 'full' ? 1 : 4 })),
      event.registered('reserve', { standby: true }),
      event.registered('cold', { warmUpMs: 5_000 }),
      { type: 'AgentMaintenanceStarted', data: { agentId: 'kept', pool: 'default', startedAt: at(1) } },
      { type: 'AgentDeregistered', data: { agentId: 'gone', pool: 'default', deregisteredAt: at(1) } },
      ...[one, two].map((id) => event.submitted(id)),
      event.assigned([
        { taskId: one, agentId: 'full' },
        { taskId: two, agentId: 'some' },
      ]),
    );
    await world.project();
    const page = await listAgents(world.pool, TENANT, {}, { first: 10 });
    const rows = nodes(page);
    const open = (id: string): number => (['full', 'some'].includes(id) ? 1 : 0);
    for (const state of STATE_NAMES) {
      const [vocabulary, name] = state.split(':') as [Vocabulary, string];
      const found = nodes(await listAgents(world.pool, TENANT, { states: [state] }, { first: 10 }));
      const expected = rows.filter((row) => stateOf(vocabulary, factsOfAgent(row, open(row.agentId))) === name);
      expect(found, state).toEqual(expected);
    }
    const ids = async (...states: StateName[]) =>
      nodes(await listAgents(world.pool, TENANT, { states }, { first: 10 })).map(({ agentId }) => agentId);
    expect(await ids('lifecycle:busy')).toEqual(['some', 'full']);
    expect(await ids('registry:maintenance', 'orchestrator:busy')).toEqual(['kept', 'full']);
    expect(await ids('high_concurrency:ready')).toEqual(['reserve']);
  });

  it('are counted with the tasks they hold', async () => {
    const [one, two, three] = [newTaskId(), newTaskId(), newTaskId()];
    await world.append(
      ...[one, two, three].map((id) => event.submitted(id)),
      event.assigned([{ taskId: one }, { taskId: two }, { taskId: three, agentId: 'agent-2' }]),
      event.completed(two),
    );
    await world.project();
    const { value } = await countOpenTasks(world.pool, TENANT, ['agent-1', 'agent-2', 'agent-3']);
    expect([...value].sort()).toEqual([
      ['agent-1', 1],
      ['agent-2', 1],
    ]);
  });
});

it('agents rest that could not be reached since they last answered', async () => {
  const [one, two, three, four] = [newTaskId(), newTaskId(), newTaskId(), newTaskId()];
  const error = { code: 'AGENT_UNREACHABLE', message: 'ECONNREFUSED', source: 'destination', retryable: true } as const;
  const missed = (taskId: string, agentId: string, second: number) =>
    event.failed(taskId, { agentId, error: { ...error, notSent: true }, failedAt: at(second), retryAt: at(second) });
  await world.append(
    ...[one, two, three, four].map((id) => event.submitted(id)),
    event.assigned([
      { taskId: one },
      { taskId: two, agentId: 'agent-2' },
      { taskId: three, agentId: 'agent-2' },
      { taskId: four, agentId: 'agent-2' },
    ]),
    missed(one, 'agent-1', 10),
    event.assigned([{ taskId: one, attempt: 2 }]),
    event.completed(one, { attempt: 2 }),
    missed(two, 'agent-2', 10),
    missed(three, 'agent-2', 10),
    missed(four, 'agent-2', 12),
  );
  await world.project();
  const { value } = await getRests(world.pool, TENANT, ['agent-1', 'agent-2', 'agent-3']);
  expect([...value.keys()]).toEqual(['agent-2']);
  expect(value.get('agent-2')).toMatchObject({ misses: 2, sinceMs: Date.parse(at(10)), error: 'ECONNREFUSED' });
});

describe('assignments', () => {
  it('keep every decision with its reason, even for a task that had ended', async () => {
    const [one, two] = [newTaskId(), newTaskId()];
    await world.append(
      event.submitted(one),
      event.cancelled(one),
      event.assigned([{ taskId: one }, { taskId: two, agentId: 'agent-2' }]),
    );
    await world.project();
    const { value } = await getAssignments(world.pool, TENANT, [one]);
    expect(value).toMatchObject([
      {
        taskId: one,
        attempt: 1,
        agentId: 'agent-1',
        pool: 'default',
        waitedMs: 5,
        strategy: 'least_loaded',
        reason: { eligible: 1 },
        position: 48n,
      },
    ]);
    const ofAgent = await listAssignments(world.pool, TENANT, { agentId: 'agent-2' }, { first: 5 });
    expect(nodes(ofAgent).map(({ taskId }) => taskId)).toEqual([two]);
  });
});

describe('the audit log', () => {
  it('has a row for every event, even of a type that this build does not know', async () => {
    const id = newTaskId();
    await world.append(event.submitted(id));
    const [known] = await world.store.readStream(`task-${TENANT}.${id}`);
    await world.appendSealed(`task-${TENANT}.${id}`, [
      { ...known!, id: newTaskId(), type: 'TaskPraised', data: { taskId: id, agentId: 'agent-7' } },
    ]);
    await world.project();
    const page = await listAuditLog(world.pool, TENANT, {}, { first: 10 });
    expect(nodes(page)).toMatchObject([
      { type: 'TaskPraised', revision: 1n, taskId: id, agentId: 'agent-7', position: 32n },
      {
        type: 'TaskSubmitted',
        stream: `task-${TENANT}.${id}`,
        revision: 0n,
        eventId: known!.id,
        taskId: id,
        agentId: null,
        actor: 'tester',
        commandId: known!.metadata.commandId,
        correlationId: `correlation-task-${TENANT}.${id}`,
        at: at(0),
        hash: known!.metadata.hash,
        position: 16n,
      },
    ]);
    const { rows } = await world.pool.query('SELECT DISTINCT unknown_events FROM baton.checkpoints');
    expect(rows).toEqual([{ unknown_events: 1n }]);
  });

  it('finds the entries of a task, with the decision to assign it', async () => {
    const [id, other] = [newTaskId(), newTaskId()];
    await world.append(
      event.submitted(id),
      event.submitted(other),
      event.assigned([{ taskId: id }]),
      event.completed(id),
    );
    await world.project();
    const types = async (filter: Parameters<typeof listAuditLog>[2]) =>
      nodes(await listAuditLog(world.pool, TENANT, filter, { first: 10 })).map(({ type }) => type);
    expect(await types({ taskId: id })).toEqual(['TaskCompleted', 'TasksAssigned', 'TaskSubmitted']);
    expect(await types({ stream: `task-${TENANT}.${other}` })).toEqual(['TaskSubmitted']);
    expect(await types({ agentId: 'agent-1' })).toEqual(['TaskCompleted']);
    expect(await types({ correlationId: `correlation-task-${TENANT}.${id}`, types: ['TaskSubmitted'] })).toEqual([
      'TaskSubmitted',
    ]);
  });
});

describe('task statistics', () => {
  const range = { from: at(0), to: at(3_600), stepMinutes: 1 };

  it('are summed by minute and capability', async () => {
    const ids = Array.from({ length: 4 }, newTaskId);
    const [a, b, c, d] = ids as [string, string, string, string];
    await world.append(
      event.submitted(a),
      event.submitted(b),
      event.submitted(c, { capability: 'translate' }),
      event.submitted(d, { submittedAt: at(60) }),
      event.assigned(ids.map((taskId) => ({ taskId }))),
      event.completed(a, { durationMs: 100, completedAt: at(30) }),
      event.completed(b, { durationMs: 300.25, completedAt: at(61) }),
      event.failed(c),
      event.failedForGood(d),
      event.deadLettered(d),
      event.cancelled(c),
    );
    await world.project({ maxBatch: 2 });
    const { value, position } = await getTaskStats(world.pool, TENANT, range);
    expect(position).toBe(176n);
    expect(value.series.map(({ at: start }) => start)).toEqual([at(0), at(60)]);
    expect(value.totals).toMatchObject({
      submitted: 4,
      completed: 2,
      failedAttempts: 2,
      deadLettered: 1,
      cancelled: 1,
    });
    expect(value.totals.duration).toMatchObject({ averageMs: 200.125, minMs: 100, maxMs: 300.25 });
    expect(value.totals.endToEnd).toMatchObject({ averageMs: 45_500, minMs: 30_000, maxMs: 61_000 });
    const summarise = await getTaskStats(world.pool, TENANT, { ...range, capability: 'summarise', stepMinutes: 60 });
    expect(summarise.value.totals).toMatchObject({ submitted: 3, completed: 2, failedAttempts: 1, cancelled: 0 });
    expect(summarise.value.series).toHaveLength(1);
  });

  it('estimate percentiles to within 9 %', async () => {
    const ids = Array.from({ length: 200 }, newTaskId);
    await world.append(...ids.map((id) => event.submitted(id)));
    await world.append(...ids.map((id, index) => event.completed(id, { durationMs: index + 1, completedAt: at(1) })));
    await world.project();
    const { duration } = (await getTaskStats(world.pool, TENANT, range)).value.totals;
    expect(Math.abs(duration!.p50EstimateMs / 100 - 1)).toBeLessThan(0.095);
    expect(Math.abs(duration!.p99EstimateMs / 198 - 1)).toBeLessThan(0.095);
  });

  it('are empty without events', async () => {
    const { value } = await getTaskStats(world.pool, TENANT, range);
    expect(value).toEqual({
      totals: {
        submitted: 0,
        completed: 0,
        failedAttempts: 0,
        deadLettered: 0,
        failed: 0,
        cancelled: 0,
        duration: undefined,
        endToEnd: undefined,
      },
      series: [],
    });
  });

  it.each([
    [{ ...range, stepMinutes: 0 }, 'OUT_OF_RANGE'],
    [{ ...range, to: range.from }, 'OUT_OF_RANGE'],
    [{ ...range, to: at(200 * 86_400) }, 'TOO_MANY_POINTS'],
  ])('refuse %o with %s', async (request, code) => {
    await expect(getTaskStats(world.pool, TENANT, request)).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { code },
    });
  });
});

describe('tenants', () => {
  it('see only their own rows', async () => {
    const id = newTaskId();
    await world.append(event.submitted(id), event.registered('a1'));
    await world.appendFor(
      'other',
      event.submitted(id, { capability: 'secret' }),
      event.registered('a1', { name: 'Other' }),
    );
    await world.project();
    expect(nodes(await listAgents(world.pool, 'other', {}, { first: 10 })).map(({ name }) => name)).toEqual(['Other']);
    expect(nodes(await listAuditLog(world.pool, 'other', {}, { first: 10 }))).toHaveLength(2);
    expect(
      (await getTaskStats(world.pool, TENANT, { from: at(0), to: at(60), stepMinutes: 1 })).value.totals.submitted,
    ).toBe(1);
  });
});
