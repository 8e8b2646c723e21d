import { createClient as createSocketClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { REGISTER, SUBMIT, startApi, type TestApi } from '../../test/support/api-harness.ts';
import { MAX_ISSUES } from '../platform/errors.ts';
import { REST_PATH } from './rest/operation.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const SUBMIT_MANY = `mutation ($tasks: [SubmitTasksItemInput!]!) {
  submitTasks(tasks: $tasks) { items { error { code message issues { pointer code message } } } }
}`;
const PUBLISH = 'mutation ($definition: JSON!) { publishWorkflow(definition: $definition) { __typename } }';

const MANY = 60_000;
const many = <Item>(item: (index: number) => Item, count = MANY): Item[] =>
  Array.from({ length: count }, (_, i) => item(i));
const membersOf = (): Record<string, string> => Object.fromEntries(many((index) => [`k${index}\u0001`, '']));

/** One task whose steps name thousands of things that cannot be. */
const DEFINITION = {
  name: 'wide',
  version: '1.0.0',
  tasks: [
    { id: 'a', capability: 'x', dependsOn: many(() => 1, 9_000) },
    { id: 'b', capability: 'x', dependsOn: many(() => 1, 9_000) },
  ],
};

/** A small answer with few issues, whatever the number of mistakes. */
const LARGEST_ANSWER = 32 * 1024;

describe('a request full of mistakes is refused with a small answer', () => {
  it.each([
    ['items that are no objects', SUBMIT_MANY, { tasks: many(() => 1) }],
    ['items without a task', SUBMIT_MANY, { tasks: many(() => ({})) }],
    ['a value that is no list of objects', SUBMIT_MANY, { tasks: many(() => many(() => 1, 10), 6_000) }],
    ['tags that are no strings', SUBMIT, { input: { capability: 'x', tags: many(() => 1) } }],
    ['unknown members', SUBMIT, { input: { capability: 'x', ...membersOf() } }],
    ['labels', REGISTER, { input: { agentId: 'a', labels: membersOf() } }],
    [
      'labels that are no strings',
      REGISTER,
      { input: { agentId: 'a', labels: Object.fromEntries(many((i) => [i, i])) } },
    ],
    ['dependencies', PUBLISH, { definition: DEFINITION }],
    ['roles', PUBLISH, { definition: { ...DEFINITION, agents: membersOf() } }],
    ['a long name', SUBMIT, { input: { capability: 'x', [`k${'x'.repeat(500_000)}`]: 1 } }],
    ['a long enum value', SUBMIT, { input: { capability: 'x', strategy: 'x'.repeat(500_000) } }],
  ])('of %s', async (_, query, variables) => {
    const { status, text, code, body } = await api.post(query, variables);
    expect({ status, code }).toEqual({ status: 400, code: 'BAD_USER_INPUT' });
    expect(body.errors[0].extensions.issues.length).toBeLessThanOrEqual(MAX_ISSUES);
    expect(text.length).toBeLessThan(LARGEST_ANSWER);
  });

  it.each([
    ['that does not exist', '($id: ID!) { cancelTask(taskId: $id) { __typename } }', 404],
    ['in the text of the query', '{ a { b(c: "$id") } }', 400],
  ])('of a long id %s', async (_, query, status) => {
    const id = 'x'.repeat(1_000_000);
    const answer = await api.post(`mutation ${query.replace('"$id"', JSON.stringify(id))}`, { id });
    expect(answer.status).toBe(status);
    expect(answer.text.length).toBeLessThan(LARGEST_ANSWER);
  });

  it('over REST', async () => {
    const post = async (body: unknown) => {
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(`${api.url}${REST_PATH}/workflows`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      });
      return { status: response.status, text: await response.text() };
    };
    const narrow = {
      ...DEFINITION,
      tasks: many((index) => ({ id: `t${index}`, capability: 'x', dependsOn: ['nobody'] }), 500),
    };
    for (const definition of [DEFINITION, narrow, { ...DEFINITION, tasks: many(() => 1) }]) {
      const { status, text } = await post(definition);
      expect(status).toBe(400);
      expect(JSON.parse(text).issues.length).toBeLessThanOrEqual(MAX_ISSUES);
      expect(text.length).toBeLessThan(LARGEST_ANSWER);
    }
  });

  it('over a WebSocket', async () => {
    const url = `${api.url.replace('http', 'ws')}/graphql`;
    const client = createSocketClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });
    const frame = await client.iterate({ query: SUBMIT_MANY, variables: { tasks: many(() => 1, 25_000) } }).next();
    await client.dispose();
    const text = JSON.stringify(frame.value);
    expect(text).toContain('BAD_USER_INPUT');
    expect(text.length).toBeLessThan(LARGEST_ANSWER);
  });
});

describe('a list of tasks of which many are bad', () => {
  it('reports each bad task, with issues for the first ones', async () => {
    const bad = { capability: '', tags: many(() => '', 15) };
    const { status, text, body } = await api.post(SUBMIT_MANY, { tasks: many(() => ({ task: bad }), 1_000) });
    const errors = body.data.submitTasks.items.map(({ error }: { error: unknown }) => error);
    expect(status).toBe(200);
    expect(errors).toHaveLength(1_000);
    expect(errors.at(-1)).toMatchObject({ code: 'BAD_USER_INPUT', issues: [] });
    expect(errors.flatMap(({ issues }: { issues: unknown[] }) => issues)).toHaveLength(MAX_ISSUES);
    expect(text.length).toBeLessThan(256 * 1024);
  });
});

describe('the answer to an input with mistakes', () => {
  it('names all of them', async () => {
    const { body } = await api.post(SUBMIT, { input: { capability: '', priority: 9, timeoutMs: 0, tags: [''] } });
    const pointers = body.errors[0].extensions.issues.map(({ pointer }: { pointer: string }) => pointer);
    expect(pointers.sort()).toEqual(['/input/capability', '/input/priority', '/input/tags/0', '/input/timeoutMs']);
  });

  it('reports how many it omits', async () => {
    const { body } = await api.post(SUBMIT, { input: { capability: '', priority: 9, tags: many(() => '', 20) } });
    expect(body.errors[0].extensions.issues).toHaveLength(MAX_ISSUES);
  });
});
