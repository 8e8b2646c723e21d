import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { REGISTER, SUBMIT, startApi, type TestApi } from '../../../test/support/api-harness.ts';
import { commandsOver } from '../../../test/support/fake-ports.ts';
import type { EventStore } from '../../eventstore/event-store.ts';
import { RevisionConflict } from '../../eventstore/event-store.ts';
import { systemClock } from '../../platform/clock.ts';
import { unavailable } from '../../platform/errors.ts';
import { BacklogAdmission } from '../../processes/admission/backlog-admission.ts';

let api: TestApi;
beforeEach(async () => {
  api = await startApi();
});
afterEach(() => api.stop());

const types = async (): Promise<string[]> => (await api.events()).map(({ type }) => type);

const submit = async (input: object = {}, key?: string): Promise<string> => {
  const { body } = await api.post(SUBMIT, { input: { capability: 'echo', ...input }, key });
  return body.data.submitTask.taskId;
};

const REJECTION = '... on TaskRejected { reason message status attempt currentAttempt deadlineAt }';
const cancel = (taskId: string) =>
  api.post(
    `mutation ($id: ID!) { cancelTask(taskId: $id, reason: "enough") { ... on TaskAccepted { taskId } ${REJECTION} } }`,
    {
      id: taskId,
    },
  );

describe('a routing rule', () => {
  const SET =
    'mutation ($rule: RoutingRuleInput!) { setRoutingRule(rule: $rule) { ... on RoutingRuleAccepted { name repeated } } }';
  const overRest = async (rule: object) => {
    const response = await fetch(`${api.url}/api/v1/routing-rules`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(rule),
    });
    return (await response.json()) as { code: string; issues: { pointer: string }[] };
  };

  it.each([
    [{ priority: 1_001 }, '/priority'],
    [{ when: 'input.list.all(x, x > 1)' }, '/when'],
    [{ when: 'priority <' }, '/when'],
    [{ targets: ['a', 'a'] }, '/targets'],
    [{ variants: [{ name: 'v2', percent: 101 }] }, '/variants/0/percent'],
  ])('that is wrong is refused alike by GraphQL and REST, and nothing is recorded: %j', async (wrong, pointer) => {
    const rule = { name: 'gold', when: 'true', targets: ['a'], ...wrong };
    const { code, body } = await api.post(SET, { rule });
    expect([code, body.errors[0].extensions.issues.length, body.errors[0].extensions.issues[0].pointer]).toEqual([
      'BAD_USER_INPUT',
      1,
      `/rule${pointer}`,
    ]);
    expect(await overRest(rule)).toMatchObject({ code: 'BAD_USER_INPUT', issues: [{ pointer }] });
    expect(await types()).toEqual([]);
  });

  it('with a strategy that there is not is refused, too', async () => {
    const { code, body } = await api.post(SET, { rule: { name: 'gold', when: 'true', strategy: 'BEST' } });
    expect([code, body.errors[0].message]).toEqual(['BAD_USER_INPUT', expect.stringContaining('strategy')]);
    expect(await overRest({ name: 'gold', when: 'true', strategy: 'best' })).toMatchObject({
      code: 'BAD_USER_INPUT',
      issues: [{ pointer: '/strategy' }],
    });
    expect(await types()).toEqual([]);
  });

  it('routes tasks from then on', async () => {
    const rule = { name: 'gold', when: '"gold" in tags', strategy: 'WEIGHTED' };
    expect((await api.post(SET, { rule })).body.data.setRoutingRule).toEqual({ name: 'gold', repeated: false });
    expect((await api.post(SET, { rule })).body.data.setRoutingRule).toEqual({ name: 'gold', repeated: true });
    await submit({ tags: ['gold'] });
    const [, event] = await api.events();
    expect(event?.data).toMatchObject({ strategy: 'weighted', rule: { name: 'gold', version: 1 } });
  });
});

