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
  const [server, stock, bank] = [await freePort('127.0.0.1'), await freePort('127.0.0.1'), await freePort('127.0.0.1')];
  env = {
    EVENTSTORE_URL: eventStore.connectionString,
    DATABASE_URL: database.url,
    REDIS_URL: inject('redisUrl'),
    BATON_PORT: String(server),
    BATON_LOG_LEVEL: 'error',
  };
  const guide = await readFile(join(ROOT, 'docs/guides/first-agent.md'), 'utf8');
  const ports = { 4000: server, 7001: stock, 7002: bank };
  blocks = blocksOf(Object.entries(ports).reduce((text, [shown, port]) => text.replaceAll(shown, String(port)), guide));
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

/** The settings before a command, and the command. */
const settingsOf = (line: string): readonly [Record<string, string>, string] => {
  const [, settings = '', command = ''] = /^((?:[A-Z_]+=\S+ )*)(.*)$/.exec(line) ?? [];
  return [Object.fromEntries([...settings.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name, value])), command];
};

/** The program and arguments of a command of the guide. */
const commandOf = (line: string): readonly [string, readonly string[]] => {
  const [program = '', ...args] = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(
    ([, quoted, word]) => quoted ?? word ?? '',
  );
  if (program === 'npx') return [process.execPath, [BATON, ...args.slice(1)]];
  if (program !== 'node') return [program, args];
  return [process.execPath, [...(args[0]?.endsWith('.ts') && !RUNS_TYPESCRIPT ? RUN_TYPESCRIPT : []), ...args]];
};

const start = (line: string): ChildProcessWithoutNullStreams => {
  const [settings, command] = settingsOf(line);
  const [program, args] = commandOf(command);
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('BATON_'));
  return spawn(program, args, { cwd: folder, env: { ...Object.fromEntries(inherited), ...env, ...settings } });
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

const LASTS = /^(npx baton serve|BATON_URL=)/;

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
  const [, ...agents] = servers;
  expect(await Promise.all(agents.map(stop)), 'both agents end in order').toEqual([0, 0]);
  const { out } = await endOf(start('npx baton agents list'));
  expect(out, 'both have left').not.toMatch(/stock|bank/);
});
