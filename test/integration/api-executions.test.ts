import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startChildExecution } from '../../src/commands/execution/start-execution.ts';
import { type ApiWithReadModels, startApiWithReadModels } from '../support/api-setup.ts';
import { TRIP, workingFor } from '../support/saga.ts';

let api: ApiWithReadModels;
let work: ReturnType<typeof workingFor>;
beforeAll(async () => {
  api = await startApiWithReadModels();
  work = workingFor(api.commands);
});
afterAll(() => api.stop());

const ONCE = { kind: 'immediate', maxAttempts: 1 } as const;
const EXECUTION_ACCEPTED = '... on ExecutionAccepted { executionId position }';

const head = async (): Promise<string> => String(await api.store.head());

const ask = async (id: string, fields: string) => {
  const query = `query ($id: ID!, $p: Position) { execution(id: $id, atLeast: $p) { ${fields} } }`;
  const { body } = await api.post(query, { id, p: await head() });
  if (body.errors) throw new Error(JSON.stringify(body.errors));
  return body.data.execution;
};

const run = async (mutation: string, variables: object = {}, declared = ''): Promise<Record<string, unknown>> => {
  const { body } = await api.post(
    `mutation ${declared} { answer: ${mutation} { __typename ${EXECUTION_ACCEPTED} ... on ExecutionRejected { reason message } } }`,
    variables,
  );
  if (body.errors) throw new Error(JSON.stringify(body.errors));
  return body.data.answer;
};

const started = async (definition: { readonly name: string }, input: object = {}): Promise<string> => {
  await work.publish(definition);
  return work.start({ workflow: definition.name, ...input });
};

const SAGA = {
  ...TRIP,
  tasks: [
    { ...TRIP.tasks[0], compensation: { role: 'canceller', retry: ONCE } },
    { ...TRIP.tasks[1], compensation: { role: 'canceller', retry: ONCE } },
    { ...TRIP.tasks[2], retry: ONCE },
  ],
};

describe('a workflow', () => {
  it('is as fresh as its field requires, even if another field of the query read it before', async () => {
    const definition = { ...TRIP, name: 'asked-twice' };
    for (let minor = 0; minor < 8; minor++) {
      const { data: published } = await api.post(
        `mutation ($d: JSON!) { publishWorkflow(definition: $d) { ... on WorkflowAccepted { position } } }`,
        { d: { ...definition, version: `1.${minor}.0` } },
      );
      const { data } = await api.post(
        `query ($p: Position) {
          any: workflow(name: "asked-twice") { version }
          fresh: workflow(name: "asked-twice", atLeast: $p) { version }
        }`,
        { p: published.publishWorkflow.position },
      );
      expect(data.fresh).toEqual({ version: `1.${minor}.0` });
    }
  });

  it('is published, planned, listed and retired', async () => {
    const publish = `mutation ($d: JSON!) { publishWorkflow(definition: $d) { __typename
      ... on WorkflowAccepted { name version position repeated warnings { code } workflow { status plan { criticalPath levels } } } } }`;
    const definition = { ...TRIP, name: 'planned' };
    const first = await api.post(publish, { d: definition });
    expect(first.data.publishWorkflow).toEqual({
      __typename: 'WorkflowAccepted',
      name: 'planned',
      version: '1.0.0',
      position: expect.any(String),
      repeated: false,
      warnings: [{ code: 'NO_COMPENSATION' }],
      workflow: {
        status: 'PUBLISHED',
        plan: { criticalPath: ['flight', 'mail'], levels: [['flight', 'hotel'], ['mail']] },
      },
    });
    await api.post(publish, { d: { ...definition, version: '1.1.0' } });
    const retired = await api.post(`mutation { deprecateWorkflow(name: "planned", version: "1.1.0", reason: "slow") {
      ... on WorkflowAccepted { position } } }`);
    const { data } = await api.post(
      `query ($p: Position) {
        workflow(name: "planned", atLeast: $p) { version taskCount definition pattern tags versions { version status reason }
          plan { criticalPathMs totalWorkMs maxParallelism tasks { id kind level dependsOn slackMs onCriticalPath } } }
        named: workflow(name: "planned", version: "1.1.0", atLeast: $p) { status }
        none: workflow(name: "nope") { name }
        workflows(filter: { name: "planned", statuses: [PUBLISHED] }, atLeast: $p) { totalCount nodes { version } }
        workflowDefinitionSchema
      }`,
      { p: retired.data.deprecateWorkflow.position },
    );
    expect(data.workflow).toMatchObject({
      version: '1.0.0',
      taskCount: 3,
      definition: { name: 'planned', tasks: [{ id: 'flight' }, { id: 'hotel' }, { id: 'mail' }] },
      pattern: 'saga',
      tags: ['travel'],
      versions: [
        { version: '1.1.0', status: 'DEPRECATED', reason: 'slow' },
        { version: '1.0.0', status: 'PUBLISHED', reason: null },
      ],
      plan: { criticalPathMs: 30, totalWorkMs: 40, maxParallelism: 2 },
    });
    expect(data.workflow.plan.tasks[1]).toEqual({
      id: 'hotel',
      kind: 'AGENT',
      level: 1,
      dependsOn: [],
      slackMs: 20,
      onCriticalPath: false,
    });
    expect(data.named).toEqual({ status: 'DEPRECATED' });
    expect(data.none).toBeNull();
    expect(data.workflows).toEqual({ totalCount: 1, nodes: [{ version: '1.0.0' }] });
    expect(data.workflowDefinitionSchema).toMatchObject({
      type: 'object',
      required: expect.arrayContaining(['tasks']),
    });
  });
});