describe('submitting a task', () => {
  it('records it with who, when and why, and returns its position in the log', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const { body } = await api.post(
      SUBMIT,
      { input: { capability: 'echo', input: { a: [1, null] }, tags: ['x'] } },
      { traceparent },
    );
    const [event] = await api.events();
    expect(body.data.submitTask).toEqual({
      taskId: (event!.data as { taskId: string }).taskId,
      position: String(event!.position),
      repeated: false,
    });
    expect(event).toMatchObject({
      type: 'TaskSubmitted',
      data: { capability: 'echo', input: { a: [1, null] }, tags: ['x'], pool: 'default', priority: 3 },
      metadata: { tenant: 'default', actor: 'anonymous', traceparent },
    });
  });

  it('treats null as absent', async () => {
    await submit({ versionRange: null, retry: { kind: null, maxAttempts: 5 }, input: null });
    const [event] = await api.events();
    expect(event?.data).toMatchObject({ input: null, retry: { kind: 'exponential', maxAttempts: 5 } });
    expect(event?.data).not.toHaveProperty('versionRange');
  });

  it('is refused as a rejection when its deadline has passed, and records nothing', async () => {
    const deadlineAt = '2020-01-01T00:00:00Z';
    const { status, body } = await api.post(SUBMIT, { input: { capability: 'echo', deadlineAt } });
    expect(status).toBe(200);
    expect(body.data.submitTask).toMatchObject({ reason: 'DeadlinePassed', deadlineAt: '2020-01-01T00:00:00.000Z' });
    expect(await types()).toEqual([]);
  });

  it('reports every bad field with its limit and the value', async () => {
    const { status, body } = await api.post(SUBMIT, {
      input: { capability: 'a b', priority: 6, retry: { maxAttempts: 0 }, versionRange: '>1 ||' },
    });
    expect(status).toBe(400);
    expect(body.errors[0].extensions.issues).toEqual([
      expect.objectContaining({ pointer: '/input/capability', code: 'BAD_FORMAT' }),
      expect.objectContaining({ pointer: '/input/versionRange', code: 'BAD_VERSION_RANGE' }),
      expect.objectContaining({
        pointer: '/input/priority',
        code: 'OUT_OF_RANGE',
        message: expect.stringContaining('got 6'),
      }),
      expect.objectContaining({ pointer: '/input/retry/maxAttempts', code: 'OUT_OF_RANGE' }),
    ]);
    expect(await types()).toEqual([]);
  });
});

describe('an idempotency key', () => {
  it('returns the same task for the same body, and refuses another body', async () => {
    const first = await api.post(SUBMIT, { input: { capability: 'echo' }, key: 'k' });
    const again = await api.post(SUBMIT, { input: { capability: 'echo', priority: 3 }, key: 'k' });
    expect(again.body.data.submitTask).toEqual({ ...first.body.data.submitTask, repeated: true });
    const other = await api.post(SUBMIT, { input: { capability: 'other' }, key: 'k' });
    expect(other).toMatchObject({ status: 422, code: 'IDEMPOTENCY_KEY_REUSED' });
    expect(await types()).toEqual(['TaskSubmitted']);
  });

  it('may come as a header, bare or quoted, and then holds for the whole request', async () => {
    const twice = `mutation {
      submitTask(input: { capability: "a" }) { ... on TaskAccepted { taskId } }
      second: submitTask(input: { capability: "b" }) { ... on TaskAccepted { taskId } }
    }`;
    const first = await api.post(twice, {}, { 'idempotency-key': '"req-1"' });
    const again = await api.post(twice, {}, { 'idempotency-key': 'req-1' });
    expect(again.body.data).toEqual(first.body.data);
    expect(await types()).toEqual(['TaskSubmitted', 'TaskSubmitted']);
  });

  it.each(['x'.repeat(256), 'é', 'a\u0001'])('is refused when it is invalid: %.20s', async (key) => {
    const { status, body } = await api.post(SUBMIT, { input: { capability: 'echo' }, key });
    expect(status).toBe(400);
    expect(body.errors[0].extensions.issues).toMatchObject([
      { pointer: '/idempotencyKey', code: 'BAD_IDEMPOTENCY_KEY' },
    ]);
  });
});

