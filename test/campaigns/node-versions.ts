/**
 * Runs the demo and the unit tests on several versions of Node, which come from npm's package `node`. NODE_VERSIONS chooses them,
 * NODE_UNIT_TESTS those that also run the unit tests.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { complaintOf, Report, run } from './steps.ts';

const listOf = (name: string, fallback: string): string[] =>
  (process.env[name] ?? fallback).split(',').filter((version) => version !== '');

const versions = listOf('NODE_VERSIONS', '20,22,24,26');
const tested = listOf('NODE_UNIT_TESTS', versions.join(','));
const report = new Report();
const folder = await mkdtemp(join(tmpdir(), 'baton-node-versions-'));
await chmod(folder, 0o711); // Postgres, started by root, runs as another user

const tryVersion = async (version: string): Promise<void> => {
  const place = join(folder, version);
  const node = join(place, 'node_modules/node/bin/node');
  const install = ['install', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', place, `node@${version}`];
  const installed = await report.step(`node ${version}: install`, async () => complaintOf(await run('npm', install)));
  if (!installed) return;
  await report.step(`node ${version} (${(await run(node, ['--version'])).out.trim()}): demo`, async () => {
    const env = { BATON_DATA_DIR: join(folder, `data-${version}`) };
    return complaintOf(await run(node, ['dist/bundle/baton.js', 'demo'], { env }));
  });
  if (!tested.includes(version)) return;
  await report.step(`node ${version}: unit tests`, async () => {
    const env = { PATH: `${dirname(node)}${delimiter}${process.env['PATH']}`, NO_COLOR: '1' };
    const { code, output } = await run(node, ['node_modules/vitest/vitest.mjs', 'run', '--project', 'unit*'], { env });
    return code === 0 ? undefined : output;
  });
};

try {
  for (const version of versions) await tryVersion(version);
} finally {
  await rm(folder, { recursive: true, force: true });
}
report.end();
