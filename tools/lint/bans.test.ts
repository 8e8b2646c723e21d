import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Each snippet is a file of its own in `src/domain`. */
const BANNED_IN_THE_DOMAIN = {
  clock: [
    'export const x = Date.now();',
    'export const x = new Date();',
    'export const x = () => new Date;',
    'export const x = Date();',
    'const { now } = Date; export const x = now();',
    'export const x = performance.now();',
    'export const x = globalThis.Date;',
  ],
  randomness: [
    'export const x = Math.random();',
    'const { random } = Math; export const x = random();',
    'export const x = crypto.randomUUID();',
    "import { randomUUID } from 'node:crypto'; export const x = randomUUID();",
    "import { v4 } from 'uuid'; export const x = v4();",
    "import { v7 } from 'uuid'; export const x = v7();",
  ],
  timers: [
    'setTimeout(() => undefined, 1);',
    'setInterval(() => undefined, 1);',
    'setImmediate(() => undefined);',
    'queueMicrotask(() => undefined);',
    "import { setTimeout } from 'node:timers/promises'; await setTimeout(1);",
  ],
  network: [
    "await fetch('http://localhost');",
    "export const x = new WebSocket('ws://localhost');",
    "import { connect } from 'node:net'; connect(1);",
    "import { request } from 'undici'; await request('http://localhost');",
    "import type { Pool } from 'pg'; export type X = Pool;",
    'export const x = process.env;',
  ],
};

const BANNED_EVERYWHERE = [
  "export const x = { expectedRevision: 'any' };",
  'export const x = { expectedRevision: "any" };',
  "export const x = { expectedRevision: 'any' as const };",
  "export const x = { 'expectedRevision': 'any' };",
  "const expectedRevision = 'any'; export const x = { expectedRevision };",
];

const ALLOWED_IN_THE_DOMAIN = [
  'export const x = (at: string) => [new Date(at), new Date(5), Date.parse(at), Date.UTC(2020, 1)];',
  'export const x = Math.max(1, 2);',
  "import { v5 } from 'uuid'; import { z } from 'zod'; import semver from 'semver'; export const x = [v5, z, semver];",
  "import { y } from '../other/y.ts'; export const x = y;",
  "export const x = { expectedRevision: 'no_stream' };",
];

const longFile = (lines: number): string => `${'export {};\n'.repeat(lines - 1)}export {};`;
const longFunction = (lines: number): string => `export const x = () => {\n${'  void 0;\n'.repeat(lines)}};`;

const refused = new Map<string, string[]>();
let dir: string;

const files = new Map<string, string>([
  ...Object.values(BANNED_IN_THE_DOMAIN)
    .flat()
    .map((code, i) => [`src/domain/banned/${i}.ts`, code] as const),
  ...ALLOWED_IN_THE_DOMAIN.map((code, i) => [`src/domain/allowed/${i}.ts`, code] as const),
  ...['src/commands', 'test/contracts', 'bench', 'packages/x/src'].flatMap((folder) =>
    BANNED_EVERYWHERE.map((code, i) => [`${folder}/append-${i}.ts`, code] as const),
  ),
  ...['src/cli', 'packages/x/src'].flatMap((folder) => [
    [`${folder}/file-401.ts`, longFile(401)] as const,
    [`${folder}/file-400.ts`, longFile(400)] as const,
    [`${folder}/file-401.test.ts`, longFile(401)] as const,
    [`${folder}/function-61.ts`, longFunction(61)] as const,
    [`${folder}/function-60.ts`, longFunction(58)] as const,
  ]),
]);

/** Lints every snippet in one run, with the project's own configuration. */
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'baton-lint-'));
  for (const name of ['biome.json', '.gitignore', 'tools/lint'])
    await cp(join(ROOT, name), join(dir, name), { recursive: true });
  for (const [name, code] of files) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), `${code}\n`);
  }
  const report = await new Promise<string>((resolve) =>
    execFile(
      join(ROOT, 'node_modules/.bin/biome'),
      ['lint', '--reporter=json', '--max-diagnostics=none', '.'],
      { cwd: dir, maxBuffer: 1 << 26 },
      (_, stdout) => resolve(stdout),
    ),
  );
  type Diagnostic = { category: string; location: { path: string } };
  const { diagnostics } = JSON.parse(report) as { diagnostics: Diagnostic[] };
  for (const { category, location } of diagnostics)
    refused.set(location.path, [...(refused.get(location.path) ?? []), category]);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const BANS = ['plugin', 'lint/style/noRestrictedGlobals', 'lint/style/noRestrictedImports'];
const bansIn = (path: string): string[] => (refused.get(path) ?? []).filter((category) => BANS.includes(category));

describe.each(Object.entries(BANNED_IN_THE_DOMAIN))('%s in the domain', (_, snippets) => {
  it.each(snippets)('is refused: %s', (code) => {
    const [path] = [...files].find(([, content]) => content === code)!;
    expect(bansIn(path)).not.toEqual([]);
  });
});

describe('an append that expects any revision', () => {
  it.each([...files].filter(([path]) => path.includes('/append-')))('is refused in %s: %s', (path) => {
    expect(bansIn(path)).toEqual(['plugin']);
  });
});

describe('what the domain may use', () => {
  it.each([...files].filter(([path]) => path.includes('/allowed/')))('passes in %s: %s', (path) => {
    expect(bansIn(path)).toEqual([]);
  });
});

describe.each(['src/cli', 'packages/x/src'])('in %s', (folder) => {
  const sizes = (name: string): string[] =>
    (refused.get(`${folder}/${name}`) ?? []).filter((category) => category.includes('noExcessiveLines'));

  it('a file has at most 400 lines, tests excepted', () => {
    expect(sizes('file-401.ts')).toEqual(['lint/style/noExcessiveLinesPerFile']);
    expect(sizes('file-400.ts')).toEqual([]);
    expect(sizes('file-401.test.ts')).toEqual([]);
  });

  it('a function has at most 60 lines', () => {
    expect(sizes('function-61.ts')).toEqual(['lint/complexity/noExcessiveLinesPerFunction']);
    expect(sizes('function-60.ts')).toEqual([]);
  });
});
