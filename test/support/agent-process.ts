import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { AgentCall } from '../../src/invariants/invariants.ts';
import { RUN_TYPESCRIPT } from './run-source.ts';

const MAIN = fileURLToPath(new URL('./agent-main.ts', import.meta.url));

/** What goes wrong with an agent, each as a part of its calls. */
export type AgentFaults = { readonly silent: number; readonly failing: number; readonly cut: number };

/** An A2A agent in a process of its own, which notes each call in a journal as it comes. */
export class AgentProcess {
  readonly agentId: string;
  readonly cardUrl: string;
  readonly #journal: string;
  readonly #child: ChildProcess;

  private constructor(agentId: string, cardUrl: string, journal: string, child: ChildProcess) {
    this.agentId = agentId;
    this.cardUrl = cardUrl;
    this.#journal = journal;
    this.#child = child;
  }

  /** @param journal the file that it writes */
  static async start(agentId: string, journal: string, seed: number, faults: AgentFaults): Promise<AgentProcess> {
    const args = [...RUN_TYPESCRIPT, MAIN, JSON.stringify({ journal, seed, faults })];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const cardUrl = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).once('line', resolve);
      child.once('exit', (code) => reject(new Error(`the agent ${agentId} ended with ${code}`)));
    });
    return new AgentProcess(agentId, cardUrl, journal, child);
  }

  /** What it noted so far. */
  async calls(tenant: string): Promise<AgentCall[]> {
    const lines = (await readFile(this.#journal, 'utf8')).split('\n').filter((line) => line !== '');
    return lines.map((line) => ({ tenant, agentId: this.agentId, ...(JSON.parse(line) as NotedCall) }));
  }

  async stop(): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.exitCode !== null) return;
    this.#child.kill('SIGTERM');
    await exited;
  }
}

type NotedCall = { readonly taskId: string; readonly attempt: number; readonly at: string };
