import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../../../test/support/api-harness.ts';
import { GATE, startGate } from '../../../test/support/execution-fixtures.ts';
import { MAX_ISSUES } from '../../platform/errors.ts';
import { MAX_BODY_BYTES } from '../edge/json-body.ts';
import { type Operation, REST_PATH } from './operation.ts';
import { OPERATIONS } from './operations.ts';
import { pathsOf } from './router.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
  await startGate(api);
});
afterAll(() => api.stop());

type Sent = {
  readonly target?: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};

const JSON_TYPE = { 'content-type': 'application/json' };

/** The answer to a bad request: a problem, nothing recorded, and no 5xx. */
const refused = async ({ method }: Operation, path: string, { target = '', query = '', headers = {}, body }: Sent) => {
  const before = (await api.events()).length;
  const url = `${api.url}${REST_PATH}${path.replace(/\{\w+\}/, target)}${query}`;
  const response = await fetch(url, { method: method.toUpperCase(), headers, ...(body === undefined ? {} : { body }) });
  const text = await response.text();
  const problem = JSON.parse(text);
  expect(response.headers.get('content-type'), text).toContain('application/problem+json');
  expect(problem).toMatchObject({
    status: response.status,
    code: expect.stringMatching(/^[A-Z_]+$/),
    retryable: false,
  });
  expect(problem.issues?.length ?? 0).toBeLessThanOrEqual(MAX_ISSUES);
  expect(text.length).toBeLessThan(32 * 1024);
  expect((await api.events()).length).toBe(before);
  return { status: response.status, problem };
};

const operations = OPERATIONS.filter(({ id }) => id !== 'registerPattern').flatMap((operation) =>
  pathsOf(operation).map((path) => ({ name: `${operation.method.toUpperCase()} ${path}`, path, operation })),
);
const withTarget = operations.filter(({ operation }) => operation.target !== undefined);
const withBody = operations.filter(({ operation }) => operation.body !== undefined);

/** A body that names its subject correctly, so that it alone is wrong. */
const targetOf = ({ example }: Operation): string => example.target ?? GATE.name;

describe.each(operations)('$name', ({ path, operation }) => {
  it.each(['unknown=1', 'first=1&first=2', '__proto__=1', 'atLeast=%00&x=1'])('refuses the query %s', async (query) => {
    const { status, problem } = await refused(operation, path, {
      target: targetOf(operation),
      query: `?${query}`,
      headers: operation.body ? JSON_TYPE : {},
      ...(operation.body ? { body: '{}' } : {}),
    });
    expect({ status, code: problem.code }).toEqual({ status: 400, code: 'BAD_USER_INPUT' });
    expect(problem.issues[0].pointer).toMatch(/^\/(unknown|first|__proto__|atLeast|x)$/);
  });
});

describe.each(withTarget.filter(({ operation }) => operation.method !== 'get'))('$name', ({ path, operation }) => {
  it.each(['nope', '%00', '__proto__', '..%2f..', 'x'.repeat(5_000), '%E2%80%AE'])(
    'refuses the id %.20s',
    async (target) => {
      const sent = { target, headers: JSON_TYPE, body: JSON.stringify(operation.example.body ?? {}) };
      expect(await refused(operation, path, sent)).toMatchObject({ status: 404, problem: { code: 'NOT_FOUND' } });
    },
  );
});

const BODIES: readonly (readonly [body: string, type: string, status: number])[] = [
  ['', 'application/json', 400],
  ['{', 'application/json', 400],
  ['[]', 'application/json', 400],
  ['null', 'application/json', 400],
  ['"x"', 'application/json', 400],
  ['{"nope":1}', 'application/json', 400],
  ['{"__proto__":{}}', 'application/json', 400],
  ['{"a":1,"a":2}', 'application/json', 400],
  ['{"a":"\\u0000"}', 'application/json', 400],
  ['{"a":9007199254740993}', 'application/json', 400],
  [`${'['.repeat(2_000)}`, 'application/json', 400],
  ['\ufeff{}', 'application/json', 400],
  [`{"a":"${'x'.repeat(MAX_BODY_BYTES)}"}`, 'application/json', 413],
  ['{}', 'text/plain', 415],
  ['a=1', 'application/x-www-form-urlencoded', 415],
];

