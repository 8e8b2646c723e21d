import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../../../test/support/api-harness.ts';
import { CALLER, GATE, startGate } from '../../../test/support/execution-fixtures.ts';
import { commandsOver } from '../../../test/support/fake-ports.ts';
import { pauseExecution } from '../../commands/execution/pause-execution.ts';
import { systemClock } from '../../platform/clock.ts';
import { callersOf } from '../edge/caller.ts';
import { MAX_BODY_BYTES } from '../edge/json-body.ts';
import { ExecutionStatusView } from './execution-status.ts';
import { ExecutionAccepted } from './on-execution.ts';
import { openApiDocument } from './openapi.ts';
import { Problem, REST_PATH } from './operation.ts';
import { restRouter } from './router.ts';
import { PublishedWorkflow } from './workflows.ts';
import { MAX_YAML_BYTES } from './yaml-body.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const WORKFLOWS = `${REST_PATH}/workflows`;
const JSON_HEADERS = { 'content-type': 'application/json' };

const call = async (method: string, path: string, body?: BodyInit, headers: Record<string, string> = JSON_HEADERS) => {
  const response = await fetch(`${api.url}${path}`, {
    method,
    headers: body === undefined && headers === JSON_HEADERS ? {} : headers,
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape
  const answer = (response.headers.get('content-type') ?? '').includes('json') ? (JSON.parse(text) as any) : undefined;
  return { status: response.status, headers: response.headers, text, body: answer };
};
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  call('POST', path, JSON.stringify(body), { ...JSON_HEADERS, ...headers });

const definition = (name: string, version = '1.0.0') => ({ ...GATE, name, version });
const startOf = async (name: string): Promise<string> => {
  await post(WORKFLOWS, definition(name));
  return (await post(`${WORKFLOWS}/${name}/execute`, {})).body.executionId;
};
/** Runs without recording anything. */
const recordsNothing = async <T>(run: () => Promise<T>): Promise<T> => {
  const before = (await api.events()).length;
  const result = await run();
  expect((await api.events()).length).toBe(before);
  return result;
};

describe('publishing a workflow', () => {
  it('returns what identifies the version, and the same again for a repeat', async () => {
    const first = await post(WORKFLOWS, definition('publish'));
    expect(first.status).toBe(201);
    expect(PublishedWorkflow.parse(first.body)).toMatchObject({ name: 'publish', version: '1.0.0', repeated: false });
    const again = await recordsNothing(() => post(WORKFLOWS, definition('publish')));
    expect(again).toMatchObject({ status: 201, body: { digest: first.body.digest, repeated: true } });
  });

  it('accepts YAML with the same content', async () => {
    const yaml = 'name: yaml\nversion: "1.0.0"\ntasks:\n  - id: wait\n    waitFor: {kind: event, name: go}\n';
    for (const type of ['application/yaml', 'text/yaml; charset=utf-8', 'application/x-yaml'])
      expect((await call('POST', WORKFLOWS, yaml, { 'content-type': type })).status).toBe(201);
    expect((await post(WORKFLOWS, definition('yaml'))).body).toMatchObject({ repeated: true });
  });

  it('refuses other content under the same version', async () => {
    await post(WORKFLOWS, definition('taken'));
    const other = { ...definition('taken'), description: 'other' };
    const { status, body } = await recordsNothing(() => post(WORKFLOWS, other));
    expect({ status, body }).toMatchObject({
      status: 409,
      body: { code: 'REJECTED', retryable: false, details: { reason: 'VersionTaken', version: '1.0.0' } },
    });
    expect(Problem.parse(body).detail).toContain('publish another version');
  });

  it('reports every mistake with its place', async () => {
    const { status, headers, body } = await recordsNothing(() =>
      post(WORKFLOWS, { ...definition('bad'), nmae: 'x', tasks: [{ id: 'a', dependsOn: ['b'], delayMs: -1 }, {}] }),
    );
    expect(status).toBe(400);
    expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(Problem.parse(body)).toMatchObject({
      type: 'urn:baton:problem:bad-user-input',
      code: 'BAD_USER_INPUT',
      instance: WORKFLOWS,
      issues: [
        { pointer: '/tasks/0/delayMs' },
        { pointer: '/tasks/1/id' },
        { pointer: '/nmae', code: 'UNKNOWN_FIELD' },
      ],
    });
  });

  it('refuses a graph with a cycle', async () => {
    const tasks = ['a', 'b'].map((id, index) => ({ id, delayMs: 1, dependsOn: [index === 0 ? 'b' : 'a'] }));
    const { status, body } = await recordsNothing(() => post(WORKFLOWS, { ...definition('cycle'), tasks }));
    expect({ status, body }).toMatchObject({ status: 400, body: { issues: [{ code: 'CYCLE' }] } });
  });
});

describe('executing a workflow', () => {
  it('is accepted, and `Location` is its status', async () => {
    await post(WORKFLOWS, definition('run'));
    const { status, headers, body } = await post(`${WORKFLOWS}/run/execute`, { input: { n: 1 }, tags: ['t'] });
    expect(status).toBe(202);
    const { executionId } = ExecutionAccepted.parse(body);
    expect(headers.get('location')).toBe(`${WORKFLOWS}/${executionId}/status`);
    expect((await call('GET', headers.get('location') as string)).body).toMatchObject({ executionId, tags: ['t'] });
  });

  it('needs no body', async () => {
    await post(WORKFLOWS, definition('plain'));
    expect((await call('POST', `${WORKFLOWS}/plain/execute`)).status).toBe(202);
  });

  it('returns the same execution for the same key, and refuses the key for another body', async () => {
    await post(WORKFLOWS, definition('keyed'));
    const key = { 'idempotency-key': '"one"' };
    const first = await post(`${WORKFLOWS}/keyed/execute`, { input: 1 }, key);
    const again = await recordsNothing(() => post(`${WORKFLOWS}/keyed/execute`, { input: 1 }, key));
    expect(again.body).toEqual({ ...first.body, repeated: true });
    const reused = await recordsNothing(() => post(`${WORKFLOWS}/keyed/execute`, { input: 2 }, key));
    expect(reused).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
  });

  it.each([
    ['nope', {}, 404, 'NOT_FOUND'],
    ['%00', {}, 404, 'NOT_FOUND'],
    ['..%2f..', {}, 404, 'NOT_FOUND'],
    ['__proto__', {}, 404, 'NOT_FOUND'],
    ['%', {}, 400, 'BAD_REQUEST'],
    ['gate', { version: '9.9.9' }, 400, 'BAD_USER_INPUT'],
    ['gate', { workflow: 'other' }, 400, 'BAD_USER_INPUT'],
    ['gate', { inputs: { nope: 1 } }, 400, 'BAD_USER_INPUT'],
    ['gate', { tags: 5, imput: 1 }, 400, 'BAD_USER_INPUT'],
  ])('is refused for %s with %j', async (name, body, status, code) => {
    await post(WORKFLOWS, GATE);
    const answer = await recordsNothing(() => post(`${WORKFLOWS}/${name}/execute`, body));
    expect(answer).toMatchObject({ status, body: { code } });
  });
});

describe('the status of an execution', () => {
  it('shows the state of each step', async () => {
    await post(WORKFLOWS, {
      name: 'steps',
      version: '1.0.0',
      tasks: [
        { id: 'fetch', capability: 'echo' },
        { id: 'approve', waitFor: { kind: 'decision', name: 'ok', options: ['yes', 'no'], timeoutMs: 60_000 } },
        { id: 'store', dependsOn: ['fetch', 'approve'], capability: 'echo' },
      ],
    });
    const { body } = await post(`${WORKFLOWS}/steps/execute`, {});
    const { status, body: view } = await call('GET', `${WORKFLOWS}/${body.executionId}/status`);
    expect(status).toBe(200);
    expect(ExecutionStatusView.parse(view)).toMatchObject({
      status: 'executing',
      phase: 'executing',
      workflow: { name: 'steps', version: '1.0.0' },
      progress: { total: 3, ended: 0, percent: 0, byStatus: { open: 1, waiting: 1, pending: 1, completed: 0 } },
      steps: [
        { id: 'fetch', kind: 'agent', status: 'open', attempt: 1 },
        { id: 'approve', kind: 'wait', status: 'waiting', waiting: { kind: 'decision', options: ['yes', 'no'] } },
        { id: 'store', kind: 'agent', status: 'pending' },
      ],
      output: null,
    });
  });

  it('includes what another process did, when `atLeast` is its position', async () => {
    const id = await startOf('elsewhere');
    await call('GET', `${WORKFLOWS}/${id}/status`);
    const elsewhere = commandsOver(api.store, { clock: systemClock });
    const paused = await pauseExecution(elsewhere, CALLER, id);
    const position = paused.ok ? String(paused.value.position) : '';
    expect((await call('GET', `${WORKFLOWS}/${id}/status?atLeast=${position}`)).body).toMatchObject({
      status: 'paused',
      phase: 'executing',
    });
    await expect.poll(async () => (await call('GET', `${WORKFLOWS}/${id}/status`)).body.status).toBe('paused');
  });

  it.each([
    ['nope', 404],
    ['00000000-0000-4000-8000-000000000000', 404],
    ['%00', 404],
    ['%', 400],
  ])('does not exist for %s', async (id, status) =>
    expect(await call('GET', `${WORKFLOWS}/${id}/status`)).toMatchObject({ status }),
  );

  it.each(['atLeast=', 'atLeast=x', 'atLeast=-1', 'atLeast=1&atLeast=2', 'at_least=1', 'atLeast=99999999999999999999'])(
    'refuses the query %s',
    async (query) => {
      const id = await startGate(api);
      const answer = await call('GET', `${WORKFLOWS}/${id}/status?${query}`);
      expect(answer).toMatchObject({ status: 400, body: { code: 'BAD_USER_INPUT', issues: [{}] } });
    },
  );
});

describe('pausing, resuming and cancelling', () => {
  it('change the status, and are refused when there is nothing to change', async () => {
    const id = await startOf('lifecycle');
    const statusOf = async () => (await call('GET', `${WORKFLOWS}/${id}/status`)).body.status;
    const paused = await post(`${WORKFLOWS}/${id}/pause`, { reason: 'lunch' });
    expect(paused.status).toBe(200);
    expect(ExecutionAccepted.parse(paused.body).executionId).toBe(id);
    expect(await statusOf()).toBe('paused');
    expect(await recordsNothing(() => call('POST', `${WORKFLOWS}/${id}/pause`))).toMatchObject({
      status: 409,
      body: { code: 'REJECTED', details: { reason: 'ExecutionNotPausable', status: 'paused' } },
    });
    expect((await call('POST', `${WORKFLOWS}/${id}/resume`)).status).toBe(200);
    expect(await statusOf()).toBe('executing');
    expect(await recordsNothing(() => post(`${WORKFLOWS}/${id}/resume`, {}))).toMatchObject({
      status: 409,
      body: { details: { reason: 'ExecutionNotPaused' } },
    });
    expect(await post(`${WORKFLOWS}/${id}/cancel`, { reason: 'enough' })).toMatchObject({ status: 202 });
    expect(await statusOf()).toBe('cancelled');
    expect(await recordsNothing(() => post(`${WORKFLOWS}/${id}/cancel`, {}))).toMatchObject({ status: 409 });
  });

  it('happen once for one key', async () => {
    const id = await startOf('once');
    const key = { 'idempotency-key': 'k' };
    const first = await post(`${WORKFLOWS}/${id}/pause`, {}, key);
    await call('POST', `${WORKFLOWS}/${id}/resume`);
    const again = await recordsNothing(() => post(`${WORKFLOWS}/${id}/pause`, {}, key));
    expect(again.body).toEqual({ ...first.body, repeated: true });
  });

  it.each(['pause', 'resume', 'cancel'])('%s answers 404 for an execution that does not exist', async (verb) => {
    for (const id of ['nope', '00000000-0000-4000-8000-000000000000', '%00', 'x'.repeat(5_000)])
      expect(await recordsNothing(() => post(`${WORKFLOWS}/${id}/${verb}`, {}))).toMatchObject({
        status: 404,
        body: { code: 'NOT_FOUND' },
      });
  });
});

describe('registering a pattern', () => {
  it('answers that it is not implemented yet', async () => {
    for (const body of ['{}', '{', 'x'.repeat(100_000)])
      expect(await recordsNothing(() => call('POST', `${REST_PATH}/patterns`, body))).toMatchObject({
        status: 501,
        body: { code: 'NOT_IMPLEMENTED', retryable: false },
      });
  });
});

describe('another request', () => {
  it.each([
    ['PUT', '/workflows', 'POST, GET, HEAD'],
    ['POST', '/agents/x', 'GET, HEAD, PATCH'],
    ['DELETE', '/tasks/x', 'GET, HEAD'],
    ['DELETE', '/workflows/gate/execute', 'POST'],
    ['POST', '/workflows/x/status', 'GET, HEAD'],
    ['OPTIONS', '/workflows/x/pause', 'POST'],
    ['GET', '/patterns', 'POST'],
  ])('by %s to %s is answered with the allowed methods', async (method, path, allow) => {
    const { status, headers, body } = await recordsNothing(() => call(method, `${REST_PATH}${path}`));
    expect({ status, code: body.code, allow: headers.get('allow') }).toEqual({
      status: 405,
      code: 'METHOD_NOT_ALLOWED',
      allow,
    });
  });

  it.each(['', '/', '/workflow', '/workflows/x/y', '/tasks/x/y', '/workflows/x/status/y'])(
    'is not found at %s',
    async (path) => expect(await call('GET', `${REST_PATH}${path}`)).toMatchObject({ status: 404 }),
  );
});

describe('a body that is refused', () => {
  const good = JSON.stringify(definition('never'));

  it.each([
    ['text/plain', good, 415],
    ['application/x-www-form-urlencoded', good, 415],
    ['multipart/form-data; boundary=x', good, 415],
    ['', good, 415],
    ['application/json', '', 400],
    ['application/json', '\ufeff{}', 400],
    ['application/json', `${good} x`, 400],
    ['application/json', '{"name":"a","name":"b"}', 400],
    ['application/json', `${'['.repeat(200_000)}`, 400],
    ['application/json', ' '.repeat(MAX_BODY_BYTES + 1), 413],
    ['application/yaml', '- '.repeat(20_000), 400],
    ['application/yaml', '&a [*a, *a]', 400],
    ['application/yaml', ' '.repeat(MAX_YAML_BYTES + 1), 413],
  ])('%s %.20s', async (type, body, status) => {
    const answer = await recordsNothing(() => call('POST', WORKFLOWS, body, { 'content-type': type }));
    expect(answer.status).toBe(status);
    expect(answer.body.code).toMatch(/^[A-Z_]+$/);
  });

  it('is compressed, or is not UTF-8', async () => {
    const packed = new Uint8Array(gzipSync(good));
    for (const type of ['application/json', 'application/yaml']) {
      const headers = { 'content-type': type, 'content-encoding': 'gzip' };
      expect(await call('POST', WORKFLOWS, packed, headers)).toMatchObject({ status: 415 });
      const bytes = new Uint8Array([0x22, 0xff, 0xfe, 0x22]);
      expect(await call('POST', WORKFLOWS, bytes, { 'content-type': type })).toMatchObject({
        status: 400,
        body: { code: 'INVALID_ENCODING' },
      });
    }
  });

  it.each(['x'.repeat(256), '', 'caf\u00e9'])('comes with an invalid key: %.20s', async (key) => {
    const answer = await recordsNothing(() => post(WORKFLOWS, definition('never'), { 'idempotency-key': key }));
    expect(answer).toMatchObject({ status: 400, body: { issues: [{ code: 'BAD_IDEMPOTENCY_KEY' }] } });
  });

  it('is missing in a request that a page of another site could send', async () => {
    const id = await startOf('foreign');
    for (const origin of ['http://evil.example', 'null'])
      for (const path of [`/${id}/pause`, `/${id}/cancel`, '/foreign/execute'])
        expect(await recordsNothing(() => call('POST', `${WORKFLOWS}${path}`, undefined, { origin }))).toMatchObject({
          status: 403,
          body: { code: 'FORBIDDEN' },
        });
    expect((await call('POST', `${WORKFLOWS}/${id}/pause`, undefined, { origin: api.url })).status).toBe(200);
  });
});

describe('the document', () => {
  type Layer = { readonly route?: { readonly path: string; readonly methods: Readonly<Record<string, boolean>> } };

  const documented = (): string[] =>
    Object.entries(openApiDocument('1').paths ?? {}).flatMap(([path, item]) =>
      Object.keys(item as object).map((method) => `${method} ${path}`),
    );

  it('lists exactly the routes of the router', () => {
    const { stack } = restRouter({
      callerOf: callersOf('default'),
      commands: api.commands,
      readsOf: () => expect.fail('reads nothing'),
      waits: api.waits,
      unledPools: { has: () => false },
      fleet: { discover: () => undefined },
      pools: { pools: () => expect.fail('reads nothing'), controlOf: () => undefined, expect: async () => {} },
      head: () => 0n,
      seen: () => 0n,
    }) as unknown as { stack: readonly Layer[] };
    const routed = stack.flatMap(({ route }) =>
      Object.keys(route?.methods ?? {})
        .filter((method) => method !== '_all')
        .map((method) => `${method} ${REST_PATH}${route?.path.replaceAll(/:(\w+)/g, '{$1}')}`),
    );
    expect(routed).toHaveLength(61);
    expect(documented().sort()).toEqual(routed.sort());
  });

  it('is OpenAPI 3.1, made of the schemas that validate, and has no dangling reference', async () => {
    const { status, body, text } = await call('GET', '/openapi.json');
    expect({ status, openapi: body.openapi }).toEqual({ status: 200, openapi: '3.1.0' });
    const refs = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name);
    expect(refs).toContain('TaskDefinition');
    for (const name of refs) expect(body.components.schemas).toHaveProperty(name as string);
    const { TaskDefinition, WorkflowDefinition } = body.components.schemas;
    expect(TaskDefinition).toMatchObject({
      required: ['id'],
      additionalProperties: false,
      properties: { priority: { type: 'integer', minimum: 1, maximum: 5, default: 3 } },
    });
    expect(WorkflowDefinition.properties.tasks).toMatchObject({ maxItems: 10_000 });
    const publish = body.paths[WORKFLOWS].post;
    expect(Object.keys(publish.requestBody.content)).toEqual(['application/json', 'application/yaml']);
    expect(Object.keys(body.paths[`${REST_PATH}/patterns`].post.responses)).toEqual(['501']);
  });

  it('documents every status that occurred in these tests', async () => {
    const answers = openApiDocument('1').paths?.[`${WORKFLOWS}/{id}/pause`]?.['post']?.responses;
    expect(Object.keys(answers ?? {})).toEqual(['200', '400', '403', '404', '409', '413', '415', '422', '503']);
  });

  it('is shown as a page that loads nothing from another server', async () => {
    const page = await call('GET', '/docs');
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(page.text).not.toMatch(/(?:src|href)="(?!\/docs\/)/);
    const files = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file as string);
    expect(files).toHaveLength(4);
    for (const file of files) {
      const answer = await call('GET', file);
      expect(answer.status, file).toBe(200);
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    }
    for (const file of ['package.json', 'index.html', '..%2fpackage.json', 'swagger-initializer.js'])
      expect((await call('GET', `/docs/${file}`)).status).toBe(404);
  });

  it('is linked from the first page', async () =>
    expect((await call('GET', '/')).body).toMatchObject({
      rest: WORKFLOWS,
      openapi: '/openapi.json',
      docs: '/docs',
      executionEvents: expect.stringContaining('/ws/workflows/'),
    }));
});
