import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { run } from '../../src/cli/run.ts';
import { BATON, BUILT } from './built.ts';
import { runProgram } from './run-source.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const PROGRAM = BUILT ? [BATON] : runProgram(MAIN);

export type Ended = { readonly code: number | null; readonly out: string; readonly err: string };

export type Environment = Readonly<Record<string, string>>;

/** The command as its own process, with nothing of this process's settings. */
export const startCli = (args: readonly string[], env: Environment): ChildProcessWithoutNullStreams => {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(BATON_|EVENTSTORE_URL|DATABASE_URL|REDIS_URL)/.test(name),
  );
  return spawn(process.execPath, [...PROGRAM, ...args], {
    env: { ...Object.fromEntries(inherited), ...env },
  });
};

export const endOf = async (child: ChildProcessWithoutNullStreams): Promise<Ended> => {
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
};

export const runCli = (args: readonly string[], env: Environment, stdin = ''): Promise<Ended> => {
  const child = startCli(args, env);
  child.stdin.on('error', () => {}); // it may end before it reads
  child.stdin.end(stdin);
  return endOf(child);
};

/** The same command in this process, which saves the start of a process; for what does not depend on being one. */
export const runHere = async (args: readonly string[], env: Environment, stdin = ''): Promise<Ended> => {
  const output = { out: '', err: '' };
  const code = await run(
    {
      env,
      stdin: Readable.from([Buffer.from(stdin)]),
      out: (text) => {
        output.out += text;
      },
      err: (text) => {
        output.err += text;
      },
      progress: undefined,
      colour: false,
    },
    args,
  );
  return { code, ...output };
};

/** The first line that the process prints; rejects when it ends before. */
export const firstLine = (child: ChildProcessWithoutNullStreams): Promise<string> =>
  new Promise((resolve, reject) => {
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      if (out.includes('\n')) resolve(out.slice(0, out.indexOf('\n')));
    });
    child.stderr.on('data', (chunk: Buffer) => {
      err = (err + chunk.toString()).slice(-4_000);
    });
    child.once('close', (code) => reject(new Error(`ended with ${code} before its first line: ${err}`)));
  });