describe.each(withBody)('$name', ({ path, operation }) => {
  it.each(BODIES)('refuses the body %.20s as %s with %d', async (body, type, status) => {
    const sent = { target: targetOf(operation), headers: { 'content-type': type }, body };
    // An empty body is none, which some of them allow: then it is the subject that does not exist.
    const expected = body === '' && !operation.body?.required ? 404 : status;
    expect((await refused(operation, path, sent)).status).toBe(expected);
  });

  it('refuses a body with thousands of mistakes, in a small answer', async () => {
    const body = JSON.stringify(Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`k${index}`, index])));
    expect((await refused(operation, path, { target: targetOf(operation), headers: JSON_TYPE, body })).status).toBe(
      400,
    );
  });
});

/** Commands: what only asks takes no key. */
const isCommand = ({ operation }: (typeof operations)[number]) => operation.refusals.includes(409);

describe.each(operations.filter(isCommand))('$name', ({ path, operation }) => {
  it.each(['x'.repeat(256), 'caf\u00e9'])('refuses the idempotency key %.10s', async (key) => {
    const sent = { target: targetOf(operation), headers: { ...JSON_TYPE, 'idempotency-key': key } };
    const body = JSON.stringify(operation.example.body ?? {});
    const { status, problem } = await refused(operation, path, { ...sent, body });
    // The subject may be looked for first.
    if (status !== 404) expect(problem.issues).toMatchObject([{ code: 'BAD_IDEMPOTENCY_KEY' }]);
  });
});

describe.each(operations.filter(({ operation }) => operation.waits))('$name', ({ path, operation }) => {
  it.each(['wait=x', 'wait=-1', 'wait=1.5', 'wait=', 'wait="30"', 'wait=9999999999', 'respond-async, WAIT = 1e3'])(
    'refuses Prefer: %s',
    async (prefer) => {
      const body = operation.body && JSON.stringify(operation.example.body ?? {});
      const sent = {
        target: targetOf(operation),
        headers: { ...(body ? JSON_TYPE : {}), prefer },
        ...(body ? { body } : {}),
      };
      expect(await refused(operation, path, sent)).toMatchObject({
        status: 400,
        problem: { code: 'BAD_USER_INPUT', issues: [{ pointer: '/Prefer', code: 'BAD_FORMAT' }] },
      });
    },
  );
});

describe.each(operations.filter(({ operation }) => operation.query?.shape['after'] !== undefined))(
  '$name',
  ({ path, operation }) => {
    it.each([
      ['first=0', 'BAD_PAGE_SIZE'],
      ['first=201', 'BAD_PAGE_SIZE'],
      ['first=-1', 'BAD_USER_INPUT'],
      ['first=1e2', 'BAD_USER_INPUT'],
      ['first=', 'BAD_USER_INPUT'],
      ['after=x', 'BAD_CURSOR'],
      ['after=%00', 'BAD_CURSOR'],
      ['count=yes', 'BAD_USER_INPUT'],
      ['atLeast=-1', 'BAD_USER_INPUT'],
      ['text=%00', 'BAD_USER_INPUT'],
      ['status=nope', 'BAD_USER_INPUT'],
      [`status=${'x'.repeat(5_000)}`, 'BAD_USER_INPUT'],
      [Array.from({ length: 21 }, () => 'tag=x').join('&'), 'BAD_USER_INPUT'],
      ['submittedFrom=2026-02-30T00:00:00Z', 'BAD_USER_INPUT'],
      ['startedTo=0000-01-01T00:00:00Z', 'BAD_USER_INPUT'],
      ['label=zone', 'BAD_USER_INPUT'],
      ['label=zone=%00', 'BAD_USER_INPUT'],
      ['priority=6', 'BAD_USER_INPUT'],
    ])('refuses %.30s with %s', async (query, code) => {
      const { status, problem } = await refused(operation, path, { query: `?${query}` });
      expect({ status, code: problem.code }).toEqual({ status: 400, code });
    });
  },
);
