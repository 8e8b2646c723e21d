import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { satisfies } from 'semver';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { freePort } from '../../src/embedded/ports.ts';
import { BATON } from '../support/built.ts';
import { endOf, firstLine } from '../support/cli-process.ts';
import { RUN_TYPESCRIPT } from '../support/run-source.ts';
import { freshDatabase, freshEventStore } from '../support/servers.ts';

/** The guide, command by command: what it tells to save is saved, what it tells to run runs, what it says is printed is printed. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RUNS_TYPESCRIPT = satisfies(process.versions.node, '>=22.18');

type Block = { readonly language: string; readonly file: string | undefined; readonly text: string };

let folder: string;
let env: Record<string, string>;
let blocks: Block[];
let closeStores: () => Promise<void>;
const servers: ChildProcessWithoutNullStreams[] = [];

const blocksOf = (guide: string): Block[] =>
  [...guide.matchAll(/(?:`(\w[\w.]*)`:\n\n)?^```(\w*)\n([\s\S]*?)^```$/gm)].map(
    ([, file, language = '', text = '']) => ({
      language,
      file,
      text,
    }),
  );

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'baton-first-agent-'));
  await mkdir(join(folder, 'node_modules/.bin'), { recursive: true });
  await symlink(ROOT, join(folder, 'node_modules/baton'));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  const [database, eventStore] = await Promise.all([freshDatabase(), freshEventStore()]);
  closeStores = async () => {
    await eventStore.stop();
    await database.drop();
  };
  env = {
    EVENTSTORE_URL: eventStore.connectionString,
    DATABASE_URL: database.url,
    REDIS_URL: inject('redisUrl'),
    BATON_PORT: '0',
    BATON_LOG_LEVEL: 'error',
  };
  const ports = [await freePort('127.0.0.1'), await freePort('127.0.0.1')];
  const guide = await readFile(join(ROOT, 'docs/guides/first-agent.md'), 'utf8');
  blocks = blocksOf(guide.replaceAll('7001', String(ports[0])).replaceAll('7002', String(ports[1])));
});

const stop = async (server: ChildProcessWithoutNullStreams): Promise<number | null> => {
  if (server.exitCode !== null) return server.exitCode;
  const closed = once(server, 'close');
  server.kill('SIGTERM');
  const [code] = (await closed) as [number | null];
  return code;
};

afterAll(async () => {
  for (const server of servers.reverse()) await stop(server);
  await closeStores?.();
  await rm(folder, { recursive: true, force: true });
});

/** The program and arguments of a line of the guide. */
const commandOf = (line: string): readonly [string, readonly string[]] => {
  const [program = '', ...args] = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(
    ([, quoted, word]) => quoted ?? word ?? '',
  );
  if (program === 'npx') return [process.execPath, [BATON, ...args.slice(1)]];
  if (program !== 'node') return [program, args];
  return [process.execPath, [...(args[0]?.endsWith('.ts') && !RUNS_TYPESCRIPT ? RUN_TYPESCRIPT : []), ...args]];
};

const start = (line: string): ChildProcessWithoutNullStreams => {
  const [program, args] = commandOf(line);
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('BATON_'));
  return spawn(program, args, { cwd: folder, env: { ...Object.fromEntries(inherited), ...env } });
};

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** `…` stands for the rest of a line, and alone on a line for any lines. */
const patternOf = (shown: string): RegExp =>
  new RegExp(
    `^${shown
      .split('\n')
      .map((line) => (line === '…' ? '(?:.*\\n)*?' : `${line.split('…').map(escaped).join('.*')} *\\n`))
      .join('')}$`,
  );

const LASTS = /^(npx baton serve|node stock|python3)/;

it('the guide to a first agent works as it is written', async () => {
  let printed = '';
  for (const { language, file, text } of blocks) {
    if (file !== undefined) await writeFile(join(folder, file), text);
    else if (language === 'sh') {
      printed = '';
      for (const line of text.trim().split('\n')) {
        if (line.startsWith('npm ')) continue; // needs the registry
        const child = start(line);
        if (LASTS.test(line)) {
          servers.push(child);
          await firstLine(child);
        } else {
          const { out, err } = await endOf(child);
          printed += out + err;
        }
      }
    } else if (language === '') expect(printed).toMatch(patternOf(text.trimEnd()));
  }
  expect(blocks.filter(({ language }) => language === '')).toHaveLength(5);
  const [, agent] = servers as [ChildProcessWithoutNullStreams, ChildProcessWithoutNullStreams];
  expect(await stop(agent), 'the agent in TypeScript ends in order').toBe(0);
});
