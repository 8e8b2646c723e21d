import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { REGISTER, SUBMIT, startApi, type TestApi } from '../../../test/support/api-harness.ts';
import { TRIP, workingFor } from '../../../test/support/saga.ts';
import { RegisterAgentInput } from '../../domain/agent/commands.ts';
import { ForkExecutionInput, StartExecutionInput } from '../../domain/execution/commands.ts';
import { SubmitTaskInput } from '../../domain/task/commands.ts';

/** The parts of a JSON schema that cases are made from. */
type Node = {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
};

type Path = readonly (string | number)[];
/** `refused`: must not be recorded. `either`: may be fine, must not hurt. */
type Case = {
  readonly what: string;
  readonly path: Path;
  readonly value: unknown;
  readonly expect: 'refused' | 'either';
};

/** Stands for "leave the field out". */
const MISSING = Symbol('missing');
/** Written into the body as an escape, which JSON.stringify would not leave as it is. */
const LONE_SURROGATE = '\ud800';

const wrongTypes = (type: string | undefined): unknown[] =>
  [5, 'text', true, [], {}, 1.5].filter((value) => {
    const own = Array.isArray(value) ? 'array' : typeof value;
    if (type === undefined) return false;
    // GraphQL takes one value for a list of one.
    if (type === 'array') return own === 'boolean' || (own === 'object' && !Array.isArray(value));
    if (type === 'integer') return own !== 'number' || value === 1.5;
    return own !== type;
  });

const beyond = (node: Node): unknown[] => {
  const { type, minimum, maximum, minLength, maxLength, minItems, maxItems } = node;
  if (type === 'integer' || type === 'number') {
    const step = type === 'integer' ? 1 : 0.001;
    return [
      ...(minimum === undefined ? [] : [minimum - step]),
      ...(maximum === undefined ? [] : [maximum + step]),
      1e308,
    ];
  }
  if (type === 'string')
    return [...((minLength ?? 0) > 0 ? [''] : []), ...(maxLength === undefined ? [] : ['x'.repeat(maxLength + 1)])];
  if (type === 'array')
    return [
      ...((minItems ?? 0) > 0 ? [[]] : []),
      ...(maxItems === undefined ? [] : [Array.from({ length: maxItems + 1 }, () => sampleOf(node.items))]),
    ];
  return [];
};

const sampleOf = (node: Node | undefined): unknown => {
  if (node?.enum) return node.enum[0]?.toUpperCase();
  if (node?.properties)
    return Object.fromEntries(Object.entries(node.properties).map(([name, member]) => [name, sampleOf(member)]));
  if (node?.type === 'integer' || node?.type === 'number') return node.minimum ?? 1;
  return node?.type === 'boolean' ? true : 'abc';
};

const casesOf = (node: Node, path: Path, required: boolean): Case[] => {
  const refused = (what: string, values: unknown[]): Case[] =>
    values.map((value) => ({ what, path, value, expect: 'refused' as const }));
  const opaque = node.type === undefined;
  return [
    ...(typeof path.at(-1) === 'number'
      ? []
      : [{ what: 'missing', path, value: MISSING, expect: required ? 'refused' : 'either' } as const]),
    { what: 'null', path, value: null, expect: required ? 'refused' : 'either' },
    ...refused('wrong type', wrongTypes(node.enum ? 'string' : node.type)),
    ...refused('beyond its limits', beyond(node)),
    ...refused('no member of the enum', node.enum ? ['NOPE', ''] : []),
    { what: 'empty', path, value: '', expect: 'either' },
    { what: 'huge', path, value: 'x'.repeat(300_000), expect: opaque || node.type === 'string' ? 'refused' : 'either' },
    ...refused('with NUL', ['a\u0000b']),
    ...refused('with a lone surrogate', [`a${LONE_SURROGATE}b`]),
    ...refused('with __proto__', [{ __proto__x: { admin: true } }]),
    ...refused('with an unsafe integer', [9_007_199_254_740_993n]),
    ...Object.entries(node.properties ?? {}).flatMap(([name, member]) => casesOf(member, [...path, name], false)),
    ...(node.items ? casesOf(node.items, [...path, 0], true) : []),
  ];
};

