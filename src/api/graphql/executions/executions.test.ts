import { createClient } from 'graphql-sse';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../../../../test/support/api-harness.ts';
import { commandsOver } from '../../../../test/support/fake-ports.ts';
import { TRIP, workingFor } from '../../../../test/support/saga.ts';

let api: TestApi;
let work: ReturnType<typeof workingFor>;
beforeEach(async () => {
  api = await startApi();
  // Another process: it works for executions while the API's own handlers keep their caches.
  work = workingFor(commandsOver(api.store));
});
afterEach(() => api.stop());

const types = async (): Promise<string[]> => (await api.events()).map(({ type }) => type);
const count = async (): Promise<number> => (await api.events()).length;

const ACCEPTED = '... on ExecutionAccepted { executionId position repeated }';
const REJECTED = '... on ExecutionRejected { reason message status step unit options names suggestion }';
const ONCE = { kind: 'immediate', maxAttempts: 1 } as const;

const PUBLISH = `mutation ($definition: JSON!, $key: String) {
  publishWorkflow(definition: $definition, idempotencyKey: $key) {
    ... on WorkflowAccepted { name version position repeated warnings { pointer code } }
    ... on WorkflowRejected { reason message version digest }
  }
}`;
const START = `mutation ($input: StartExecutionInput!, $key: String) {
  startExecution(input: $input, idempotencyKey: $key) { ${ACCEPTED} ${REJECTED} }
}`;

const publish = (definition: unknown, key?: string) => api.post(PUBLISH, { definition, key });
const start = async (input: object = {}): Promise<string> => {
  const { body } = await api.post(START, { input: { workflow: 'trip', ...input } });
  return body.data.startExecution.executionId;
};
/** A mutation of one execution by the text of its arguments. */
const run = async (mutation: string, id: string, args = '') => {
  const { status, body } = await api.post(
    `mutation { answer: ${mutation}(executionId: "${id}"${args && `, ${args}`}) { ${ACCEPTED} ${REJECTED} } }`,
  );
  return {
    status,
    answer: body.data?.answer,
    issues: body.errors?.[0].extensions.issues,
    code: body.errors?.[0].extensions.code,
  };
};

const SAGA = {
  ...TRIP,
  tasks: [
    { ...TRIP.tasks[0], compensation: { role: 'canceller', retry: ONCE } },
    { ...TRIP.tasks[1], compensation: { role: 'canceller', retry: ONCE }, retry: ONCE },
    { ...TRIP.tasks[2], retry: ONCE },
  ],
};
/** No compensations: a failure is the end until somebody retries. */
const PLAIN = {
  name: 'trip',
  version: '1.0.0',
  tasks: [
    { id: 'a', capability: 'c', retry: ONCE },
    { id: 'b', capability: 'c', dependsOn: ['a'] },
    { id: 'ok', waitFor: { kind: 'decision', name: 'approval', options: ['yes', 'no'] }, dependsOn: ['b'] },
  ],
};

