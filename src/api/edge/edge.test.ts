import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONFIG, REGISTER, SUBMIT, startApi, type TestApi } from '../../../test/support/api-harness.ts';
import { MAX_BODY_BYTES } from './json-body.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const withInput = (input: string): string => `{"query":${JSON.stringify(SUBMIT)},"variables":{"input":${input}}}`;

describe('a body that is not an operation', () => {
  it.each([
    ['', 'MALFORMED_JSON'],
    ['null', 'MALFORMED_JSON'],
    ['"x"', 'MALFORMED_JSON'],
    ['{"query":"{__typename}"} x', 'MALFORMED_JSON'],
    ['\ufeff{"query":"{__typename}"}', 'MALFORMED_JSON'],
    ["{'query':'{__typename}'}", 'MALFORMED_JSON'],
    ['[{"query":"{__typename}"}]', 'BATCH_DISABLED'],
    ['{"query":"{__typename}","qeury":1}', 'BAD_REQUEST'],
    ['{"query":5}', 'BAD_REQUEST'],
    ['{}', 'BAD_REQUEST'],
    ['{"query":"{__typename}","variables":[]}', 'BATCH_DISABLED'],
    ['{"query":"{__typename}","operationName":5}', 'BAD_REQUEST'],
    ['{"query":"{__typename"}', 'GRAPHQL_PARSE_FAILED'],
    ['{"query":"{nope}"}', 'GRAPHQL_VALIDATION_FAILED'],
    ['{"query":"query A{__typename} query B{__typename}"}', 'OPERATION_NAME_REQUIRED'],
    ['{"query":"query A{__typename}","operationName":"B"}', 'OPERATION_NAME_REQUIRED'],
  ])('is refused: %s', async (body, code) => {
    const answer = await api.raw(body);
    expect(answer).toMatchObject({ status: 400, code });
  });

  it('reports where the text stops being JSON', async () => {
    const { body } = await api.raw('{"query": nope}');
    expect(body.errors[0].extensions).toEqual({ code: 'MALFORMED_JSON', details: { offset: 10 } });
  });
});

describe('a body that would poison a reader of the log', () => {
  it.each([
    ['{"capability":"a","capability":"b"}', 'DUPLICATE_KEY', '/variables/input/capability'],
    ['{"capability":"a","input":{"__proto__":{"admin":true}}}', 'FORBIDDEN_KEY', '/variables/input/input/__proto__'],
    ['{"capability":"a","tags":["\\u0000"]}', 'INVALID_CHARACTER', '/variables/input/tags/0'],
    ['{"capability":"a","input":{"t":"\\ud800"}}', 'INVALID_UNICODE', '/variables/input/input/t'],
    ['{"capability":"a","input":1e400}', 'NUMBER_OUT_OF_RANGE', '/variables/input/input'],
    ['{"capability":"a","input":9007199254740993}', 'UNSAFE_INTEGER', '/variables/input/input'],
  ])('is refused with its place: %s', async (input, code, pointer) => {
    const { status, body } = await api.raw(withInput(input));
    expect(status).toBe(400);
    expect(body.errors[0].extensions).toEqual({ code, details: { pointer } });
  });

  it('is refused when it is too deep for the scanner, or only for a payload', async () => {
    const deep = (levels: number) => withInput(`{"capability":"a","input":${'['.repeat(levels)}${']'.repeat(levels)}}`);
    expect(await api.raw(deep(100_000))).toMatchObject({ status: 400, code: 'TOO_DEEP' });
    const { body } = await api.raw(deep(65));
    expect(body.errors[0].extensions).toMatchObject({ code: 'BAD_USER_INPUT', issues: [{ code: 'TOO_DEEP' }] });
    expect(await api.raw(deep(63))).toMatchObject({ status: 200 });
  });

  it.each([
    ['bytes that are not UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])],
    ['an overlong form', new Uint8Array([0x22, 0xc0, 0x80, 0x22])],
    ['UTF-16', new Uint8Array(Buffer.from('{"query":"{__typename}"}', 'utf16le'))],
  ])('is refused for its encoding: %s', async (_, bytes) => {
    expect(await api.raw(bytes)).toMatchObject({ status: 400, code: 'INVALID_ENCODING' });
  });

  it('cannot enter through a literal either', async () => {
    const submit = (tail: string) =>
      api.post(`mutation { submitTask(input: { capability: "a", ${tail} }) { __typename } }`);
    expect(await submit('tags: ["\\u0000"]')).toMatchObject({ status: 400, code: 'INVALID_CHARACTER' });
    expect(await submit('input: { __proto__: { admin: true } }')).toMatchObject({
      status: 400,
      code: 'BAD_USER_INPUT',
    });
    expect(await submit('input: { a: 1e400 }')).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' });
    expect(await submit('input: 9007199254740993')).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' });
  });
});

describe('a body that is too large', () => {
  const padded = (bytes: number): string => {
    const empty = withInput('{"capability":"a","input":""}');
    return withInput(`{"capability":"a","input":"${'x'.repeat(bytes - empty.length)}"}`);
  };

  it('is refused at the first excess byte, declared or not', async () => {
    expect(await api.raw(padded(MAX_BODY_BYTES + 1))).toMatchObject({ status: 413, code: 'BODY_TOO_LARGE' });
    const chunked = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 3; i += 1) controller.enqueue(new Uint8Array(1024 * 1024).fill(0x20));
        controller.close();
      },
    });
    expect(await api.raw(chunked)).toMatchObject({ status: 413, code: 'BODY_TOO_LARGE' });
  });

  it('is read up to the limit when only the payload is too large', async () => {
    const { status, body } = await api.raw(padded(MAX_BODY_BYTES));
    expect(status).toBe(400);
    expect(body.errors[0].extensions.issues).toMatchObject([{ pointer: '/input/input', code: 'TOO_LARGE' }]);
  });

  it('is not decompressed', async () => {
    const bomb = gzipSync(Buffer.alloc(8 * 1024 * 1024));
    const answer = await api.raw(new Uint8Array(bomb), { 'content-encoding': 'gzip' });
    expect(answer).toMatchObject({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' });
  });
});

