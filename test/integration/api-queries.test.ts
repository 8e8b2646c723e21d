import { createClient } from 'graphql-sse';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completeAttempt, failAttempt } from '../../src/commands/task/close-attempt.ts';
import { type ApiWithReadModels, startApiWithReadModels } from '../support/api-setup.ts';
import { fakeRandom } from '../support/fake-ports.ts';

let api: ApiWithReadModels;
beforeAll(async () => {
  api = await startApiWithReadModels({ unledPools: new Set(['unled']) });
});
afterAll(() => api.stop());

const caller = { tenant: 'default', actor: 'dispatcher' };
const ERROR = { code: 'BOOM', message: 'it broke', source: 'agent', retryable: true } as const;

const submit = async (input: object = {}): Promise<{ taskId: string; position: string }> => {
  const query =
    'mutation ($input: SubmitTaskInput!) { submitTask(input: $input) { ... on TaskAccepted { taskId position } } }';
  const { data } = await api.post(query, { input: { capability: 'echo', input: { n: 1 }, ...input } });
  return data.submitTask;
};

const register = async (agentId: string, input: object = {}): Promise<string> => {
  const query =
    'mutation ($input: RegisterAgentInput!) { registerAgent(input: $input) { ... on AgentAccepted { position } } }';
  const { data } = await api.post(query, { input: { agentId, capabilities: [{ name: 'echo' }], ...input } });
  return data.registerAgent.position;
};

const complete = async (taskId: string, attempt = 1, agentId = 'agent-1'): Promise<string> => {
  const result = await completeAttempt(
    api.commands,
    caller,
    { taskId, attempt, agentId },
    { result: { done: true }, durationMs: 40 },
  );
  if (!result.ok) throw new Error(result.rejection.reason);
  return String(result.value.position);
};

const fail = async (
  taskId: string,
  attempt: number,
  error: { retryable: boolean; message?: string } = ERROR,
): Promise<string> => {
  const attemptError = { ...ERROR, ...error };
  const result = await failAttempt(
    api.commands,
    caller,
    { taskId, attempt, agentId: 'agent-1' },
    { error: attemptError },
  );
  if (!result.ok) throw new Error(result.rejection.reason);
  return String(result.value.position);
};

