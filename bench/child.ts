import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A script of a benchmark in a process of its own: it prints a line when it is ready, and ends with its standard input. */
export class Child {
  readonly #process: ChildProcess;
  readonly #lines: Interface;

  private constructor(process: ChildProcess, lines: Interface) {
    this.#process = process;
    this.#lines = lines;
  }

  /** Resolves with the child and its first line. */
  static async start(
    script: string,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
  ): Promise<[Child, string]> {
    const loader = script.endsWith('.ts') ? ['--import', 'tsx'] : [];
    const process = spawn(globalThis.process.execPath, [...loader, script, ...args], {
      env: { ...globalThis.process.env, ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: process.stdout! });
    const [line] = (await once(lines, 'line')) as [string];
    return [new Child(process, lines), line];
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** The child's answer to a line. */
  async ask(): Promise<Record<string, Record<string, number>>> {
    const answer = once(this.#lines, 'line');
    this.#process.stdin!.write('\n');
    return JSON.parse(((await answer) as [string])[0]);
  }

  async stop(): Promise<void> {
    const exited = once(this.#process, 'exit');
    this.#process.stdin!.end();
    await exited;
  }
}

const AGENT = fileURLToPath(new URL('./agent.ts', import.meta.url));

/** An agent over the network that answers at once, and the address of its card. */
export const startAgent = (): Promise<[Child, string]> => Child.start(AGENT, [], {});
