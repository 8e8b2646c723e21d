import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CONTRIBUTING = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8');

/** The numbered steps of a section, each on one line. */
const stepsOf = (title: string): string[] => {
  const section = CONTRIBUTING.split(`## ${title}\n`)[1]?.split('\n## ')[0];
  if (section === undefined) throw new Error(`CONTRIBUTING.md has no section "${title}"`);
  return section
    .replace(/\n +/g, ' ')
    .split('\n')
    .filter((line) => /^\d+\. /.test(line));
};

/** The paths that a step names in backquotes, for agents. */
const pathsIn = (step: string): string[] =>
  [...step.matchAll(/`((?:src|packages|test|docs)\/[^`\s]*)`/g)]
    .map(([, path = '']) => path)
    .map((path) =>
      path
        .replace('src/wording/<aggregate>', 'src/wording/agent')
        .replaceAll('<aggregate>', 'agent')
        .replaceAll('<feature>', 'agents')
        .replaceAll('<model>', 'agents')
        .replaceAll('<name>', 'agents')
        .replaceAll('<verb-noun>', 'drain-agent'),
    );

const LISTS = ['Add an event', 'Change a stored shape', 'Add a read model', 'Add a command'];

describe.each(LISTS)('the checklist "%s"', (title) => {
  it('has steps, and names only files and folders that exist', () => {
    const paths = stepsOf(title).flatMap(pathsIn);
    expect(paths.length).toBeGreaterThan(1);
    expect(paths.filter((path) => !path.includes('*') && !existsSync(join(ROOT, path)))).toEqual([]);
  });
});

describe('the checklist "Change a stored shape", followed in a copy of the sources', () => {
  const TYPE = 'AgentDeregistered';
  let copy: string;

  const run = (args: readonly string[], stdin = ''): Promise<{ code: number | null; text: string }> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, args, { cwd: copy });
      let text = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
      child.once('close', (code) => resolve({ code, text }));
      child.stdin.end(stdin);
    });

  const edit = async (path: string, change: (text: string) => string): Promise<void> => {
    const file = join(copy, path);
    const before = await readFile(file, 'utf8');
    const after = change(before);
    if (after === before) throw new Error(`nothing to change in ${path}`);
    await writeFile(file, after);
  };

  const goldenTest = () => run([join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--config', 'vitest.copy.ts']);

  beforeAll(async () => {
    copy = await mkdtemp(join(tmpdir(), 'baton-checklist-'));
    for (const part of ['src/domain', 'src/eventstore', 'src/platform', 'test/golden', 'package.json', 'tsconfig.json'])
      await cp(join(ROOT, part), join(copy, part), { recursive: true });
    await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    await writeFile(
      join(copy, 'vitest.copy.ts'),
      "export default { test: { include: ['test/golden/golden-events.test.ts'] } };\n",
    );
  });
  afterAll(() => rm(copy, { recursive: true, force: true }));

  const [events, upcasters, , golden] = stepsOf('Change a stored shape');

  it('needs every step: after only the first, the golden test names the missing upcaster', {
    timeout: 120_000,
  }, async () => {
    const [path] = pathsIn(events ?? '');
    await edit(path ?? '', (text) =>
      text.replace(
        new RegExp(`(${TYPE}: \\{\\s*schemaVersion: )1(,\\s*schema: z\\.strictObject\\(\\{)`),
        '$12$2\n      note: z.string(),',
      ),
    );
    const { code, text } = await goldenTest();
    expect(code).not.toBe(0);
    expect(text).toContain(`${TYPE} has schema version 2, but no upcaster ${TYPE}@1`);
  });

  it('makes the golden test pass with the old sample untouched', { timeout: 120_000 }, async () => {
    const [path] = pathsIn(upcasters ?? '');
    await edit(path ?? '', (text) =>
      text.replace(
        'upcasters: Upcasters = {',
        `upcasters: Upcasters = {\n  '${TYPE}@1': (data: object) => ({ ...data, note: '' }),`,
      ),
    );
    const sample = JSON.parse(await readFile(join(copy, `test/golden/events/${TYPE}.v1.json`), 'utf8'));
    const [, script = ''] = /`npx tsx (\S+) <Type> < data\.json`/.exec(golden ?? '') ?? [];
    const added = await run(['--import', 'tsx', script, TYPE], JSON.stringify({ ...sample.data, note: 'moved' }));
    expect(added).toEqual({ code: 0, text: '' });
    const { code, text } = await goldenTest();
    expect(text).not.toContain('FAIL');
    expect(code).toBe(0);
  });
});
