/**
 * What another project meets: a clone of this repository is packed, the tarball is installed with npm, and Baton is used from there, as
 * a library with its types and as a command. What is not committed is not in the clone.
 */
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { complaintOf, Report, ROOT, run } from './steps.ts';

const report = new Report();
const folder = await mkdtemp(join(tmpdir(), 'baton-install-'));
await chmod(folder, 0o711); // Postgres, started by root, runs as another user
const clone = join(folder, 'clone');
const project = join(folder, 'project');
const QUIET = ['--no-audit', '--no-fund'];

const PROGRAM = `
import { readConfig, startBaton } from 'baton';
const baton = await startBaton(readConfig());
await baton.agent({ agentId: 'doubler', capabilities: [{ name: 'double' }] }, (input) => ({ twice: input.n * 2 }));
console.log(JSON.stringify(await baton.run({ capability: 'double', input: { n: 21 } })));
await baton.stop();
`;
const TYPED = `
import { type Baton, readConfig, startBaton, TaskFailed } from 'baton';
const baton: Baton = await startBaton(readConfig());
export const output = await baton.run({ capability: 'double', input: { n: 21 } });
export const failed = (error: unknown): boolean => error instanceof TaskFailed;
// @ts-expect-error a configuration has a port
await startBaton({});
`;
const TSC = ['tsc', '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node', 'user.ts'];

const expectOutput = (what: RegExp, { output }: { output: string }): string | undefined =>
  what.test(output) ? undefined : `${what} is not in what it printed:\n${output}`;

/** Each step needs those before it. */
const STEPS: Readonly<Record<string, () => Promise<string | undefined>>> = {
  'git clone': async () => complaintOf(await run('git', ['clone', '--quiet', `file://${ROOT}`, clone])),
  'npm ci': async () => {
    const { code, output } = await run('npm', ['ci', ...QUIET], { cwd: clone });
    return code === 0 ? undefined : output;
  },
  'npm pack': async () => {
    await mkdir(project);
    const { code, output } = await run('npm', ['pack', '--pack-destination', project], { cwd: clone });
    return code === 0 ? undefined : output;
  },
  'npm install of the tarball': async () => {
    await writeFile(join(project, 'package.json'), '{ "name": "user", "private": true, "type": "module" }\n');
    const [tarball = ''] = (await readdir(project)).filter((name) => name.endsWith('.tgz'));
    const { code, output } = await run('npm', ['install', ...QUIET, `./${tarball}`], { cwd: project });
    // That npm asks before it runs install scripts is its own matter: Baton works without them.
    const bad = /^.*(EBADENGINE|deprecated|overrid).*$/im.exec(output);
    return code !== 0 ? output : bad?.[0];
  },
  'types of the library': async () => {
    const compiler = ['install', '--save-dev', ...QUIET, 'typescript@5', '@types/node@20'];
    await run('npm', compiler, { cwd: project });
    await writeFile(join(project, 'user.ts'), TYPED);
    return complaintOf(await run('npx', ['--no-install', ...TSC], { cwd: project }));
  },
  'npx baton --version': async () => {
    const ran = await run('npx', ['--no-install', 'baton', '--version'], { cwd: project });
    return complaintOf(ran) ?? expectOutput(/^\d+\.\d+\.\d+\n$/, ran);
  },
  'npx baton serve': async () => {
    const ran = await run('node', ['node_modules/.bin/baton', 'serve', '--port', '0'], {
      cwd: project,
      until: /^Redis /m,
    });
    return complaintOf(ran) ?? expectOutput(/database migrated/, ran) ?? expectOutput(/Baton has stopped\.\n$/, ran);
  },
  'baton.run': async () => {
    await writeFile(join(project, 'program.mjs'), PROGRAM);
    const env = { BATON_PORT: '0', BATON_LOG_LEVEL: 'warn' };
    const ran = await run('node', ['program.mjs'], { cwd: project, env });
    return complaintOf(ran) ?? expectOutput(/^\{"twice":42\}$/m, ran);
  },
};

try {
  for (const [name, work] of Object.entries(STEPS)) if (!(await report.step(name, work))) break;
} finally {
  await rm(folder, { recursive: true, force: true });
}
report.end();