describe('a task', () => {
  it('lists everything that happened to it, in log order, with reasons', async () => {
    await register('agent-1');
    const { taskId } = await submit({ retry: { kind: 'IMMEDIATE' } });
    await api.assign([{ taskId }]);
    await fail(taskId, 1);
    await api.assign([{ taskId, attempt: 2, agentId: 'agent-1' }]);
    const position = await complete(taskId, 2);
    const { data, body } = await api.post(
      `query ($id: ID!, $from: Position) { task(id: $id, atLeast: $from) {
        status attempt failures input result agent { id name } retry { kind }
        attempts { attempt outcome agentId error { code } }
        timeline { type attempt agentId summary position }
        why { waiting { reason } decisions { attempt agentId strategy strategyVersion eligible waitedMs
          candidates { agentId score open } excluded { reason agents } } }
      } }`,
      { id: taskId, from: position },
    );
    expect(data.task).toMatchObject({
      status: 'COMPLETED',
      attempt: 2,
      failures: 1,
      input: { n: 1 },
      result: { done: true },
      agent: { id: 'agent-1', name: 'agent-1' },
      retry: { kind: 'IMMEDIATE' },
      attempts: [
        { attempt: 1, outcome: 'FAILED', agentId: 'agent-1', error: { code: 'BOOM' } },
        { attempt: 2, outcome: 'COMPLETED', agentId: 'agent-1', error: null },
      ],
      why: { waiting: null },
    });
    expect(data.task.timeline.map(({ type }: { type: string }) => type)).toEqual([
      'TaskSubmitted',
      'TaskAssigned',
      'TaskAttemptFailed',
      'TaskAssigned',
      'TaskCompleted',
    ]);
    expect(data.task.why.decisions[0]).toEqual({
      attempt: 1,
      agentId: 'agent-1',
      strategy: 'least_loaded',
      strategyVersion: 1,
      eligible: 2,
      waitedMs: 12,
      candidates: [{ agentId: 'agent-1', score: 0.25, open: 1 }],
      excluded: [{ reason: 'UNHEALTHY', agents: 3 }],
    });
    expect(BigInt(body.extensions.asOf)).toBeGreaterThanOrEqual(BigInt(position));
  });

  it('explains why it waits while the agents change', async () => {
    const { taskId, position } = await submit({ capability: 'rare' });
    const why = async (atLeast: string, id = taskId) => {
      const query =
        'query ($id: ID!, $p: Position) { task(id: $id, atLeast: $p) { why { waiting { reason able busy draining free } } } }';
      return (await api.post(query, { id, p: atLeast })).data.task.why.waiting;
    };
    expect(await why(position)).toMatchObject({ reason: 'NO_AGENT_WITH_CAPABILITY', able: 0 });
    const one =
      'query ($id: ID!, $p: Position) { whyNotRunning(taskId: $id, atLeast: $p) { reason obstacle unblock until } }';
    expect((await api.post(one, { id: taskId, p: position })).data.whyNotRunning).toEqual({
      reason: 'NO_AGENT_WITH_CAPABILITY',
      obstacle: 'NO_CAPABLE_AGENT',
      unblock: 'register an agent in pool default that offers rare',
      until: null,
    });
    expect((await api.post(one, { id: '0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d11' })).code).toBe('NOT_FOUND');
    const told = await fetch(`${api.url}/api/v1/tasks/${taskId}/why`);
    expect((await told.json()).waiting).toMatchObject({
      reason: 'no_agent_with_capability',
      obstacle: 'no_capable_agent',
    });
    const stuck = await submit({ capability: 'rare', pool: 'unled' });
    expect((await why(stuck.position, stuck.taskId)).reason).toBe('POOL_NOT_LED');
    const registered = await register('rare-1', { capabilities: [{ name: 'rare' }], maxConcurrency: 1 });
    expect(await why(registered)).toMatchObject({ reason: 'NEXT_IN_TURN', able: 1, free: 1 });
    const other = await submit({ capability: 'rare' });
    const assigned = await api.assign([{ taskId: other.taskId, agentId: 'rare-1' }]);
    expect(await why(String(assigned))).toMatchObject({ reason: 'AGENTS_BUSY', busy: 1, free: 0 });
    const found = await api.post(
      'query ($p: Position) { agents(filter: { states: [ORCHESTRATOR_BUSY] }, atLeast: $p) { nodes { id state supervised: state(vocabulary: SUPERVISOR) } } }',
      { p: String(assigned) },
    );
    expect(found.data.agents.nodes).toEqual([{ id: 'rare-1', state: 'LIFECYCLE_BUSY', supervised: 'SUPERVISOR_BUSY' }]);
    const listed = await fetch(`${api.url}/api/v1/agents?state=orchestrator:busy&state=registry:inactive`);
    expect((await listed.json()).items).toMatchObject([{ agentId: 'rare-1', states: { registry: 'active' } }]);
    const wrong = await fetch(`${api.url}/api/v1/agents?state=registry:busy`);
    expect([wrong.status, (await wrong.json()).issues?.length]).toEqual([400, 1]);
    const kept = await api.post(
      'mutation { startAgentMaintenance(agentId: "rare-1") { ... on AgentAccepted { position } } }',
    );
    expect(await why(kept.data.startAgentMaintenance.position)).toMatchObject({ reason: 'AGENTS_IN_MAINTENANCE' });
    const drained = await api.post('mutation { drainAgent(agentId: "rare-1") { ... on AgentAccepted { position } } }');
    expect(await why(drained.data.drainAgent.position)).toMatchObject({ reason: 'AGENTS_DRAINING', draining: 1 });
  });

  it('is found at once after its submission, however far behind the read models are', async () => {
    const held = api.admin('LOCK TABLE baton.checkpoints IN EXCLUSIVE MODE; SELECT pg_sleep(0.5)');
    const { taskId } = await submit();
    await register('newcomer');
    const { data } = await api.post('query ($id: ID!) { task(id: $id) { status } agent(id: "newcomer") { name } }', {
      id: taskId,
    });
    expect(data).toEqual({ task: { status: 'READY' }, agent: { name: 'newcomer' } });
    await held;
  });

  it.each(['nope', '', '00000000-0000-4000-8000-000000000000', "' OR 1=1 --", 'x'.repeat(10_000)])(
    'is null where there is none: %.40s',
    async (id) => {
      const { status, data } = await api.post('query ($id: ID!) { task(id: $id) { id } agent(id: $id) { id } }', {
        id,
      });
      expect({ status, data }).toEqual({ status: 200, data: { task: null, agent: null } });
    },
  );

  it('is found by its id in upper case', async () => {
    const { taskId, position } = await submit();
    const query = 'query ($id: ID!, $p: Position) { task(id: $id, atLeast: $p) { id } }';
    expect((await api.post(query, { id: taskId.toUpperCase(), p: position })).data.task).toEqual({ id: taskId });
    const cancel = 'mutation ($id: ID!) { cancelTask(taskId: $id) { ... on TaskAccepted { taskId } } }';
    expect((await api.post(cancel, { id: taskId.toUpperCase() })).data.cancelTask).toEqual({ taskId });
  });
});