describe('submitting many tasks', () => {
  const MANY = `mutation ($tasks: [SubmitTasksItemInput!]!, $key: String) {
    submitTasks(tasks: $tasks, idempotencyKey: $key) {
      acceptedCount position
      items { index accepted { taskId position repeated } error { code message issues { pointer code } } }
    }
  }`;
  const good = { task: { capability: 'echo' } };

  it('reports each task separately', async () => {
    const tasks = [
      good,
      { task: { capability: '' } },
      { task: { capability: 'echo', deadlineAt: '2020-01-01T00:00:00Z' } },
    ];
    const { body } = await api.post(MANY, { tasks });
    const { items, acceptedCount, position } = body.data.submitTasks;
    expect(acceptedCount).toBe(1);
    expect(position).toBe(items[0].accepted.position);
    expect(items.map(({ error }: { error: { code: string } | null }) => error?.code)).toEqual([
      undefined,
      'BAD_USER_INPUT',
      'DeadlinePassed',
    ]);
    expect(items[1].error.issues).toEqual([{ pointer: '/capability', code: 'BAD_FORMAT' }]);
    expect(await types()).toEqual(['TaskSubmitted']);
  });

  it('may be repeated as a whole under one key', async () => {
    const tasks = [good, { ...good, idempotencyKey: 'own' }];
    const first = await api.post(MANY, { tasks, key: 'bulk' });
    const again = await api.post(MANY, { tasks, key: 'bulk' });
    const ids = (answer: typeof first) =>
      answer.body.data.submitTasks.items.map(({ accepted }: { accepted: { taskId: string } }) => accepted.taskId);
    expect(ids(again)).toEqual(ids(first));
    expect(await types()).toEqual(['TaskSubmitted', 'TaskSubmitted']);
    expect(await submit({}, 'own')).toBe(ids(first)[1]);
  });

  it('accepts a thousand and no more', async () => {
    const list = (length: number) => Array.from({ length }, () => good);
    expect((await api.post(MANY, { tasks: list(1_000) })).body.data.submitTasks.acceptedCount).toBe(1_000);
    expect(await api.post(MANY, { tasks: list(1_001) })).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' });
    expect(await api.post(MANY, { tasks: [] })).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' });
    expect(await types()).toHaveLength(1_000);
  });
});

describe('commands of a task', () => {
  it('are rejected, with the facts, when the task is in another state', async () => {
    const taskId = await submit();
    expect((await cancel(taskId)).body.data.cancelTask).toEqual({ taskId });
    expect((await cancel(taskId)).body.data.cancelTask).toMatchObject({
      reason: 'TaskNotCancellable',
      status: 'cancelled',
    });
    const progress = await api.post(
      `mutation ($id: ID!) { reportProgress(taskId: $id, attempt: 1, percent: 50) { ${REJECTION} } }`,
      {
        id: taskId,
      },
    );
    expect(progress.body.data.reportProgress).toMatchObject({ reason: 'TaskNotRunning', status: 'cancelled' });
    const redrive = await api.post(`mutation ($id: ID!) { redriveTask(taskId: $id) { ${REJECTION} } }`, { id: taskId });
    expect(redrive.body.data.redriveTask).toMatchObject({ reason: 'TaskNotRedrivable', status: 'cancelled' });
    expect(await types()).toEqual(['TaskSubmitted', 'TaskCancelled']);
  });

  it('report the current attempt to a stale one', async () => {
    const taskId = await submit();
    const { body } = await api.post(
      `mutation ($id: ID!) { reportProgress(taskId: $id, attempt: 2, percent: 1) { ${REJECTION} } }`,
      {
        id: taskId,
      },
    );
    expect(body.data.reportProgress).toMatchObject({ reason: 'StaleAttempt', attempt: 2, currentAttempt: 1 });
  });

  it.each(['nope', '', '00000000-0000-4000-8000-000000000000', '../x', 'x'.repeat(10_000)])(
    'find no task under %.40s',
    async (id) => expect(await cancel(id)).toMatchObject({ status: 404, code: 'NOT_FOUND' }),
  );
});