describe('an execution', () => {
  it.each(['nope', '', '00000000-0000-4000-8000-000000000000', "' OR 1=1 --", 'x'.repeat(10_000)])(
    'is null where there is none: %.40s',
    async (id) => {
      const { status, data } = await api.post('query ($id: ID!) { execution(id: $id) { id steps { id } } }', { id });
      expect({ status, data }).toEqual({ status: 200, data: { execution: null } });
    },
  );

  it('shows its graph, its phase and who did what while it runs', async () => {
    const id = await started(SAGA, { input: { to: 'Rome' }, tags: ['t'] });
    await api.assign([{ taskId: await work.taskIdOf(id, 'flight') }]);
    await work.complete(id, 'flight', { seat: 1 });
    await api.assign([{ taskId: await work.taskIdOf(id, 'hotel'), agentId: 'agent-2' }]);
    const execution = await ask(
      id.toUpperCase(),
      `id workflow version status input output currentPhase stepsTotal stepsCompleted definition { taskCount }
       allocatedAgents { role capability agentIds } timeSpent { durationMs agentMs waitMs overheadMs }
       graph { levels edges { from to } nodes { id kind state level attempts agentId output error { code } startedAt endedAt
         dependsOn onCriticalPath undo task { unit executionId } } }`,
    );
    expect(execution).toMatchObject({
      id,
      workflow: 'trip',
      version: '1.0.0',
      status: 'EXECUTING',
      input: { to: 'Rome' },
      output: null,
      currentPhase: '1 of 2: hotel',
      stepsTotal: 3,
      stepsCompleted: 1,
      definition: { taskCount: 3 },
      allocatedAgents: [
        { role: 'booker', capability: 'book', agentIds: ['agent-1', 'agent-2'] },
        { role: null, capability: 'mail', agentIds: [] },
      ],
    });
    const { durationMs, agentMs, waitMs, overheadMs } = execution.timeSpent;
    expect(agentMs + waitMs + overheadMs).toBeCloseTo(durationMs);
    expect(execution.graph).toMatchObject({
      levels: 2,
      edges: [
        { from: 'flight', to: 'mail' },
        { from: 'hotel', to: 'mail' },
      ],
      nodes: [
        {
          id: 'flight',
          kind: 'AGENT',
          state: 'COMPLETED',
          level: 1,
          attempts: 1,
          agentId: 'agent-1',
          output: { seat: 1 },
          error: null,
          startedAt: expect.any(String),
          endedAt: expect.any(String),
          onCriticalPath: true,
          undo: 'DEFINED',
          task: { unit: 'flight', executionId: id },
        },
        { id: 'hotel', state: 'OPEN', agentId: 'agent-2', output: null, endedAt: null, onCriticalPath: false },
        {
          id: 'mail',
          state: 'PENDING',
          level: 2,
          attempts: 0,
          agentId: null,
          dependsOn: ['flight', 'hotel'],
          undo: null,
        },
      ],
    });
  });

  it('lists what happened to it, including assignments', async () => {
    const id = await started(SAGA);
    await api.assign([{ taskId: await work.taskIdOf(id, 'flight') }]);
    await work.complete(id, 'flight');
    const { timeline } = await ask(id, 'timeline { type unit taskId attempt agentId summary actor position }');
    expect(timeline.map(({ type, unit }: { type: string; unit: string }) => [type, unit])).toEqual([
      ['ExecutionStarted', null],
      ['TaskSubmitted', 'flight'],
      ['TaskSubmitted', 'hotel'],
      ['TaskAssigned', 'flight'],
      ['TaskCompleted', 'flight'],
    ]);
    expect(timeline[0]).toMatchObject({ summary: 'started trip@1.0.0, 3 steps', actor: 'starter' });
    expect(timeline[4]).toMatchObject({
      agentId: 'agent-1',
      attempt: 1,
      summary: expect.stringContaining('completed'),
    });
  });

  it('explains why each step does not run', async () => {
    const id = await started({
      name: 'waits',
      version: '1.0.0',
      tasks: [
        { id: 'rare', capability: 'rare-work' },
        { id: 'held', capability: 'rare-work' },
        { id: 'later', capability: 'c', dependsOn: ['rare', 'held'] },
        { id: 'go', waitFor: { kind: 'event', name: 'go', timeoutMs: 60_000 } },
        { id: 'approve', waitFor: { kind: 'decision', name: 'approval' } },
        { id: 'sleep', delayMs: 60_000 },
        { id: 'inner', workflow: { name: 'trip' } },
      ],
    } as never);
    await api.assign([{ taskId: await work.taskIdOf(id, 'held') }]);
    const why = async () => {
      const { whyNotRunning } = await ask(
        id,
        'whyNotRunning { unit reason message dependencies until name options childExecutionId taskId }',
      );
      return Object.fromEntries(whyNotRunning.map((entry: { unit: string }) => [entry.unit, entry]));
    };
    expect(await why()).toEqual({
      rare: expect.objectContaining({
        reason: 'AGENT',
        message: 'no agent registered in pool default offers rare-work',
        taskId: await work.taskIdOf(id, 'rare'),
      }),
      later: expect.objectContaining({
        reason: 'DEPENDENCY',
        message: 'waits for rare, held',
        dependencies: ['rare', 'held'],
      }),
      go: expect.objectContaining({ reason: 'EVENT', name: 'go', until: expect.any(String) }),
      approve: expect.objectContaining({ reason: 'DECISION', name: 'approval', options: ['approved', 'rejected'] }),
      sleep: expect.objectContaining({ reason: 'DELAY', until: expect.any(String) }),
      inner: expect.objectContaining({ reason: 'WORKFLOW', childExecutionId: expect.any(String) }),
    });
    await run(`pauseExecution(executionId: "${id}", reason: "audit")`);
    expect(await why()).toMatchObject({ rare: { reason: 'PAUSED' } });
    expect(await ask(id, 'status pauseReason')).toEqual({ status: 'PAUSED', pauseReason: 'audit' });
    await run(`cancelExecution(executionId: "${id}")`);
    expect(await why()).toMatchObject({ later: { reason: 'ABORTING', message: 'no more steps start: cancelled' } });
  });

  it('shows what a step got and gave, up to a size', async () => {
    const id = await started(SAGA, { input: { to: 'Rome' } });
    await work.complete(id, 'flight', { seat: 1 });
    const small = await ask(id, 'steps { input(maxBytes: 13) inputBytes output(maxBytes: 9) outputBytes }');
    expect(small).toMatchObject({
      steps: [
        { input: { to: 'Rome' }, inputBytes: 13, output: null, outputBytes: 10 },
        {},
        { input: null, inputBytes: null },
      ],
    });
    expect(await ask(id, 'steps { output }')).toMatchObject({ steps: [{ output: { seat: 1 } }, {}, {}] });
    const { code } = await api.post('query ($id: ID!) { execution(id: $id) { steps { input(maxBytes: -1) } } }', {
      id,
    });
    expect(code).toBe('BAD_USER_INPUT');
  });

  it('leads to related executions', async () => {
    const id = await started(SAGA);
    await work.complete(id, 'flight');
    const fork = await run(`forkExecution(executionId: "${id}", input: { rerun: ["flight"] })`);
    expect(await ask(id, 'forks { id } children { id } parent { id }')).toEqual({
      forks: [{ id: fork['executionId'] }],
      children: [],
      parent: null,
    });
    expect(await ask(String(fork['executionId']), 'forkedFrom { id } steps { id state reused }')).toMatchObject({
      forkedFrom: { id },
    });
  });

  it('previews the compensation exactly as it then happens', async () => {
    const id = await started(SAGA);
    await work.complete(id, 'flight');
    const preview = 'previewCompensation { strategy undos { unit after } mayBeOwed message }';
    expect((await ask(id, preview)).previewCompensation).toEqual({
      strategy: 'BACKWARD',
      undos: [{ unit: 'flight', after: [] }],
      mayBeOwed: ['hotel'],
      message: '1 to be compensated; hotel may need compensation too, which is known once they end',
    });
    await work.complete(id, 'hotel');
    const foreseen = (await ask(id, preview)).previewCompensation.undos;
    expect(await ask(id, 'previewCompensation(strategy: PARALLEL) { undos { unit after } }')).toMatchObject({
      previewCompensation: { undos: [{ after: [] }, { after: [] }] },
    });
    await work.fail(id, 'mail');
    const { compensation } = await work.stateOf(id);
    expect([...compensation!.units.values()].map(({ unit, after }) => ({ unit, after }))).toEqual(foreseen);
  });

  it('waits for a person when compensations have failed', async () => {
    const id = await started(SAGA);
    await work.complete(id, 'flight');
    await work.complete(id, 'hotel');
    await work.fail(id, 'mail');
    await api.assign([{ taskId: await work.taskIdOf(id, '~hotel') }]);
    await work.fail(id, '~hotel');
    expect(
      await ask(
        id,
        `status error { code } debtsOpen debtsParked currentPhase compensationDebts { unit status error { code } task { unit failures } }
         whyNotRunning { unit reason message } steps { id undo }`,
      ),
    ).toMatchObject({
      status: 'COMPENSATION_FAILED',
      error: { code: 'BOOM' },
      debtsOpen: 2,
      debtsParked: 1,
      currentPhase: 'compensating: 0 of 2 done',
      compensationDebts: expect.arrayContaining([
        { unit: 'hotel', status: 'PARKED', error: { code: 'BOOM' }, task: { unit: '~hotel', failures: 1 } },
        { unit: 'flight', status: 'OWED', error: null, task: null },
      ]),
      whyNotRunning: [
        { unit: '~hotel', reason: 'PARKED', message: 'parked: BOOM' },
        { unit: '~flight', reason: 'UNDO_ORDER', message: 'waits for the compensation of hotel' },
      ],
      steps: [
        { id: 'flight', undo: 'OWED' },
        { id: 'hotel', undo: 'PARKED' },
        { id: 'mail', undo: null },
      ],
    });
    const open = async (filter: object) => {
      const query = `query ($f: CompensationDebtFilter, $p: Position) { compensationDebts(filter: $f, atLeast: $p) {
        totalCount nodes { executionId unit handedOverTo } } }`;
      return (await api.post(query, { f: { executionId: id, ...filter }, p: await head() })).data.compensationDebts;
    };
    await run(`handOverCompensation(executionId: "${id}", unit: "hotel", to: "Kim")`);
    expect(await open({})).toEqual({ totalCount: 1, nodes: [{ executionId: id, unit: 'hotel', handedOverTo: 'Kim' }] });
    expect((await open({ statuses: ['OWED'] })).totalCount).toBe(1);
    await run(`skipCompensation(executionId: "${id}", unit: "hotel", reason: "by phone")`);
    expect((await open({})).totalCount).toBe(0);
    const metrics = await (await fetch(`${api.url}/metrics`)).text();
    expect(metrics).toMatch(/^baton_compensations_parked \d+$/m);
  });
});