describe('a list of tasks', () => {
  const PAGE = `query ($filter: TaskFilter, $first: Int! = 7, $after: String, $p: Position) {
    tasks(filter: $filter, first: $first, after: $after, atLeast: $p) {
      totalCount asOf pageInfo { hasNextPage hasPreviousPage endCursor } nodes { id }
    }
  }`;

  it('is read page by page, each task once and newest first, while others are submitted', async () => {
    const tag = 'walk';
    const submitted: string[] = [];
    let position = '0';
    for (let i = 0; i < 30; i += 1) {
      const task = await submit({ tags: [tag] });
      submitted.push(task.taskId);
      position = task.position;
    }
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const { data } = await api.post(PAGE, { filter: { tags: [tag] }, after, p: position });
      const { nodes, pageInfo } = data.tasks as {
        nodes: { id: string }[];
        pageInfo: { hasNextPage: boolean; endCursor: string };
      };
      seen.push(...nodes.map(({ id }) => id));
      after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
      position = (await submit({ tags: [tag] })).position;
    } while (after);
    expect(seen).toEqual(submitted.toReversed());
    const { data } = await api.post(PAGE, { filter: { tags: [tag] }, p: position });
    expect(data.tasks).toMatchObject({ totalCount: 35, pageInfo: { hasPreviousPage: false } });
  });

  it('refuses an invalid cursor, or one of another list', async () => {
    await submit();
    const { data } = await api.post(PAGE, { first: 1 });
    const cursor = data.tasks.pageInfo.endCursor;
    const bad = { status: 400, code: 'BAD_CURSOR' };
    for (const after of ['', 'abc', '%', 'x'.repeat(5_000), cursor.toLowerCase()])
      expect(await api.post(PAGE, { after }), after).toMatchObject(bad);
    expect(await api.post(PAGE, { after: cursor, filter: { pool: 'other' } })).toMatchObject(bad);
    const dead = 'query ($after: String) { deadLetters(after: $after) { nodes { taskId } } }';
    expect(await api.post(dead, { after: cursor })).toMatchObject(bad);
  });

  it('is filtered by every field of the filter', async () => {
    const low = await submit({ priority: 5, tags: ['f', 'low'], capability: 'filter' });
    const high = await submit({ priority: 1, tags: ['f', 'high'], capability: 'filter' });
    const ids = async (filter: object): Promise<string[]> => {
      const { data } = await api.post(PAGE, { filter: { capability: 'filter', ...filter }, p: high.position });
      return data.tasks.nodes.map(({ id }: { id: string }) => id);
    };
    expect(await ids({})).toEqual([high.taskId, low.taskId]);
    expect(await ids({ priorities: [5] })).toEqual([low.taskId]);
    expect(await ids({ priorities: 5 })).toEqual([low.taskId]);
    expect(await ids({ tags: ['f', 'high'] })).toEqual([high.taskId]);
    expect(await ids({ statuses: 'COMPLETED' })).toEqual([]);
    expect(await ids({ statuses: null, pool: null })).toHaveLength(2);
    expect(await ids({ text: '100%_' })).toEqual([]);
    expect(await ids({ submittedFrom: '2999-01-01T00:00:00Z' })).toEqual([]);
    expect(await ids({ agentId: "x'; DROP TABLE baton.tasks --" })).toEqual([]);
  });

  it('needs one query to Postgres per kind, for any number of tasks', async () => {
    const tasks = await Promise.all(Array.from({ length: 20 }, () => submit({ capability: 'many' })));
    const position = await api.assign(tasks.map(({ taskId }) => ({ taskId })));
    const query = `query ($p: Position) { tasks(first: 20, filter: { capability: "many" }, atLeast: $p) {
      nodes { input agent { name } attempts { attempt agent { id } } why { decisions { attempt } } timeline { type } } } }`;
    let nodes: { attempts: unknown[]; timeline: unknown[] }[] = [];
    await api.post(query, { p: String(position) }); // the read models are there now
    const statements = await api.statementsOf(async () => {
      nodes = (await api.post(query)).data.tasks.nodes;
    });
    expect(nodes).toHaveLength(20);
    for (const { attempts, timeline } of nodes) expect([attempts.length, timeline.length]).toEqual([1, 2]);
    expect(statements).toBeLessThanOrEqual(6); // tasks, payloads, agents, attempts, assignments
  });
});

