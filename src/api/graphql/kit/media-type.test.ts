import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SUBMIT, startApi, type TestApi } from '../../../../test/support/api-harness.ts';
import { jsonTypeFor } from './media-type.ts';

const RESPONSE = 'application/graphql-response+json';
const JSON_TYPE = 'application/json';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

describe('the media type of an answer', () => {
  it.each([
    [null, RESPONSE],
    ['*/*', RESPONSE],
    [RESPONSE, RESPONSE],
    [JSON_TYPE, JSON_TYPE],
    [`${JSON_TYPE}, ${RESPONSE}`, JSON_TYPE],
    [`${JSON_TYPE};q=0.9, ${RESPONSE}`, RESPONSE],
    [`${RESPONSE};q=0, ${JSON_TYPE};q=0.1`, JSON_TYPE],
    ['Application/JSON; charset=utf-8', JSON_TYPE],
    [`text/event-stream, ${JSON_TYPE}`, JSON_TYPE],
    ['text/html', undefined],
    [`${JSON_TYPE};q=x`, undefined],
  ])('for a client that accepts %s is %s', (accept, type) => expect(jsonTypeFor(accept)).toBe(type));
});

/** Well-formed requests of which nothing comes. */
const REFUSED: readonly (readonly [string, string, object | undefined, number])[] = [
  ['text that is no GraphQL', '{', undefined, 400],
  ['a field that there is not', '{ nope }', undefined, 400],
  ['two operations', 'query a { __typename } query b { __typename }', undefined, 400],
  ['bad variables', SUBMIT, { input: 1 }, 400],
  ['a bad input', SUBMIT, { input: { capability: '' } }, 400],
  ['an unknown task', 'mutation { cancelTask(taskId: "x") { __typename } }', undefined, 404],
  ['a store that is away', '{ tasks { totalCount } }', undefined, 503],
];

describe('a refusal of a well-formed request', () => {
  it.each(REFUSED)('has its own status as a GraphQL response: %s', async (_, query, variables, expected) => {
    for (const accept of [RESPONSE, '*/*']) {
      const { status, headers, body } = await api.post(query, variables, { accept });
      expect({ status, type: headers.get('content-type') }).toEqual({
        status: expected,
        type: `${RESPONSE}; charset=utf-8`,
      });
      expect(body.errors).not.toHaveLength(0);
    }
  });

  it.each(REFUSED)('has status 200 as plain JSON: %s', async (_, query, variables) => {
    const { status, headers, body } = await api.post(query, variables, { accept: JSON_TYPE });
    expect({ status, type: headers.get('content-type') }).toEqual({ status: 200, type: `${JSON_TYPE}; charset=utf-8` });
    expect(body.errors).not.toHaveLength(0);
  });
});

describe('a request that is not well-formed', () => {
  it.each([
    ['a body that is no JSON', '{', 400],
    ['no query', '{}', 400],
    ['variables that are no object', '{"query":"{ __typename }","variables":[7]}', 400],
    ['a body that is too large', ' '.repeat(3_000_000), 413],
  ])('is refused by status for every media type: %s', async (_, body, expected) => {
    for (const accept of [RESPONSE, JSON_TYPE]) expect((await api.raw(body, { accept })).status).toBe(expected);
  });

  it('includes a mutation by GET', async () => {
    const query = encodeURIComponent('mutation { cancelTask(taskId: "x") { __typename } }');
    const response = await fetch(`${api.url}/graphql?query=${query}`, { headers: { accept: JSON_TYPE } });
    expect(response.status).toBe(405);
  });
});