describe('publishing a workflow', () => {
  it('records the definition unchanged, including nulls inside', async () => {
    const definition = { ...TRIP, tasks: [{ id: 'one', capability: 'c', input: { a: null, input: null } }] };
    const { body } = await publish(definition);
    expect(body.data.publishWorkflow).toMatchObject({ name: 'trip', version: '1.0.0', repeated: false });
    const [event] = await api.events();
    expect(event).toMatchObject({
      type: 'WorkflowPublished',
      data: { definition: { tasks: [{ input: { a: null, input: null } }] } },
      metadata: { actor: 'anonymous' },
    });
  });

  it('again changes nothing; other content under the same version is refused with the digest of the published one', async () => {
    const first = await publish(TRIP);
    const again = await publish(TRIP);
    expect(again.body.data.publishWorkflow).toEqual({ ...first.body.data.publishWorkflow, repeated: true });
    const other = await publish({ ...TRIP, description: 'other' });
    expect(other.body.data.publishWorkflow).toMatchObject({
      reason: 'VersionTaken',
      version: '1.0.0',
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(await types()).toEqual(['WorkflowPublished']);
  });

  it('twice under one key publishes once; with another body it is refused', async () => {
    const first = await publish(TRIP, 'k');
    expect((await publish(TRIP, 'k')).body.data.publishWorkflow).toEqual({
      ...first.body.data.publishWorkflow,
      repeated: true,
    });
    expect(await publish({ ...TRIP, description: 'x' }, 'k')).toMatchObject({
      status: 422,
      code: 'IDEMPOTENCY_KEY_REUSED',
    });
    expect(await types()).toEqual(['WorkflowPublished']);
  });

  it('warns of probable mistakes', async () => {
    const { body } = await publish(TRIP);
    expect(body.data.publishWorkflow.warnings).toEqual([{ pointer: '/tasks/2', code: 'NO_COMPENSATION' }]);
  });

  it.each([
    [null, '/definition', undefined],
    [5, '/definition', 'WRONG_TYPE'],
    [[], '/definition', 'WRONG_TYPE'],
    [{ ...TRIP, version: '1' }, '/definition/version', undefined],
    [{ ...TRIP, surplus: 1 }, '/definition/surplus', 'UNKNOWN_FIELD'],
    [{ ...TRIP, tasks: [] }, '/definition/tasks', 'OUT_OF_RANGE'],
    [
      { ...TRIP, tasks: [{ id: 'a', capability: 'c', dependsOn: ['a'] }] },
      '/definition/tasks/0/dependsOn/0',
      'SELF_DEPENDENCY',
    ],
    [{ ...TRIP, tasks: [{ id: 'a' }] }, '/definition/tasks/0', 'ONE_THING_ONLY'],
    [{ ...TRIP, tasks: [{ id: 'a', role: 'nobody' }] }, '/definition/tasks/0/role', 'UNKNOWN_ROLE'],
    [{ ...TRIP, tasks: [{ id: 'a', capability: 'c', when: '((' }] }, '/definition/tasks/0/when', 'BAD_EXPRESSION'],
  ])('with an invalid definition reports the place: %j', async (definition, pointer, code) => {
    const { status, body } = await publish(definition);
    expect(status).toBe(400);
    const { issues } = body.errors[0].extensions;
    if (code) expect(issues[0]).toMatchObject({ pointer, code });
    expect(await count()).toBe(0);
    const planned = await api.post('query ($d: JSON!) { planWorkflow(definition: $d) { criticalPath } }', {
      d: definition,
    });
    expect(planned.status).toBe(400);
  });

  it('may be tried out without recording anything', async () => {
    const query = 'query ($d: JSON!) { planWorkflow(definition: $d) { criticalPath levels warnings { code } } }';
    expect((await api.post(query, { d: TRIP })).body.data.planWorkflow).toEqual({
      criticalPath: ['flight', 'mail'],
      levels: [['flight', 'hotel'], ['mail']],
      warnings: [{ code: 'NO_COMPENSATION' }],
    });
    expect(await count()).toBe(0);
  });
});

describe('retiring a version', () => {
  const retire = async (mutation: string, version = '1.0.0', name = 'trip') =>
    api.post(`mutation { answer: ${mutation}(name: "${name}", version: "${version}", reason: "old") {
      ... on WorkflowAccepted { name version repeated } ... on WorkflowRejected { reason message version } } }`);

  it('keeps new executions from using it', async () => {
    await publish(TRIP);
    expect((await retire('deprecateWorkflow')).body.data.answer).toEqual({
      name: 'trip',
      version: '1.0.0',
      repeated: false,
    });
    expect((await retire('deprecateWorkflow')).body.data.answer).toMatchObject({ repeated: true });
    const deprecated = await api.post(START, { input: { workflow: 'trip' } });
    expect(deprecated.body.errors[0].extensions.issues).toMatchObject([
      { pointer: '/input/version', code: 'VERSION_NOT_FOUND' },
    ]);
    await retire('archiveWorkflow');
    const archived = await api.post(START, { input: { workflow: 'trip', version: '1.0.0' } });
    expect(archived.body.errors[0].extensions.issues).toMatchObject([{ code: 'VERSION_ARCHIVED' }]);
    expect((await retire('deprecateWorkflow')).body.data.answer).toMatchObject({ reason: 'VersionArchived' });
    expect(await types()).toEqual(['WorkflowPublished', 'WorkflowDeprecated', 'WorkflowArchived']);
  });

  it('is refused for a version that does not exist', async () => {
    await publish(TRIP);
    expect((await retire('archiveWorkflow', '9.9.9')).body.data.answer).toMatchObject({
      reason: 'VersionNotFound',
      version: '9.9.9',
    });
    expect(await retire('archiveWorkflow', '1.0.0', 'nope')).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    expect(await types()).toEqual(['WorkflowPublished']);
  });
});

describe('starting an execution', () => {
  it('records it with its input and the inputs of its steps unchanged', async () => {
    await publish(TRIP);
    await start({ input: { to: null }, inputs: { hotel: { stars: null } }, tags: ['x'], version: null });
    const events = await api.events();
    expect(events.map(({ type }) => type)).toEqual([
      'WorkflowPublished',
      'ExecutionStarted',
      'TaskSubmitted',
      'TaskSubmitted',
    ]);
    expect(events[1]?.data).toMatchObject({ input: { to: null }, inputs: { hotel: { stars: null } }, tags: ['x'] });
    expect(events[3]?.data).toMatchObject({ unit: 'hotel', input: { stars: null } });
  });

  it('twice under one key starts one execution; another body is refused', async () => {
    await publish(TRIP);
    const first = await api.post(START, { input: { workflow: 'trip' }, key: 'k' });
    const again = await api.post(START, { input: { workflow: 'trip', input: null }, key: 'k' });
    expect(again.body.data.startExecution).toEqual({ ...first.body.data.startExecution, repeated: true });
    const other = await api.post(START, { input: { workflow: 'trip', input: 1 }, key: 'k' });
    expect(other).toMatchObject({ status: 422, code: 'IDEMPOTENCY_KEY_REUSED' });
    expect(await count()).toBe(4);
  });

  it.each([
    [{ workflow: '' }, '/input/workflow', 'OUT_OF_RANGE'],
    [{ workflow: 'trip', version: '9.9.9' }, '/input/version', 'VERSION_NOT_FOUND'],
    [{ workflow: 'trip', inputs: { nope: 1 } }, '/input/inputs/nope', 'UNKNOWN_TASK'],
    [{ workflow: 'trip', inputs: 5 }, '/input/inputs', 'WRONG_TYPE'],
    [{ workflow: 'trip', tags: [''] }, '/input/tags/0', 'OUT_OF_RANGE'],
    [{ workflow: 'trip', input: 'x'.repeat(300_000) }, '/input/input', undefined],
  ])('with bad input records nothing: %.60j', async (input, pointer, code) => {
    await publish(TRIP);
    const { status, body } = await api.post(START, { input });
    expect(status).toBe(400);
    expect(body.errors[0].extensions.issues).toMatchObject([code ? { pointer, code } : { pointer }]);
    expect(await types()).toEqual(['WorkflowPublished']);
  });

  it('of a workflow that does not exist answers NOT_FOUND', async () => {
    expect(await api.post(START, { input: { workflow: 'nope' } })).toMatchObject({ status: 404, code: 'NOT_FOUND' });
  });
});

describe('commands of an execution', () => {
  it('pause and resume it, each once under one key', async () => {
    await publish(PLAIN);
    const id = await start();
    const first = await run('pauseExecution', id, 'reason: "audit", idempotencyKey: "p"');
    const again = await run('pauseExecution', id, 'reason: "audit", idempotencyKey: "p"');
    expect(again.answer).toEqual({ ...first.answer, repeated: true });
    expect((await run('pauseExecution', id, 'reason: "x", idempotencyKey: "p"')).code).toBe('IDEMPOTENCY_KEY_REUSED');
    expect((await run('pauseExecution', id)).answer).toMatchObject({
      reason: 'ExecutionNotPausable',
      status: 'paused',
    });
    expect((await run('resumeExecution', id.toUpperCase())).answer).toMatchObject({ executionId: id });
    expect((await run('resumeExecution', id)).answer).toMatchObject({
      reason: 'ExecutionNotPaused',
      message: 'the execution is executing, not paused',
    });
    expect((await types()).slice(-2)).toEqual(['ExecutionPaused', 'ExecutionResumed']);
  });

  it('accept only decisions that the step offers', async () => {
    await publish(PLAIN);
    const id = await start();
    expect((await run('decideStep', id, 'step: "ok", option: "yes"')).answer).toMatchObject({
      reason: 'StepNotWaiting',
      step: 'ok',
      status: 'pending',
    });
    await work.complete(id, 'a');
    await work.complete(id, 'b');
    expect((await run('decideStep', id, 'step: "ok", option: "maybe"')).answer).toMatchObject({
      reason: 'UnknownOption',
      options: ['yes', 'no'],
    });
    expect((await run('decideStep', id, 'step: "nope", option: "yes"')).answer).toMatchObject({
      reason: 'StepNotFound',
    });
    expect((await run('decideStep', id, 'step: "ok", option: "yes", comment: null')).answer).toMatchObject({
      executionId: id,
    });
    expect((await types()).at(-1)).toBe('ExecutionCompleted');
    expect((await run('cancelExecution', id)).answer).toMatchObject({
      reason: 'ExecutionNotCancellable',
      status: 'completed',
    });
  });

  it('deliver events from outside, whatever their payload', async () => {
    await publish({ ...PLAIN, tasks: [{ id: 'wait', waitFor: { kind: 'event', name: 'paid' } }] });
    const id = await start();
    expect((await run('signalExecution', id, 'name: "not here"')).issues).toMatchObject([
      { pointer: '/name', code: 'BAD_FORMAT' },
    ]);
    const before = await count();
    expect((await run('signalExecution', id, 'name: "piad"')).answer).toMatchObject({
      reason: 'UnknownSignal',
      message: 'no step of the workflow waits for an event piad (did you mean paid?); it waits for paid',
      names: ['paid'],
      suggestion: 'paid',
    });
    expect(await count()).toBe(before);
    await run('signalExecution', id, 'name: "paid", payload: { amount: null }');
    const events = await api.events();
    expect(events.at(-1)).toMatchObject({ type: 'ExecutionCompleted', data: { output: { wait: { amount: null } } } });
    expect((await run('signalExecution', id, 'name: "paid"')).answer).toMatchObject({ reason: 'ExecutionEnded' });
  });

  it('retry a failed one, with another input, or skip what failed', async () => {
    await publish(PLAIN);
    const id = await start();
    expect((await run('retryExecution', id)).answer).toMatchObject({
      reason: 'ExecutionNotRetryable',
      status: 'executing',
    });
    await work.fail(id, 'a');
    expect((await run('retryExecution', id, 'input: 1')).answer).toMatchObject({ reason: 'StepTakesNoInput' });
    expect((await run('retryExecution', id, 'step: "b"')).answer).toMatchObject({
      reason: 'StepNotRetryable',
      step: 'b',
    });
    await run('retryExecution', id, 'step: "a", input: { again: null }');
    expect((await api.events()).at(-1)).toMatchObject({ type: 'TaskSubmitted', data: { input: { again: null } } });
    await work.fail(id, 'a');
    expect((await run('skipStep', id, 'step: "a", reason: ""')).issues).toMatchObject([{ pointer: '/reason' }]);
    expect((await run('skipStep', id, 'step: "a", reason: "not needed"')).answer).toMatchObject({ executionId: id });
    expect((await run('skipStep', id, 'step: "a", reason: "again"')).answer).toMatchObject({
      reason: 'StepNotSkippable',
      status: 'skipped',
    });
    await work.complete(id, 'b');
    await run('skipStep', id, 'step: "ok", reason: "nobody is here"');
    expect((await run('skipStep', id, 'step: "b", reason: "too late"')).answer).toMatchObject({
      reason: 'ExecutionEnded',
      status: 'completed',
    });
  });

  it('fork it', async () => {
    await publish(PLAIN);
    const id = await start();
    await work.complete(id, 'a');
    const first = await run('forkExecution', id, 'input: { rerun: ["a"] }, idempotencyKey: "f"');
    const again = await run('forkExecution', id, 'input: { rerun: ["a"] }, idempotencyKey: "f"');
    expect(again.answer).toEqual({ ...first.answer, repeated: true });
    const bad = await run('forkExecution', id, 'input: { rerun: ["nope"], revision: 0 }');
    expect(bad.issues).toMatchObject([{ pointer: '/input/rerun/0', code: 'UNKNOWN_TASK' }]);
    expect((await run('forkExecution', id, 'input: { revision: 999 }')).issues).toMatchObject([
      { pointer: '/input/revision', code: 'OUT_OF_RANGE' },
    ]);
    expect((await run('forkExecution', id)).answer.executionId).not.toBe(id);
  });

  it('cancel it with compensation, and close what could not be compensated', async () => {
    await publish(SAGA);
    const id = await start();
    await work.complete(id, 'flight');
    await work.fail(id, 'hotel');
    expect((await run('retryCompensation', id, 'unit: "hotel"')).answer).toMatchObject({
      reason: 'CompensationNotFound',
      unit: 'hotel',
    });
    expect((await run('skipCompensation', id, 'unit: "flight", reason: "x"')).answer).toMatchObject({
      reason: 'CompensationNotParked',
      status: 'open',
    });
    await work.fail(id, '~flight');
    expect((await run('handOverCompensation', id, 'unit: "flight", to: ""')).issues).toMatchObject([
      { pointer: '/to' },
    ]);
    expect((await run('handOverCompensation', id, 'unit: "flight", to: "Kim"')).answer).toMatchObject({
      executionId: id,
    });
    expect((await run('retryCompensation', id, 'unit: "[]"')).issues).toMatchObject([{ pointer: '/unit' }]);
    await run('retryCompensation', id, 'unit: "flight", input: { by: null }');
    expect((await api.events()).at(-1)?.data).toMatchObject({ unit: '~flight', input: { by: null } });
    await work.fail(id, '~flight');
    await run('skipCompensation', id, 'unit: "flight", reason: "by phone"');
    expect((await types()).slice(-2)).toEqual(['CompensationSkipped', 'ExecutionCompensated']);
  });

  it('are refused where compensation is impossible', async () => {
    await publish({ ...SAGA, tasks: [{ ...SAGA.tasks[0], pivot: true }, SAGA.tasks[2], SAGA.tasks[1]] });
    const id = await start();
    await work.complete(id, 'flight');
    expect((await run('cancelExecution', id, 'compensate: true, strategy: PARALLEL')).answer).toMatchObject({
      reason: 'PivotPassed',
    });
    expect((await run('cancelExecution', id, 'reason: "enough"')).answer).toMatchObject({ executionId: id });
  });

  it.each(['nope', '', '00000000-0000-4000-8000-000000000000', '../x'])('find no execution under %s', async (id) => {
    for (const mutation of ['pauseExecution', 'resumeExecution', 'cancelExecution', 'retryExecution', 'forkExecution'])
      expect(await run(mutation, id)).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    expect(await count()).toBe(0);
  });
});

describe('moving executions to another version', () => {
  const migrate = (input: object) =>
    api.post(
      `mutation ($input: MigrateExecutionsInput!) { migrateExecutions(workflow: "trip", input: $input) {
        dryRun moves cannotMove verdicts { executionId verdict reasons } } }`,
      { input },
    );

  it('reports the outcome for each', async () => {
    await publish(PLAIN);
    const id = await start();
    await publish({
      ...PLAIN,
      version: '2.0.0',
      tasks: PLAIN.tasks.slice(1).map((task) => ({ ...task, dependsOn: [] })),
    });
    const nobody = '00000000-0000-4000-8000-000000000000';
    const input = { version: '2.0.0', executionIds: [id, nobody] };
    const before = await count();
    expect((await migrate({ ...input, dryRun: true })).body.data.migrateExecutions).toMatchObject({
      dryRun: true,
      moves: 0,
      cannotMove: 1,
      verdicts: [
        { executionId: id, verdict: 'CANNOT_MOVE', reasons: [expect.stringContaining('a is open')] },
        { executionId: nobody, verdict: 'NOT_FOUND' },
      ],
    });
    expect(
      (await migrate({ ...input, mapping: { a: 'b', b: null } })).body.data.migrateExecutions.verdicts[0],
    ).toMatchObject({
      verdict: expect.stringMatching(/MOVES|CANNOT_MOVE/),
    });
    expect(await count()).toBeGreaterThanOrEqual(before);
  });

  it.each([
    [{ version: '9.9.9', executionIds: [] }, '/input/version', 'VERSION_NOT_FOUND'],
    [{ version: '1.0.0', executionIds: ['x'] }, '/input/executionIds/0', undefined],
    [{ version: '1.0.0', executionIds: [], mapping: 5 }, '/input/mapping', 'WRONG_TYPE'],
  ])('with bad input moves nothing: %j', async (input, pointer, code) => {
    await publish(PLAIN);
    const { status, body } = await migrate(input);
    expect(status).toBe(400);
    expect(body.errors[0].extensions.issues).toMatchObject([code ? { pointer, code } : { pointer }]);
    expect(await types()).toEqual(['WorkflowPublished']);
  });
});

describe('following an execution', () => {
  const FOLLOW = `subscription ($id: ID!, $from: Position) {
    executionChanged(executionId: $id, fromPosition: $from) { position executionId entry { type unit summary actor } }
  }`;
  const follow = (variables: Record<string, unknown>) =>
    createClient({ url: `${api.url}/graphql`, retryAttempts: 0 }).iterate({ query: FOLLOW, variables });

  it('sends every event once, from the position on and then live', async () => {
    await publish(PLAIN);
    const id = await start();
    const frames = follow({ id, from: '0' });
    // biome-ignore lint/suspicious/noExplicitAny: frames of any shape
    const next = async () => ((await frames.next()).value as any).data.executionChanged;
    const first = await next();
    expect(first).toMatchObject({ executionId: id, entry: { type: 'ExecutionStarted', actor: 'anonymous' } });
    expect((await next()).entry).toMatchObject({ type: 'TaskSubmitted', unit: 'a' });
    await run('pauseExecution', id, 'reason: "audit"');
    const paused = await next();
    expect(paused.entry).toMatchObject({ type: 'ExecutionPaused', summary: 'paused: audit' });
    await frames.return?.();
    const resumed = follow({ id, from: paused.position });
    await run('resumeExecution', id);
    // biome-ignore lint/suspicious/noExplicitAny: frames of any shape
    expect(((await resumed.next()).value as any).data.executionChanged.entry.type).toBe('ExecutionResumed');
    await resumed.return?.();
  });

  it('is refused for an execution that does not exist', async () => {
    const frames = follow({ id: '00000000-0000-4000-8000-000000000000' });
    expect((await frames.next()).value).toMatchObject({ errors: [{ extensions: { code: 'NOT_FOUND' } }] });
  });
});
