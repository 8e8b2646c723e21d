import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { run } from '../run.ts';

const validate = async (text: string, ...options: string[]) => {
  let out = '';
  let err = '';
  const code = await run(
    {
      env: {},
      stdin: Readable.from([Buffer.from(text)]),
      out: (more) => {
        out += more;
      },
      err: (more) => {
        err += more;
      },
      progress: undefined,
      colour: false,
    },
    ['workflows', 'validate', '-', ...options],
  );
  return { code, out, err };
};

/** Line and column, pointer and code of each issue. */
const issuesOf = async (text: string): Promise<string[]> => {
  const { code, out } = await validate(text, '--json');
  expect(code).toBe(1);
  const { issues } = JSON.parse(out) as { issues: { pointer: string; code: string; line: number; column: number }[] };
  return issues.map(({ line, column, pointer, code: what }) => `${line}:${column} ${pointer} ${what}`);
};

const MISTAKES = `name: Order 1
version: "1"
inputSchema:
  properties:
    sku: { pattern: "^a" }
tasks:
  - id: reserve
    capability: stock.reserve
    timeoutMs: soon
  - id: charge
    role: bank
    dependsOn: [reserve, nobody]
    when: input.count >
  - id: ship
    capabilty: ship
    dependsOn: [charge]
output: { x: "= tasks.gone.output" }
`;

describe('workflows validate', () => {
  it('reports mistakes of every kind at once, in the order of the file, with line and column', async () => {
    expect(await issuesOf(MISTAKES)).toEqual([
      '1:1 /name BAD_FORMAT',
      '2:1 /version INVALID',
      '5:12 /inputSchema/properties/sku/pattern KEYWORD_NOT_ALLOWED',
      '9:5 /tasks/0/timeoutMs WRONG_TYPE',
      '11:5 /tasks/1/role UNKNOWN_ROLE',
      '12:26 /tasks/1/dependsOn/1 UNKNOWN_DEPENDENCY',
      '13:5 /tasks/1/when BAD_EXPRESSION',
      '15:5 /tasks/2/capabilty UNKNOWN_FIELD',
      '17:1 /output UNKNOWN_TASK',
    ]);
    const { out, err } = await validate(MISTAKES);
    expect(out).toMatch(/^NOT VALID, 9 issues\nAT +POINTER +CODE +WHAT\nstdin:1:1 +\/name +BAD_FORMAT +must match /);
    expect(err).toBe('');
  });

  it('finds the places of a JSON file too, and of what is behind an alias', async () => {
    const json = '{\n\t"name": "a", "version": "1.0.0",\n\t"tasks": [\n\t\t{ "id": "a" }\n\t]\n}';
    expect(await issuesOf(json)).toEqual(['4:3 /tasks/0 ONE_THING_ONLY']);
    const yaml = 'name: a\nversion: 1.0.0\ntasks:\n  - &a { id: a, capability: x, priority: 9 }\n  - *a\n';
    expect(await issuesOf(yaml)).toEqual([
      '4:10 /tasks/1/id DUPLICATE_ID',
      '4:32 /tasks/0/priority OUT_OF_RANGE',
      '4:32 /tasks/1/priority OUT_OF_RANGE',
    ]);
  });

  it('says nothing that only follows from what cannot be read', async () => {
    const unread =
      'name: a\nversion: 1.0.0\ntasks:\n  - { id: 7, capability: x }\n  - { id: b, capability: x, dependsOn: [a], when: tasks.a.output, forEach: { items: 3 }, input: = item }\n';
    expect(await issuesOf(unread)).toEqual(['4:7 /tasks/0/id WRONG_TYPE', '5:78 /tasks/1/forEach/items WRONG_TYPE']);
    expect(await issuesOf('name: a\nversion: 1.0.0\ntasks: none\n')).toEqual(['3:1 /tasks WRONG_TYPE']);
    expect(await issuesOf('[]')).toEqual(['1:1  WRONG_TYPE']);
    expect(await issuesOf('version: 1.0.0\ntasks: [{ id: a, capability: x }]\n')).toEqual(['1:1 /name WRONG_TYPE']);
  });

  it('gives every mistake of the syntax its place', async () => {
    const { code, err } = await validate('a: [1\nb: {c\nd: }');
    expect(code).toBe(2);
    expect(err.match(/stdin:\d:\d: not valid YAML: /g)?.length).toBeGreaterThan(1);
  });

  it('shows where a warning is', async () => {
    const { code, out } = await validate(
      'name: a\nversion: 1.0.0\npattern: saga\ntasks:\n  - { id: a, capability: x }\n',
    );
    expect(code).toBe(0);
    expect(out).toMatch(/\n1 warning\nAT .*\nstdin:5:5 +\/tasks\/0 +NO_COMPENSATION/);
  });
});
