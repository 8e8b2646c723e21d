import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Role } from '../../src/platform/config.ts';
import { BATON } from './built.ts';

const READY_MS = 90_000;
/** The exit code of `serve` when a store cannot be reached. */
const STORES_AWAY = 3;
const START_TRIES = 5;

/** One line of a process's log. */
export type LogLine = { readonly level: number; readonly msg: string } & Readonly<Record<string, unknown>>;

/** A process of Baton with one role, started again after each kill, the way a supervisor would. */
export class Member {
  readonly role: Role;
  readonly index: number;
  readonly lines: LogLine[] = [];
  kills = 0;
  readonly #env: Record<string, string>;
  #child: ChildProcess | undefined;
  #dataDir: string | undefined;
  url: string | undefined;

  constructor(role: Role, index: number, env: Record<string, string>) {
    this.role = role;
    this.index = index;
    this.#env = env;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`${this.role} ${this.index} does not run`);
    return pid;
  }

  get running(): boolean {
    return this.url !== undefined || this.#ready;
  }

  #ready = false;

  /** Resolves when the process says that it is ready. One that a store keeps from starting is started again, as a supervisor does. */
  async start(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#startOnce();
        return;
      } catch (error) {
        if (this.#child?.exitCode !== STORES_AWAY || tries === START_TRIES) throw error;
      }
    }
  }

  async #startOnce(): Promise<void> {
    this.#dataDir ??= await mkdtemp(join(tmpdir(), `baton-${this.role}-`));
    const env = {
      PATH: process.env['PATH'] ?? '',
      BATON_LOG_LEVEL: 'info',
      BATON_DATA_DIR: this.#dataDir,
      ...this.#env,
    };
    const child = spawn(process.execPath, [BATON, 'serve', '--roles', this.role, '--port', '0', '--json'], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    createInterface({ input: child.stderr }).on('line', (line) => this.#take(line));
    let timer: NodeJS.Timeout | undefined;
    const facts = await new Promise<{ url: string | null }>((resolve, reject) => {
      createInterface({ input: child.stdout }).once('line', (line) => {
        const said = JSON.parse(line);
        // What keeps it from starting is said there as well; then it ends.
        if (!('error' in said)) resolve(said);
      });
      const fail = (what: string): void =>
        reject(new Error(`${this.role} ${what}: ${JSON.stringify(this.lines.slice(-3))}`));
      child.once('exit', (code, signal) => fail(`ended with ${code ?? signal}`));
      timer = setTimeout(() => {
        fail(`was not ready within ${READY_MS} ms`);
        child.kill('SIGKILL'); // whoever starts it again must not have two
      }, READY_MS);
    }).finally(() => clearTimeout(timer));
    this.#ready = true;
    this.url = facts.url ?? undefined;
  }

  async kill(): Promise<void> {
    this.kills += 1;
    await this.#end('SIGKILL');
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  async stop(): Promise<void> {
    if (this.#child?.exitCode === null && this.#child.signalCode === null) await this.#end('SIGTERM');
    if (this.#dataDir !== undefined) await rm(this.#dataDir, { recursive: true, force: true });
  }

  logged(text: string): number {
    return this.lines.filter(({ msg }) => msg.includes(text)).length;
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    this.#ready = false;
    this.url = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await exited;
  }

  #take(line: string): void {
    try {
      this.lines.push(JSON.parse(line) as LogLine);
    } catch {
      this.lines.push({ level: 0, msg: line }); // not a log line: a crash of Node itself
    }
  }
}

/** Numbers in [0, 1) that follow from the seed (mulberry32). */
export const seeded = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

/** Resolves once `condition` holds; rejects with what it last said when that takes longer than `withinMs`. */
export const until = async (what: string, withinMs: number, condition: () => Promise<true | string>): Promise<void> => {
  const endAt = Date.now() + withinMs;
  for (;;) {
    const answer = await condition();
    if (answer === true) return;
    if (Date.now() > endAt) throw new Error(`${what} did not come true within ${withinMs} ms: ${answer}`);
    await sleep(200);
  }
};