describe('a request that a foreign page could make', () => {
  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', ''])(
    'is refused for its content type: %s',
    async (type) => {
      const answer = await api.raw('{"query":"{__typename}"}', { 'content-type': type });
      expect(answer).toMatchObject({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' });
    },
  );

  it('may query by GET, but not change anything', async () => {
    const get = (query: string) => fetch(`${api.url}/graphql?query=${encodeURIComponent(query)}`);
    expect(await (await get('{__typename}')).json()).toEqual({ data: { __typename: 'Query' } });
    const answer = await get('mutation{cancelTask(taskId:"x"){__typename}}');
    expect(answer.status).toBe(405);
    expect(await answer.json()).toMatchObject({ errors: [{ extensions: { code: 'METHOD_NOT_ALLOWED' } }] });
  });

  it('gets no CORS headers', async () => {
    const preflight = await fetch(`${api.url}/graphql`, {
      method: 'OPTIONS',
      headers: { origin: 'http://evil.example', 'access-control-request-method': 'POST' },
    });
    expect(preflight.headers.get('access-control-allow-origin')).toBeNull();
    expect(preflight.status).toBe(405);
  });

  it('cannot repeat a parameter', async () => {
    const answer = await fetch(`${api.url}/graphql?query=%7B__typename%7D&query=%7B__typename%7D`);
    expect(answer.status).toBe(400);
  });
});

describe('an operation that asks for too much', () => {
  it.each([
    [`{ ${'task(id: 1) { id } '.repeat(300)} }`, 'QUERY_TOO_LARGE'],
    [`{ ${Array.from({ length: 10_000 }, (_, i) => `a${i}: __typename`).join(' ')} }`, 'QUERY_TOO_LARGE'],
    [`${'{a'.repeat(20_000)}${'}'.repeat(20_000)}`, 'QUERY_TOO_DEEP'],
    [`${'{a'.repeat(9)}${'}'.repeat(9)}`, 'QUERY_TOO_DEEP'],
    ['{ tasks(first: 200) { nodes { attempts { attempt agent { id name pool } } } } }', 'QUERY_TOO_COSTLY'],
    ['{ tasks(first: 0) { nodes { id } } }', 'BAD_PAGE_SIZE'],
    ['{ tasks(first: -1) { nodes { id } } }', 'BAD_PAGE_SIZE'],
    ['{ tasks(first: 100000000) { nodes { id } } }', 'BAD_PAGE_SIZE'],
    ['{ tasks(first: 2147483648) { nodes { id } } }', 'GRAPHQL_VALIDATION_FAILED'],
    ['{ tasks(first: 1.0) { nodes { id } } }', 'GRAPHQL_VALIDATION_FAILED'],
    [`{ ${Array.from({ length: 16 }, (_, i) => `a${i}: __typename`).join(' ')} }`, 'TOO_MANY_ALIASES'],
    [`{ __typename ${'@skip(if: false) '.repeat(60)} }`, 'TOO_MANY_DIRECTIVES'],
    ['{ __typename @nope }', 'GRAPHQL_VALIDATION_FAILED'],
    ['{ ...F } fragment F on Query { ...F }', 'GRAPHQL_VALIDATION_FAILED'],
  ])('is refused quickly: %.60s', async (query, code) => {
    const start = performance.now();
    expect(await api.post(query)).toMatchObject({ status: 400, code });
    expect(performance.now() - start).toBeLessThan(500);
  });

  it('may take the page size from a variable', async () => {
    const query = 'query ($n: Int!) { tasks(first: $n) { nodes { id } } }';
    expect(await api.post(query, { n: 201 })).toMatchObject({ status: 400, code: 'BAD_PAGE_SIZE' });
    expect(await api.post(query, { n: 1.5 })).toMatchObject({ status: 400, code: 'BAD_PAGE_SIZE' });
  });
});

describe('variables that do not fit', () => {
  it('are reported, each with its place', async () => {
    const { status, body } = await api.post(SUBMIT, {
      input: { priority: 'high', deadlineAt: '2026-02-30T00:00:00Z', timeoutSecond: 1, strategy: 'NOPE' },
    });
    expect(status).toBe(400);
    expect(body.data).toBeUndefined();
    expect(body.errors[0].extensions.code).toBe('BAD_USER_INPUT');
    expect(
      body.errors[0].extensions.issues.map(({ pointer, code }: { pointer: string; code: string }) => [pointer, code]),
    ).toEqual(
      expect.arrayContaining([
        ['/variables/input/capability', 'REQUIRED'],
        ['/variables/input/priority', 'WRONG_TYPE'],
        ['/variables/input/deadlineAt', 'BAD_TIMESTAMP'],
        ['/variables/input/strategy', 'WRONG_TYPE'],
        ['/variables/input/timeoutSecond', 'UNKNOWN_FIELD'],
      ]),
    );
  });

  it('are reported when a required one is missing, and ignored when the operation does not declare them', async () => {
    const { body } = await api.post(REGISTER);
    expect(body.errors[0].extensions.issues).toMatchObject([{ pointer: '/variables/input', code: 'REQUIRED' }]);
    expect(await api.post('{ __typename }', { nobody: 'asked' })).toMatchObject({ status: 200 });
  });
});

describe('a server with schema exploration turned off', () => {
  it('reveals neither its schema nor suggestions for names', async () => {
    const closed = await startApi({ config: { ...CONFIG, graphiql: false, queuesWritable: false } });
    try {
      expect(await closed.post('{ __schema { types { name } } }')).toMatchObject({
        status: 403,
        code: 'INTROSPECTION_OFF',
      });
      const typo = await closed.post('{ task(id: "x") { idd } }');
      expect(typo.body.errors[0].message).toBe('Cannot query field "idd" on type "Task".');
      const page = await fetch(`${closed.url}/graphql`, { headers: { accept: 'text/html' } });
      expect(page.status).toBe(406);
      expect((await api.post('{ task(id: "x") { idd } }')).body.errors[0].message).toContain('Did you mean "id"');
    } finally {
      await closed.stop();
    }
  });
});

it('records nothing of all this', async () => {
  const types = (await api.events()).map(({ type }) => type);
  expect(types).toEqual(['TaskSubmitted']); // the one at the allowed depth
});