describe('freshness', () => {
  it('is guaranteed: every reader sees what was written', async () => {
    const random = fakeRandom(7);
    const stale: string[] = [];
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let i = 0; i < 25; i += 1) {
          const { taskId, position } = await submit();
          const cancelled = random() < 0.5;
          const from = cancelled
            ? (
                await api.post('mutation ($id: ID!) { cancelTask(taskId: $id) { ... on TaskAccepted { position } } }', {
                  id: taskId,
                })
              ).data.cancelTask.position
            : position;
          const { data } = await api.post('query ($id: ID!, $p: Position) { task(id: $id, atLeast: $p) { status } }', {
            id: taskId,
            p: from,
          });
          if (data.task?.status !== (cancelled ? 'CANCELLED' : 'READY')) stale.push(taskId);
        }
      }),
    );
    expect(stale).toEqual([]);
  });

  it('times out with a retryable error', async () => {
    const answer = await api.post('{ tasks(first: 1, atLeast: "999999999999") { nodes { id } } }');
    expect(answer).toMatchObject({ status: 503, code: 'STALE_READ' });
    expect(answer.headers.get('retry-after')).toBe('1');
  });

  it('comes with a mutation: its task shows the effect', async () => {
    const { data } = await api.post(
      'mutation { submitTask(input: { capability: "echo" }) { ... on TaskAccepted { taskId task { id status } } } }',
    );
    expect(data.submitTask.task).toEqual({ id: data.submitTask.taskId, status: 'READY' });
  });

  it('holds in a subscription: each frame shows the task as of its change', async () => {
    const { taskId, position } = await submit();
    const client = createClient({ url: `${api.url}/graphql`, retryAttempts: 0 });
    const frames = client.iterate<{ taskChanged: { entry: { type: string }; task: { status: string } } }>({
      query:
        'subscription ($id: ID!, $p: Position) { taskChanged(taskId: $id, fromPosition: $p) { entry { type } task { status } } }',
      variables: { id: taskId, p: position },
    });
    const statuses: string[] = [];
    const following = (async () => {
      for await (const { data } of frames) {
        statuses.push(`${data?.taskChanged.entry.type} ${data?.taskChanged.task.status}`);
        if (statuses.length === 2) return;
      }
    })();
    await api.assign([{ taskId }]);
    await expect.poll(() => statuses.length, { timeout: 10_000 }).toBe(1);
    await complete(taskId);
    await following;
    expect(statuses).toEqual(['TaskAssigned ASSIGNED', 'TaskCompleted COMPLETED']);
  });
});

