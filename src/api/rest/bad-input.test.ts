import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../../../test/support/api-harness.ts';
import { GATE, startGate } from '../../../test/support/execution-fixtures.ts';
import { REST_PATH } from './operation.ts';

const LEAKS = /\bat \S+\.[jt]s\b|node_modules|\bSELECT\b|stack|ECONN|TypeError|RangeError|SyntaxError/;
const RUNS = 100;

let api: TestApi;
let executionId: string;
beforeAll(async () => {
  api = await startApi();
  executionId = await startGate(api);
});
afterAll(() => api.stop());

type Sent = { readonly body: string | Uint8Array<ArrayBuffer>; readonly type: string };

/** What every answer is held to; returns the status. */
const send = async (path: string, { body, type }: Sent): Promise<number> => {
  const before = (await api.events()).length;
  const response = await fetch(`${api.url}${REST_PATH}${path}`, {
    method: 'POST',
    headers: { 'content-type': type },
    body,
  });
  const text = await response.text();
  expect(response.status, text.slice(0, 300)).toBeLessThan(500);
  expect(text).not.toMatch(LEAKS);
  expect(text).not.toContain(process.cwd());
  if (response.status < 400) return response.status;
  expect(JSON.parse(text)).toMatchObject({ code: expect.stringMatching(/^[A-Z_]+$/), status: response.status });
  expect((await api.events()).length).toBe(before);
  return response.status;
};

const nasty = fc.oneof(
  fc.constantFrom<unknown>(null, '', [], {}, -1, 0, 1.5, 1e308, true, 'a\u0000b', '\ud800', 'x'.repeat(300_000)),
  fc.constantFrom('$(id)', '{{constructor.constructor("return 1")()}}', '../x', 'a.b.c', '1.0.0 ||'),
  fc.jsonValue(),
  fc.dictionary(fc.constantFrom('__proto__x', 'constructor', 'prototype', 'toString', 'length', 'id'), fc.jsonValue()),
);

/** Keys cannot be written as `__proto__` in an object literal that is to keep them. */
const jsonOf = (value: unknown): string => (JSON.stringify(value) ?? 'null').replaceAll('__proto__x', '__proto__');

type Place = readonly (string | number)[];

const placesIn = (value: unknown, at: Place = []): Place[] =>
  value === null || typeof value !== 'object'
    ? [at]
    : [at, ...Object.entries(value).flatMap(([key, member]) => placesIn(member, [...at, key]))];

const changed = (root: unknown, place: Place, value: unknown): unknown => {
  const [first, ...rest] = place;
  if (first === undefined) return value;
  // A list has no other keys: something more is one item more.
  if (Array.isArray(root)) {
    const index = Object.keys(root).indexOf(String(first));
    return index === -1 ? [...root, value] : root.with(index, changed(root[index], rest, value));
  }
  const copy = { ...(root as object) } as Record<string | number, unknown>;
  copy[first] = changed(copy[first], rest, value);
  return copy;
};

/** The good body with something else somewhere in it, or with something more. */
const mutated = (good: object): fc.Arbitrary<Sent> => {
  const places = placesIn(good);
  return fc
    .record({
      place: fc.constantFrom(...places),
      value: nasty,
      key: fc.option(fc.oneof(fc.string({ maxLength: 10 }), fc.constantFrom('__proto__x', 'tenant', 'status', 'when'))),
    })
    .map(({ place, value, key }) => ({
      body: jsonOf(changed(good, key === null ? place : [...place.slice(0, 1), key], value)),
      type: 'application/json',
    }));
};

const anything = (types: readonly string[]): fc.Arbitrary<Sent> =>
  fc.record({
    body: fc.oneof(
      nasty.map(jsonOf),
      fc.string({ maxLength: 200 }),
      fc.string({ unit: 'binary', maxLength: 50 }),
      fc.uint8Array({ maxLength: 200 }).map((bytes) => new Uint8Array(bytes)),
      fc.constantFrom(
        '{"a":1',
        '[[[[',
        '"\\ud800"',
        '{"a":1,"a":2}',
        '1e400',
        '9007199254740993',
        `${'['.repeat(9_999)}`,
      ),
    ),
    type: fc.constantFrom(...types),
  });

const WORKFLOW = {
  name: 'generated',
  version: '1.0.0',
  pattern: 'saga',
  agents: { worker: { capability: 'echo', versionRange: '^1.0.0' } },
  tasks: [
    {
      id: 'a',
      role: 'worker',
      retry: { kind: 'fixed', maxAttempts: 2 },
      compensation: { role: 'worker' },
      tags: ['x'],
    },
    { id: 'b', dependsOn: ['a'], when: 'tasks.a.output.ok', waitFor: { kind: 'event', name: 'go', timeoutMs: 5 } },
    {
      id: 'c',
      dependsOn: ['a'],
      capability: 'echo',
      forEach: { items: 'tasks.a.output', maxItems: 5 },
      input: { x: '1' },
    },
    { id: 'd', dependsOn: ['b', 'c'], workflow: { name: 'gate' }, pivot: true, onFailure: 'skip' },
  ],
  coordination: { type: 'hybrid', maxParallel: 3 },
  saga: { strategy: 'cascade', scope: 'affected', select: { tasks: ['a'], tags: ['x'] } },
  output: { done: true },
};

const endpoints = [
  {
    path: '/workflows',
    good: WORKFLOW,
    types: ['application/json', 'application/yaml', 'text/yaml', 'text/plain', ''],
  },
  {
    path: `/workflows/${GATE.name}/execute`,
    good: { version: '1.0.0', input: { a: [1] }, tags: ['t'], inputs: { wait: 1 } },
    types: ['application/json', 'application/yaml', ''],
  },
  { path: '/workflows/{id}/pause', good: { reason: 'x' }, types: ['application/json', 'text/plain'] },
  { path: '/workflows/{id}/resume', good: {}, types: ['application/json', 'text/plain'] },
  {
    path: '/workflows/{id}/cancel',
    good: { reason: 'x', compensate: false, strategy: 'backward' },
    types: ['application/json', ''],
  },
];

describe.each(endpoints)('POST $path', ({ path, good, types }) => {
  const place = () => path.replace('{id}', executionId);

  it('refuses a body of the wrong shape, and records nothing', () =>
    fc.assert(
      fc.asyncProperty(anything(types), async (sent) => {
        await send(place(), sent);
      }),
      { numRuns: RUNS },
    ));

  it('refuses a good body with one bad value in it, and records nothing', () =>
    fc.assert(
      fc.asyncProperty(mutated(good), async (sent) => {
        await send(place(), sent);
      }),
      { numRuns: RUNS },
    ));

  it('refuses any path that does not exist', () =>
    fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), async (id) => {
        fc.pre(id !== GATE.name && id !== '.' && id !== '..' && id.isWellFormed());
        const named = path.replace(/\{id\}|gate/, encodeURIComponent(id));
        if (named === path) return;
        expect(await send(named, { body: '{}', type: 'application/json' })).toBe(404);
      }),
      { numRuns: 50 },
    ));
});

it('accepts the good definition from which the others are made', async () =>
  // Under its own name: what was made from it may have been good by chance.
  expect(
    await send('/workflows', {
      body: JSON.stringify({ ...WORKFLOW, name: 'as-it-is' }),
      type: 'application/json',
    }),
  ).toBe(201));