describe('commands of an agent', () => {
  const agent = { agentId: 'a1', capabilities: [{ name: 'echo', version: '1.2.0' }], labels: { zone: 'eu' } };

  it('register it once; the same profile again records nothing', async () => {
    const first = await api.post(REGISTER, {
      input: { ...agent, costPerCall: { currency: 'EUR', micros: 9_000_000_000 } },
    });
    expect(first.body.data.registerAgent).toMatchObject({ agentId: 'a1', repeated: false });
    const again = await api.post(REGISTER, {
      input: { ...agent, costPerCall: { currency: 'EUR', micros: 9_000_000_000 } },
    });
    expect(again.body.data.registerAgent).toEqual({ ...first.body.data.registerAgent, repeated: true });
    const other = await api.post(REGISTER, { input: { ...agent, maxConcurrency: 1 } });
    expect(other.body.data.registerAgent.reason).toBe('AgentAlreadyRegistered');
    expect(await types()).toEqual(['AgentRegistered']);
  });

  it('change, drain, undrain and deregister it', async () => {
    await api.post(REGISTER, { input: agent });
    const { body } = await api.post(
      `mutation ($input: RegisterAgentInput!) {
      updateAgent(agentId: "a1", input: { maxConcurrency: 3 }) { ... on AgentAccepted { agentId } }
      drainAgent(agentId: "a1", reason: "update") { ... on AgentAccepted { agentId } }
      again: drainAgent(agentId: "a1") { ... on AgentRejected { reason } }
      registerAgent(input: $input) { ... on AgentRejected { reason } }
      undrainAgent(agentId: "a1", reason: "updated") { ... on AgentAccepted { agentId } }
      undrainAgain: undrainAgent(agentId: "a1") { ... on AgentRejected { reason } }
      deregisterAgent(agentId: "a1") { ... on AgentAccepted { agentId } }
    }`,
      { input: { ...agent, maxConcurrency: 3 } },
    );
    expect(body.data).toMatchObject({
      again: { reason: 'AgentAlreadyDraining' },
      registerAgent: { reason: 'AgentIsDraining' },
      undrainAgain: { reason: 'AgentNotDraining' },
    });
    expect(await types()).toEqual([
      'AgentRegistered',
      'AgentReconfigured',
      'AgentDrainStarted',
      'AgentDrainEnded',
      'AgentDeregistered',
    ]);
  });

  it('warm it up, and keep it under maintenance', async () => {
    await api.post(REGISTER, { input: { ...agent, warmUpMs: 5_000, heartbeats: true } });
    const { body } = await api.post(`mutation {
      reportAgentReady(agentId: "a1") { ... on AgentAccepted { repeated } }
      again: reportAgentReady(agentId: "a1") { ... on AgentAccepted { repeated } }
      startAgentMaintenance(agentId: "a1", reason: "disks") { ... on AgentAccepted { repeated } }
      startAgain: startAgentMaintenance(agentId: "a1") { ... on AgentRejected { reason message } }
      endAgentMaintenance(agentId: "a1") { ... on AgentAccepted { repeated } }
      endAgain: endAgentMaintenance(agentId: "a1") { ... on AgentRejected { reason } }
      drainAgent(agentId: "a1", limitMs: 60000) { ... on AgentAccepted { repeated } }
    }`);
    expect(body.data).toMatchObject({
      reportAgentReady: { repeated: false },
      again: { repeated: true },
      startAgain: { reason: 'AgentAlreadyInMaintenance', message: 'the agent is already under maintenance' },
      endAgain: { reason: 'AgentNotInMaintenance' },
    });
    const events = await api.events();
    expect(events.map(({ type }) => type)).toEqual([
      'AgentRegistered',
      'AgentWarmUpEnded',
      'AgentMaintenanceStarted',
      'AgentMaintenanceEnded',
      'AgentDrainStarted',
    ]);
    expect(events[0]?.data).toMatchObject({ warmUpMs: 5_000, heartbeatIntervalMs: 30_000 });
    expect(events.at(-1)?.data).toMatchObject({ limitMs: 60_000 });
  });

  it('refuse heartbeats that are both promised and not, and limits out of range', async () => {
    const refused = async (input: object) => (await api.post(REGISTER, { input: { ...agent, ...input } })).body.errors;
    expect(await refused({ heartbeats: false, heartbeatIntervalMs: 500 })).toMatchObject([
      { extensions: { issues: [{ pointer: '/input/heartbeats' }] } },
    ]);
    expect(await refused({ warmUpMs: 0 })).toMatchObject([
      { extensions: { issues: [{ pointer: '/input/warmUpMs' }] } },
    ]);
    expect(await types()).toEqual([]);
  });

  it('keep the profile when null is given for a field that cannot be cleared', async () => {
    await api.post(REGISTER, { input: agent });
    await api.post(
      'mutation { updateAgent(agentId: "a1", input: { name: null, labels: { zone: "us" } }) { __typename } }',
    );
    expect((await api.events()).at(-1)?.data).toMatchObject({ name: 'a1', labels: { zone: 'us' } });
  });

  it('need the address of a card, or capabilities', async () => {
    const none = await api.post(REGISTER, { input: { agentId: 'a2' } });
    expect(none.body.errors[0].extensions.issues).toMatchObject([{ pointer: '/input/capabilities', code: 'REQUIRED' }]);
    const card = await api.post(REGISTER, { input: { agentId: 'a2', cardUrl: 'ftp://example.org' } });
    expect(card.body.errors[0].extensions.issues).toMatchObject([{ pointer: '/input/cardUrl' }]);
  });
});