const inputCases = (schema: z.ZodType): Case[] => {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Node & { required?: string[] };
  return Object.entries(root.properties ?? {}).flatMap(([name, node]) =>
    casesOf(node, [name], root.required?.includes(name) ?? false),
  );
};

/** The good input with the case's value in its place. */
const placed = (good: object, { path, value }: Case): unknown => {
  const input = structuredClone(good) as Record<string | number, unknown>;
  let parent = input;
  for (const [index, key] of path.slice(0, -1).entries()) {
    parent[key] ??= typeof path[index + 1] === 'number' ? [] : {};
    parent = parent[key] as Record<string | number, unknown>;
  }
  const last = path.at(-1) as string | number;
  if (value === MISSING) delete parent[last];
  else parent[last] = value;
  return input;
};

const bodyOf = (query: string, input: unknown): string =>
  JSON.stringify({ query, variables: { input } }, (_, value) => (typeof value === 'bigint' ? `big:${value}` : value))
    .replaceAll('__proto__x', '__proto__')
    .replaceAll(/"big:(\d+)"/g, '$1');

const shown = (value: unknown): string =>
  value === MISSING
    ? ''
    : String(JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? String(v) : v))).slice(0, 40);

const LEAKS = /\bat \S+\.[jt]s\b|node_modules|\bSELECT\b|stack|ECONN|TypeError|RangeError/;

const START = `mutation ($input: StartExecutionInput!) { startExecution(input: $input) { __typename } }`;
/** Of an execution that there is. */
const FORK = `mutation ($input: ForkExecutionInput!) { forkExecution(executionId: "$EXECUTION", input: $input) { __typename } }`;

const commands = [
  {
    name: 'submitTask',
    query: SUBMIT,
    good: { capability: 'echo' } as object,
    schema: SubmitTaskInput as z.ZodType,
  },
  {
    name: 'registerAgent',
    query: REGISTER,
    good: { agentId: 'agent', capabilities: [{ name: 'echo' }] } as object,
    schema: RegisterAgentInput as z.ZodType,
  },
  {
    name: 'startExecution',
    query: START,
    good: { workflow: 'trip' } as object,
    schema: StartExecutionInput as z.ZodType,
  },
  {
    name: 'forkExecution',
    query: FORK,
    good: { rerun: ['flight'] } as object,
    schema: ForkExecutionInput as z.ZodType,
  },
];

describe.each(commands)('bad input of $name', ({ query: text, good, schema }) => {
  let api: TestApi;
  let eventsBefore = 0;
  let query = text;
  beforeAll(async () => {
    api = await startApi();
    const work = workingFor(api.commands);
    await work.publish(TRIP);
    query = text.replace('$EXECUTION', await work.start({ workflow: 'trip' }));
    expect((await api.raw(bodyOf(query, good))).status).toBe(200);
    eventsBefore = (await api.events()).length;
  });
  afterAll(() => api.stop());

  const cases = inputCases(schema);

  it('comes in many forms', () => expect(cases.length).toBeGreaterThan(50));

  it.each(cases.map((one) => ({ ...one, at: one.path.join('/'), like: shown(one.value) })))(
    '$at $what $like',
    async (one) => {
      const answer = await api.raw(bodyOf(query, placed(good, one)));
      const events = (await api.events()).length;
      const appended = events - eventsBefore;
      eventsBefore = events;
      const isError = answer.body?.errors !== undefined || answer.body?.data === undefined;
      expect(answer.status, answer.text.slice(0, 300)).toBeLessThan(500);
      expect(answer.text).not.toMatch(LEAKS);
      expect(answer.text).not.toContain(process.cwd());
      if (one.expect === 'refused') expect(isError, answer.text.slice(0, 300)).toBe(true);
      if (isError) {
        expect(answer.status).toBeGreaterThanOrEqual(400);
        expect(answer.code, answer.text.slice(0, 300)).toBeDefined();
        expect(appended).toBe(0);
      }
    },
  );
});
