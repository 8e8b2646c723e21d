import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export type Ran = { readonly code: number | null; readonly out: string; readonly err: string; readonly output: string };

export type RunOptions = {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Sends SIGINT once stdout matches. */
  readonly until?: RegExp;
};

/** This machine's settings, without those of Baton and of npm's own run. */
const inherited = (): Record<string, string | undefined> =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        !/^(BATON_|EVENTSTORE_URL|DATABASE_URL|REDIS_URL|npm_(lifecycle|package|command|execpath))/.test(name),
    ),
  );

export const run = (command: string, args: readonly string[], { cwd = ROOT, env = {}, until }: RunOptions = {}) =>
  new Promise<Ran>((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...inherited(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err, output] = ['', '', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      output += chunk.toString();
      if (until?.test(out)) child.kill('SIGINT');
    });
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
      output += chunk.toString();
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err, output }));
  });

const TAIL = 3_000;

/** Prints how each step went; a step returns what it found wrong, if anything. */
export class Report {
  #failed = 0;

  async step(name: string, work: () => Promise<string | undefined>): Promise<boolean> {
    const startedAt = performance.now();
    process.stdout.write(`${name} … `);
    const problem = await work().catch((error: Error) => error.stack ?? error.message);
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
    process.stdout.write(
      problem === undefined ? `ok (${seconds} s)\n` : `FAILED (${seconds} s)\n${problem.slice(-TAIL)}\n`,
    );
    if (problem !== undefined) this.#failed += 1;
    return problem === undefined;
  }

  end(): void {
    process.stdout.write(this.#failed === 0 ? 'all steps passed\n' : `${this.#failed} steps failed\n`);
    process.exitCode = this.#failed === 0 ? 0 : 1;
  }
}

const STACK = /^\s+at .+:\d+:\d+\)?$/m;
const WARNING = /^.*(\(node:\d+\)|Warning:|npm warn).*$/im;

/** What a program that ended printed and should not have. */
export const complaintOf = ({ code, output }: Ran): string | undefined => {
  if (code !== 0) return `exit code ${code}:\n${output}`;
  const found = STACK.exec(output) ?? WARNING.exec(output);
  return found === null ? undefined : `it printed ${JSON.stringify(found[0])}`;
};