describe('a full pool', () => {
  it('is told by every protocol alike, with when to try again, and nothing is recorded', async () => {
    const watch = { backlog: undefined, onSubmitted: () => {} };
    const admission = new BacklogAdmission({ watch, clock: systemClock, limit: 1 });
    const full = await startApi({ commands: { ...commandsOver(api.store), admission } });
    expect(await full.post(SUBMIT, { input: { capability: 'echo' } })).toMatchObject({ status: 200 });
    const before = (await api.events()).length;
    const told = {
      code: 'POOL_FULL',
      retryable: true,
      retryAfter: 60,
      details: { pool: 'default', waiting: 1, limit: 1 },
    };
    const graphql = await full.post(SUBMIT, { input: { capability: 'echo' } });
    expect(graphql).toMatchObject({ status: 503, body: { errors: [{ extensions: told }] } });
    expect(graphql.headers.get('retry-after')).toBe('60');
    const rest = await fetch(`${full.url}/api/v1/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ capability: 'echo' }),
    });
    expect([rest.status, rest.headers.get('retry-after'), await rest.json()]).toMatchObject([503, '60', told]);
    expect((await api.events()).length).toBe(before);
    await full.stop();
  });
});

describe('a pool', () => {
  const POOLS = `query ($at: Position) { pools(atLeast: $at) {
    name paused pausedReason led waiting running
    backlog { capability waiting running oldestSince arrivedPerSecond } } }`;
  const change = async (verb: 'pause' | 'resume', pool: string, key?: string) => {
    const { body } = await api.post(
      `mutation ($pool: ID!, $key: String) { answer: ${verb}Pool(pool: $pool, reason: "audit", idempotencyKey: $key) {
        ... on PoolAccepted { pool position repeated } ... on PoolRejected { reason message since } } }`,
      { pool, key },
    );
    return body.data?.answer ?? body.errors[0];
  };

  it('shows what waits in it, and can be paused and resumed', async () => {
    await submit({ pool: 'night' });
    const { position } = await change('pause', 'night', 'k');
    const { body } = await api.post(POOLS, { at: position });
    expect(body.data.pools).toEqual([
      {
        name: 'night',
        paused: true,
        pausedReason: 'audit',
        led: true,
        waiting: 1,
        running: 0,
        backlog: [
          {
            capability: 'echo',
            waiting: 1,
            running: 0,
            oldestSince: expect.stringMatching(/Z$/),
            arrivedPerSecond: expect.closeTo(1 / 60),
          },
        ],
      },
    ]);
    expect(await change('pause', 'night', 'k')).toMatchObject({ pool: 'night', repeated: true });
    expect(await change('pause', 'night')).toMatchObject({ reason: 'PoolAlreadyPaused', since: expect.any(String) });
    expect(await change('resume', 'night')).toMatchObject({ pool: 'night', repeated: false });
    expect(await change('resume', 'night')).toMatchObject({ reason: 'PoolNotPaused' });
    expect(await types()).toEqual(['TaskSubmitted', 'PoolPaused', 'PoolResumed']);
    const metrics = await fetch(`${api.url}/metrics`).then((response) => response.text());
    expect(metrics).toContain('baton_backlog_waiting{pool="night",capability="echo"} 1');
  });

  it('must exist: a name that is mistyped changes nothing', async () => {
    expect(await change('pause', 'nihgt')).toMatchObject({ message: 'pool "nihgt" does not exist' });
    expect(await change('pause', 'no pool')).toMatchObject({ extensions: { code: 'NOT_FOUND' } });
    expect(await types()).toEqual([]);
  });

  it('can be paused over REST', async () => {
    await submit({ pool: 'night' });
    const post = async (path: string) => {
      const response = await fetch(`${api.url}/api/v1/pools/${path}`, { method: 'POST' });
      return { status: response.status, body: await response.json() };
    };
    const { status, body } = await post('night/pause');
    expect([status, body]).toMatchObject([200, { pool: 'night', repeated: false }]);
    const list = await fetch(`${api.url}/api/v1/pools?atLeast=${body.position}`).then((response) => response.json());
    expect(list).toMatchObject({
      pools: [{ name: 'night', paused: { since: expect.any(String) }, waiting: 1, backlog: [{ waiting: 1 }] }],
    });
    expect(await post('night/pause')).toMatchObject({
      status: 409,
      body: { details: { reason: 'PoolAlreadyPaused' } },
    });
    expect(await post('night/resume')).toMatchObject({ status: 200 });
  });
});

describe('a log that fails', () => {
  const over = async (append: EventStore['append']) => {
    const broken = commandsOver({ ...api.store, append } as EventStore);
    return startApi({ commands: broken });
  };

  it('is reported as such, with when to retry', async () => {
    const away = await over(async () => {
      throw unavailable('the event store cannot be reached', new Error('connect ECONNREFUSED 10.0.0.1:2113'));
    });
    const answer = await away.post(SUBMIT, { input: { capability: 'echo' } });
    await away.stop();
    expect(answer).toMatchObject({ status: 503, code: 'UNAVAILABLE' });
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(answer.body.errors[0].extensions.retryable).toBe(true);
    expect(answer.text).not.toContain('10.0.0.1');
  });

  it('is a conflict when others keep winning the stream', async () => {
    const contended = await over(async (stream, _, { expectedRevision }) => {
      throw new RevisionConflict(stream, expectedRevision, 7n);
    });
    const answer = await contended.post(SUBMIT, { input: { capability: 'echo' } });
    await contended.stop();
    expect(answer).toMatchObject({ status: 409, code: 'CONFLICT' });
  });

  it('is masked when the error is unknown, and logged once with its cause', async () => {
    const lines: { err?: Error }[] = [];
    const logger = {
      error: (line: object) => lines.push(line),
      warn: () => undefined,
      debug: () => undefined,
      isLevelEnabled: () => false,
    };
    const secret = new Error('password=hunter2 at host db-7');
    const broken = await startApi({
      commands: commandsOver({
        ...api.store,
        append: async () => {
          throw secret;
        },
      } as EventStore),
      logger: logger as never,
    });
    const answer = await broken.post(SUBMIT, { input: { capability: 'echo' } });
    await broken.stop();
    expect(answer).toMatchObject({ status: 500, code: 'INTERNAL' });
    expect(answer.text).not.toMatch(/hunter2|db-7|stack/);
    expect(lines).toEqual([{ err: secret }]);
  });

  it('leaves an answer a success when only part of it failed', async () => {
    const { status, body } = await api.post('{ __typename a: task(id: "x") { id } }');
    expect(status).toBe(200);
    expect(body.data).toEqual({ __typename: 'Query', a: null });
    expect(body.errors[0].extensions).toEqual({ code: 'UNAVAILABLE', retryable: true, retryAfter: 1 });
  });
});
