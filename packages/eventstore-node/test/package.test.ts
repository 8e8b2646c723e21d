import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const execute = promisify(execFile);
const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url));
const README = join(PACKAGE, 'README.md');

/** A project outside the repository that has installed the tarball of `npm pack`. Nothing is fetched: its dependencies are linked. */
let project: string;

const inProject = async (program: string, ...args: string[]): Promise<string> => {
  const { stdout } = await execute(program, args, { cwd: project });
  return stdout;
};

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'eventstore-node-user-'));
  await execute('npm', ['pack', '--pack-destination', project], { cwd: PACKAGE });
  const [tarball] = (await readdir(project)).filter((name) => name.endsWith('.tgz'));
  const dependencies = { 'baton-eventstore-node': `file:${tarball}`, zod: `file:${join(MODULES, 'zod')}` };
  await writeFile(join(project, 'package.json'), JSON.stringify({ type: 'module', dependencies }));
  await inProject('npm', 'install', '--offline', '--no-audit', '--no-fund');
  for (const name of ['@eventstore', '@types', 'vitest'])
    await symlink(join(MODULES, name), join(project, 'node_modules', name));
}, 120_000);

afterAll(() => rm(project, { recursive: true, force: true }));

it('contains what a user needs, and neither sources nor tests', async () => {
  const installed = join(project, 'node_modules/baton-eventstore-node');
  expect((await readdir(installed)).sort()).toEqual(['LICENSE', 'README.md', 'dist', 'package.json']);
  const files = await readdir(join(installed, 'dist'), { recursive: true });
  expect(files.filter((name) => /\.test\.|tsbuildinfo/.test(name))).toEqual([]);
});

it('runs the example of its README', async () => {
  const [, example = ''] = /^```ts\n([\s\S]*?)^```/m.exec(await readFile(README, 'utf8')) ?? [];
  await writeFile(join(project, 'order.test.ts'), example);
  const stdout = await inProject(process.execPath, join(MODULES, 'vitest/vitest.mjs'), 'run', '--reporter', 'json');
  expect(JSON.parse(stdout.slice(stdout.indexOf('{')))).toMatchObject({ success: true, numPassedTests: 2 });
}, 60_000);

it('exports what its types say, and nothing internal', async () => {
  await writeFile(
    join(project, 'user.ts'),
    `
    import { type RunningNode, startEventStoreNode } from 'baton-eventstore-node';
    import { verifyDataFolder } from 'baton-eventstore-node/verify';
    const node: RunningNode = await startEventStoreNode();
    export const url: string = node.connectionString;
    export const problems: number = (await verifyDataFolder('/tmp/x')).problemCount;
    // @ts-expect-error a port is a number
    await startEventStoreNode({ dataDir: '/tmp/x', port: '2113' });
    // @ts-expect-error not public
    await import('baton-eventstore-node/dist/node.js');
  `,
  );
  const flags = [
    '--noEmit',
    '--strict',
    '--skipDefaultLibCheck',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--types',
    'node',
  ];
  const tsc = [join(MODULES, 'typescript/bin/tsc'), ...flags, 'user.ts'];
  await expect(inProject(process.execPath, ...tsc).catch(({ stdout }) => stdout)).resolves.toBe('');
}, 120_000);

it('starts a node as a command, and as a child process of its user', async () => {
  const command = spawn(join(project, 'node_modules/.bin/baton-eventstore-node'), ['--in-memory']);
  const [line] = (await command.stdout.take(1).toArray()) as Buffer[];
  expect(JSON.parse(String(line))).toMatchObject({ ready: true, pid: command.pid });
  command.kill('SIGTERM');
  const script = `
    import { spawnEventStoreNode } from 'baton-eventstore-node';
    import { verifyDataFolder } from 'baton-eventstore-node/verify';
    const node = await spawnEventStoreNode({ dataDir: 'events' });
    await node.stop();
    const { events, problemCount } = await verifyDataFolder('events');
    console.log(JSON.stringify({ events, problemCount }));
  `;
  const output = await inProject(process.execPath, '--input-type=module', '-e', script);
  expect(JSON.parse(output)).toEqual({ events: 1, problemCount: 0 });
});

it('has a README that shows only existing commands and options', async () => {
  const shell = [...(await readFile(README, 'utf8')).matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, text]) => text);
  const options = shell.join('').match(/(?<=npx baton-eventstore-node.*)--[a-z-]+/g) ?? [];
  const help = await inProject(join(project, 'node_modules/.bin/baton-eventstore-node'), '--help');
  expect(options.length).toBeGreaterThan(5);
  for (const option of options) expect(help).toMatch(new RegExp(`^ +${option}\\b`, 'm'));
});
