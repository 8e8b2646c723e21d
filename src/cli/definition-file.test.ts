import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDocument } from './definition-file.ts';
import type { Terminal } from './terminal.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'baton-definition-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const terminalOf = (stdin: string): Terminal => ({
  env: {},
  stdin: Readable.from([Buffer.from(stdin)]),
  out: () => {},
  err: () => {},
  progress: undefined,
  colour: false,
});

const read = async (text: string, name = '-'): Promise<unknown> => {
  if (name === '-') return readDocument(terminalOf(text), '-');
  await writeFile(join(folder, name), text);
  return readDocument(terminalOf(''), join(folder, name));
};

describe('a document', () => {
  it('is JSON or YAML according to its extension, or else to its beginning', async () => {
    expect(await read('{"a": 1}', 'a.json')).toEqual({ a: 1 });
    expect(await read('a: 1\n', 'a.yaml')).toEqual({ a: 1 });
    expect(await read('{a: [1, x]}', 'a.yml')).toEqual({ a: [1, 'x'] });
    expect(await read(' {"a": 1}')).toEqual({ a: 1 });
    expect(await read('# a comment\na: |\n  = input.x\n')).toEqual({ a: '= input.x\n' });
  });

  it.each([
    ['a: 1', 'a.json', /a\.json:1:1: not valid JSON/],
    ['{"a": 1,\n "a": 2}', 'b.json', /DUPLICATE_KEY|duplicate|twice/i],
    ['a: 1\na: 2\n', 'a.yaml', /a\.yaml:2:1: not valid YAML: .*unique/],
    ['a: [1,\nb: 2', 'a.yaml', /a\.yaml:\d+:\d+: not valid YAML/],
    ['a: 1\n---\nb: 2\n', 'a.yaml', /not valid YAML: .*multiple documents/],
    ['  \n', 'a.yaml', /is empty/],
    ['[{"a": }]', '-', /stdin:1:8: not valid JSON/],
  ])('that is invalid is refused with its place: %j', async (text, name, message) => {
    await expect(read(text, name)).rejects.toThrow(message);
  });

  it('that grows when it is parsed is refused', async () => {
    const lines = ['a: &a [x, x, x, x, x, x, x, x, x]'];
    for (let level = 1; level < 9; level += 1) {
      const before = String.fromCharCode(96 + level);
      const name = String.fromCharCode(97 + level);
      lines.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join(', ')}]`);
    }
    await expect(read(lines.join('\n'), 'bomb.yaml')).rejects.toThrow(
      /bomb\.yaml: not valid YAML: Excessive alias count/,
    );
  });
});