describe('a list of executions', () => {
  it('is filtered and counted', async () => {
    const id = await started({ ...SAGA, name: 'listed' }, { tags: ['listed'] });
    const { data } = await api.post(
      `query ($f: ExecutionFilter, $p: Position) { executions(filter: $f, atLeast: $p) { totalCount nodes { id status currentPhase } } }`,
      { f: { workflow: 'listed', statuses: ['EXECUTING'], tags: ['listed'], text: null }, p: await head() },
    );
    expect(data.executions).toEqual({
      totalCount: 1,
      nodes: [{ id, status: 'EXECUTING', currentPhase: '1 of 2: flight, hotel' }],
    });
  });
});

describe('the related data of executions', () => {
  it('needs one query to Postgres per kind, for any number of executions', async () => {
    await work.publish({ ...SAGA, name: 'many' });
    const ids = await Promise.all(Array.from({ length: 10 }, () => work.start({ workflow: 'many' })));
    const outer = await started({
      name: 'outer',
      version: '1.0.0',
      tasks: [{ id: 'inner', workflow: { name: 'many' } }],
    } as never);
    const { waiting } = (await work.stateOf(outer)).steps.get(0);
    const child = { executionId: waiting!.childId!, name: 'many', input: null };
    await startChildExecution(
      api.commands,
      { tenant: 'default', actor: 'outer' },
      { ...child, parent: { executionId: outer, unit: 'inner' } },
    );
    const query = `query ($p: Position) { executions(filter: { workflow: "many" }, first: 11, atLeast: $p) {
      nodes { id input output definition { taskCount } compensationDebts { unit } parent { id } children { id } forks { id } } } }`;
    let nodes: { id: string; parent: { id: string } | null }[] = [];
    const position = await head();
    const statements = await api.statementsOf(async () => {
      nodes = (await api.post(query, { p: position })).data.executions.nodes;
    });
    expect(nodes.map(({ id }) => id).toSorted()).toEqual([...ids, child.executionId].toSorted());
    expect(nodes[0]).toMatchObject({ id: child.executionId, parent: { id: outer } });
    expect(await ask(outer, 'children { id parentStep }')).toEqual({
      children: [{ id: child.executionId, parentStep: 'inner' }],
    });
    // The page, and inputs, outputs, definitions, debts, parents, children, forks; freshness may poll.
    expect(statements).toBeLessThanOrEqual(9);
  });
});

