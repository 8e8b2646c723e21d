import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BUILT } from '../support/built.ts';

const execute = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MODULES = join(ROOT, 'node_modules');

/** Another project, that has installed the tarball of `npm pack`: unpacked, with links for what would come from the registry. */
let project: string;
let baton: string;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'baton-user-'));
  baton = join(project, 'node_modules/baton');
  await mkdir(baton, { recursive: true });
  // A build under other tests would take the command away from them for a moment; the campaign `install` packs with it.
  const built = BUILT ? ['--ignore-scripts'] : [];
  await execute('npm', ['pack', ...built, '--pack-destination', project], { cwd: ROOT });
  const [tarball = ''] = (await readdir(project)).filter((name) => name.endsWith('.tgz'));
  await execute('tar', ['--extract', '--file', tarball, '--directory', baton, '--strip-components=1'], {
    cwd: project,
  });
  const workspaces = await readdir(join(ROOT, 'packages'));
  const published = (await readdir(MODULES)).filter((name) => !name.startsWith('.') && !workspaces.includes(name));
  for (const name of published) await symlink(join(MODULES, name), join(project, 'node_modules', name));
  await writeFile(join(project, 'package.json'), '{ "type": "module" }');
}, 120_000);
afterAll(() => rm(project, { recursive: true, force: true }));

const run = async (script: string): Promise<unknown> => {
  await writeFile(join(project, 'script.mjs'), script);
  const { stdout } = await execute(process.execPath, ['script.mjs'], { cwd: project });
  return JSON.parse(stdout);
};
it('a project that has Baton installed gets a node for its tests, in well under a second', async () => {
  const result = (await run(`
    import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
    const started = performance.now();
    const { startEventStoreNode } = await import('baton/eventstore-node');
    const loaded = performance.now();
    const node = await startEventStoreNode();
    const ready = performance.now();
    const client = EventStoreDBClient.connectionString(node.connectionString);
    await client.appendToStream('order-1', jsonEvent({ type: 'OrderPlaced', data: { amount: 12 } }));
    const read = [];
    for await (const { event } of client.readStream('order-1')) read.push(event.data);
    const again = performance.now();
    const second = await startEventStoreNode();
    const took = performance.now() - again;
    await client.dispose();
    await node.stop();
    await second.stop();
    console.log(JSON.stringify({ read, loadMs: loaded - started, startMs: ready - loaded, secondMs: took }));
  `)) as { read: unknown; loadMs: number; startMs: number; secondMs: number };
  expect(result.read).toEqual([{ amount: 12 }]);
  // Measured on two cores with four others at work: 400 to 750 ms, 30 to 100 ms and 11 to 40 ms.
  expect(result.startMs).toBeLessThan(1_000);
  expect(result.secondMs).toBeLessThan(500);
});

it('one tarball contains Baton with its packages, built, and the command runs from it', async () => {
  for (const workspace of await readdir(join(ROOT, 'packages'))) {
    const { name } = JSON.parse(await readFile(join(ROOT, 'packages', workspace, 'package.json'), 'utf8'));
    const files = await readdir(join(baton, 'node_modules', name));
    expect(files).toEqual(expect.arrayContaining(['dist', 'package.json']));
    expect(files).not.toContain('src');
  }
  const unwanted = (await readdir(join(baton, 'dist'), { recursive: true })).filter((file) =>
    /\.test\.|\.tsbuildinfo/.test(file),
  );
  expect(unwanted).toEqual([]);
  expect(await readdir(baton)).not.toEqual(expect.arrayContaining(['src', 'test', 'bench']));
  expect(await readdir(join(baton, 'migrations'))).toEqual(await readdir(join(ROOT, 'migrations')));
  await mkdir(join(project, 'node_modules/.bin'));
  await symlink('../baton/dist/bundle/baton.js', join(project, 'node_modules/.bin/baton')); // what npm does
  await chmod(join(baton, 'dist/bundle/baton.js'), 0o755);
  const { stdout } = await execute('npx', ['--no-install', 'baton', '--help'], { cwd: project });
  expect(stdout).toContain('Usage: baton');
});

it('Baton itself can be imported, but not its internal files', async () => {
  const result = await run(`
    const { readConfig, startBaton } = await import('baton');
    const { serveAgent } = await import('baton/agent-sdk');
    const agent = await serveAgent({ card: { name: 'one' }, handlers: { one: () => 1 } });
    const { skills } = await (await fetch(agent.cardUrl)).json();
    await agent.close();
    const inner = await import('baton/dist/cli/run.js').catch(({ code }) => code);
    console.log(JSON.stringify([typeof startBaton, readConfig({}).port, skills[0].id, inner]));
  `);
  expect(result).toEqual(['function', 4000, 'one', 'ERR_PACKAGE_PATH_NOT_EXPORTED']);
}, 60_000);

it('the types describe the exports', async () => {
  await writeFile(
    join(project, 'user.ts'),
    `
    import { type RunningNode, startEventStoreNode } from 'baton/eventstore-node';
    const node: RunningNode = await startEventStoreNode();
    export const url: string = node.connectionString;
    import { type Baton, readConfig, startBaton, TaskFailed } from 'baton';
    import { type Call, serveAgent } from 'baton/agent-sdk';
    const baton: Baton = await startBaton(readConfig());
    export const reason = await baton.run({ capability: 'x' }).catch((error) => error instanceof TaskFailed && error.error?.code);
    await serveAgent({ card: { name: 'one' }, handlers: { one: (input: { n: number }, { attempt }: Call) => input.n + attempt } });
    // @ts-expect-error a port is a number
    await startEventStoreNode({ dataDir: '/tmp/x', port: '2113' });
  `,
  );
  const flags = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--types',
    'node',
  ];
  const output = await execute(process.execPath, [join(MODULES, 'typescript/bin/tsc'), ...flags, 'user.ts'], {
    cwd: project,
  }).catch((error) => error);
  expect(output.stdout).toBe('');
}, 120_000);