describe('the view of operators', () => {
  it('shows dead letters with their task until they are redriven', async () => {
    const { taskId } = await submit({ capability: 'dead' });
    await api.assign([{ taskId }]);
    const position = await fail(taskId, 1, { retryable: false });
    const query = `query ($p: Position) { deadLetters(filter: { capability: "dead" }, atLeast: $p) {
      totalCount nodes { taskId reason attempts error { code } task { status deadLetterReason } } } }`;
    expect((await api.post(query, { p: position })).data.deadLetters).toEqual({
      totalCount: 1,
      nodes: [
        {
          taskId,
          reason: 'not_retryable',
          attempts: 1,
          error: { code: 'BOOM' },
          task: { status: 'DEAD_LETTERED', deadLetterReason: 'not_retryable' },
        },
      ],
    });
    const redriven = await api.post(
      'mutation ($id: ID!) { redriveTask(taskId: $id) { ... on TaskAccepted { position } } }',
      {
        id: taskId,
      },
    );
    expect((await api.post(query, { p: redriven.data.redriveTask.position })).data.deadLetters.totalCount).toBe(0);
  });

  it('groups dead letters by failure, the most frequent first', async () => {
    const dead: { taskId: string; message: string }[] = [];
    let position = '';
    for (const message of ['row 1 is empty', 'row 2 is empty', 'no "price"']) {
      const { taskId } = await submit({ capability: 'grouped' });
      await api.assign([{ taskId }]);
      position = await fail(taskId, 1, { retryable: false, message });
      dead.push({ taskId, message });
    }
    const query = `query ($p: Position, $filter: DeadLetterFilter, $first: Int! = 20) {
      deadLetterGroups(filter: $filter, first: $first, atLeast: $p) { fingerprint errorCode count message taskId capabilities } }`;
    const groups = async (filter: object, first?: number) =>
      (await api.post(query, { p: position, filter: { capability: 'grouped', ...filter }, first })).data
        .deadLetterGroups;
    const [empty, price, ...others] = await groups({});
    expect(others).toEqual([]);
    const rows = { errorCode: 'BOOM', capabilities: ['grouped'] };
    expect(empty).toMatchObject({ ...rows, count: 2, message: 'row 2 is empty', taskId: dead[1]?.taskId });
    expect(price).toMatchObject({ ...rows, count: 1, message: 'no "price"', taskId: dead[2]?.taskId });
    expect(await groups({}, 1)).toEqual([empty]);
    expect(await groups({ fingerprint: price.fingerprint })).toEqual([price]);
    expect(await groups({ statuses: 'REDRIVEN' })).toEqual([]);
    const path = `/api/v1/dead-letter-groups?capability=grouped&fingerprint=${empty.fingerprint}`;
    expect((await (await fetch(api.url + path)).json()).items).toEqual([
      expect.objectContaining({ ...empty, oldestAt: expect.any(String) }),
    ]);
    expect(await api.post(query, { first: 0 })).toMatchObject({ status: 400, code: 'BAD_PAGE_SIZE' });
  });

  it('counts tasks by status and over time', async () => {
    const { taskId } = await submit({ capability: 'counted' });
    await api.assign([{ taskId }]);
    const position = await complete(taskId);
    const { data } = await api.post(
      `query ($p: Position) { stats(capability: "counted", atLeast: $p) {
        totals { submitted completed duration { averageMs } endToEnd { maxMs } } series { at submitted } }
        taskCounts(atLeast: $p) { status count } }`,
      { p: position },
    );
    expect(data.stats.totals).toMatchObject({ submitted: 1, completed: 1, duration: { averageMs: 40 } });
    expect(data.stats.series).toHaveLength(1);
    expect(data.taskCounts.find(({ status }: { status: string }) => status === 'COMPLETED').count).toBeGreaterThan(0);
    const range = '{ stats(from: "2026-01-02T00:00:00Z", to: "2026-01-01T00:00:00Z") { asOf } }';
    expect(await api.post(range)).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' });
    const long = '{ stats(from: "2020-01-01T00:00:00Z", to: "2026-01-01T00:00:00Z") { asOf } }';
    expect(await api.post(long)).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' });
  });

  it('shows which breakers are open, and how the calls of each agent went', async () => {
    await register('failing', { capabilities: [{ name: 'flaky' }], pool: 'default' });
    const [lost, waiting] = [await submit({ capability: 'flaky' }), await submit({ capability: 'flaky' })];
    await api.assign([{ taskId: lost.taskId, agentId: 'failing' }]);
    const error = { code: 'AGENT_HTTP_ERROR', message: 'HTTP 500', source: 'destination', retryable: false } as const;
    await failAttempt(api.commands, caller, { taskId: lost.taskId, attempt: 1, agentId: 'failing' }, { error });
    const opened = String(await api.changeBreaker('failing', 'flaky', 'open'));
    const query = `query ($id: ID!, $p: Position) {
      task(id: $id, atLeast: $p) { why { waiting { reason breaker message } } }
      healthSummary(atLeast: $p) {
        degradationMode circuitBreakers { agentId capability state failureCount nextTryAt }
        serviceHealth { agentId isHealthy successCount errorCount totalRequests successRate averageResponseMs }
      }
    }`;
    const { data } = await api.post(query, { id: waiting.taskId, p: opened });
    expect(data.task.why.waiting).toMatchObject({ reason: 'AGENTS_BREAKER_OPEN', breaker: 1 });
    const { degradationMode, circuitBreakers, serviceHealth } = data.healthSummary;
    expect([degradationMode, circuitBreakers]).toEqual([
      true,
      [{ agentId: 'failing', capability: 'flaky', state: 'OPEN', failureCount: 5, nextTryAt: expect.any(String) }],
    ]);
    expect(serviceHealth.find(({ agentId }: { agentId: string }) => agentId === 'failing')).toEqual({
      agentId: 'failing',
      isHealthy: false,
      successCount: 0,
      errorCount: 1,
      totalRequests: 1,
      successRate: 0,
      averageResponseMs: null,
    });
    const told = await fetch(`${api.url}/api/v1/health-summary?limit=3`);
    expect(await told.json()).toMatchObject({ degradationMode: true, circuitBreakers: [{ failureCount: 5 }] });
    const closed = String(await api.changeBreaker('failing', 'flaky', 'closed'));
    const after = await api.post(query, { id: waiting.taskId, p: closed });
    expect(after.data).toMatchObject({
      task: { why: { waiting: { reason: 'NEXT_IN_TURN', breaker: 0 } } },
      healthSummary: { degradationMode: false },
    });
    const busy = await submit({ capability: 'flaky', retry: { kind: 'IMMEDIATE' } });
    await api.assign([{ taskId: busy.taskId, agentId: 'failing' }]);
    const asked = await failAttempt(
      api.commands,
      caller,
      { taskId: busy.taskId, attempt: 1, agentId: 'failing' },
      { error: { ...error, code: 'AGENT_BUSY', retryable: true }, retryAfterMs: 60_000 },
    );
    const paused = await api.post(query, { id: busy.taskId, p: asked.ok ? String(asked.value.position) : '' });
    expect(paused.data.task.why.waiting.reason).toBe('AGENTS_PAUSED');
    expect((await fetch(`${api.url}/api/v1/health-summary?limit=201`)).status).toBe(400);
    expect((await api.post('{ healthSummary(limit: 0) { degradationMode } }')).code).toBe('BAD_USER_INPUT');
  });

  it('shows in the audit trail who did what, with the event as it was written', async () => {
    const { taskId } = await submit();
    const position = await api.assign([{ taskId }]);
    const { data } = await api.post(
      `query ($id: ID!, $p: Position) { auditTrail(filter: { taskId: $id }, atLeast: $p) {
        totalCount nodes { type actor stream revision data } } }`,
      { id: taskId, p: String(position) },
    );
    expect(data.auditTrail.totalCount).toBe(2);
    expect(data.auditTrail.nodes).toMatchObject([
      { type: 'TasksAssigned', actor: 'assigner', stream: 'pool-default.default' },
      { type: 'TaskSubmitted', actor: 'anonymous', stream: `task-default.${taskId}`, revision: 0, data: { taskId } },
    ]);
  });

  it('shows the state of the read models, also as metrics', async () => {
    const { position } = await submit();
    await api.post('query ($p: Position) { tasks(first: 1, atLeast: $p) { asOf } }', { p: position });
    const { data } = await api.post('{ projections { name version status position lagEvents parked } }');
    expect(data.projections.map(({ name }: { name: string }) => name)).toEqual([
      'agents',
      'tasks',
      'assignments',
      'audit_log',
      'workflows',
      'executions',
      'breakers',
    ]);
    for (const projection of data.projections)
      expect(projection).toMatchObject({ status: 'LIVE', lagEvents: 0, parked: 0 });
    const metrics = await (await fetch(`${api.url}/metrics`)).text();
    expect(metrics).toMatch(/baton_projection_lag_seconds\{projection="tasks"\} 0/);
  });
});

// Last: it takes the read models away.
describe('read models that cannot be reached', () => {
  it('make queries fail with a retryable error and do not affect commands', async () => {
    await api.admin('ALTER TABLE baton.checkpoints RENAME TO hidden');
    const query = await api.post('{ tasks(first: 1) { nodes { id } } }');
    await api.admin('ALTER TABLE baton.hidden RENAME TO checkpoints');
    expect(query).toMatchObject({ status: 503, code: 'UNAVAILABLE' });
    expect(JSON.stringify(query.body)).not.toMatch(/relation|SELECT|checkpoints/);
    expect((await submit()).taskId).toBeDefined();
  });
});