describe('executions of another version', () => {
  it('are checked and moved, either the named ones or all that run', async () => {
    const definition = { ...SAGA, name: 'moving' };
    const one = await started(definition);
    const two = await work.start({ workflow: 'moving' });
    await work.publish({ ...definition, version: '2.0.0', description: 'another text' });
    const migrate = async (input: object) => {
      const query = `mutation ($input: MigrateExecutionsInput!, $p: Position) { migrateExecutions(workflow: "moving", input: $input, atLeast: $p) {
        dryRun moves cannotMove verdicts { executionId verdict reasons } } }`;
      return (await api.post(query, { input, p: await head() })).data.migrateExecutions;
    };
    expect(await migrate({ version: '2.0.0', dryRun: true })).toEqual({
      dryRun: true,
      moves: 2,
      cannotMove: 0,
      verdicts: [one, two].map((executionId) => ({ executionId, verdict: 'MOVES', reasons: [] })),
    });
    expect(await migrate({ version: '2.0.0', executionIds: [one.toUpperCase()] })).toMatchObject({ moves: 1 });
    expect(await migrate({ version: '2.0.0', fromVersion: '1.0.0' })).toMatchObject({
      verdicts: [{ executionId: two, verdict: 'MOVES' }],
    });
    expect(await ask(two, 'version definition { description }')).toEqual({
      version: '2.0.0',
      definition: { description: 'another text' },
    });
  });
});

describe('a task that an execution runs', () => {
  it('is not cancelled or redriven on its own: the answer names the execution and the mutation to use', async () => {
    const id = await started(SAGA);
    const taskId = await work.taskIdOf(id, 'flight');
    await ask(id, 'id');
    const refused = '... on TaskRejected { reason message executionId }';
    const { data } = await api.post(
      `mutation ($t: ID!) { cancelTask(taskId: $t) { ${refused} } redriveTask(taskId: $t) { ${refused} } }`,
      { t: taskId },
    );
    expect(data).toEqual({
      cancelTask: {
        reason: 'TaskOfExecution',
        message: `the task is flight of execution ${id}: use cancelExecution or skipStep`,
        executionId: id,
      },
      redriveTask: {
        reason: 'TaskOfExecution',
        message: `the task is flight of execution ${id}: use retryExecution or retryCompensation`,
        executionId: id,
      },
    });
  });
});
