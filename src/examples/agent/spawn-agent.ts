import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename, extname } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { programOf } from './program.ts';

export type SpawnOptions = {
  readonly port?: number;
  readonly agentId?: string;
  readonly journal?: string;
  readonly dedupe?: boolean;
  readonly workMs?: number;
  /** Id of a skill that fails permanently. */
  readonly refuse?: string | undefined;
  readonly heartbeat?: { readonly batonUrl: string; readonly intervalMs: number };
};

/** An agent that runs as its own process. */
export type AgentProcess = {
  readonly agentId: string;
  readonly cardUrl: string;
  readonly url: string;
  readonly process: ChildProcess;
  /** Stops it in an orderly way; SIGKILL follows after two seconds. */
  stop(): Promise<void>;
};

/** On a loaded machine with two cores, five agents that run from source take more than 20 s. */
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 2_000;

const argumentsOf = (options: SpawnOptions): string[] => [
  ...['--port', String(options.port ?? 0)],
  ...(options.agentId === undefined ? [] : ['--agent-id', options.agentId]),
  ...(options.journal === undefined ? [] : ['--journal', options.journal]),
  ...(options.workMs === undefined ? [] : ['--work-ms', String(options.workMs)]),
  ...(options.heartbeat === undefined
    ? []
    : ['--heartbeat', options.heartbeat.batonUrl, '--heartbeat-interval', String(options.heartbeat.intervalMs)]),
  ...(options.dedupe ? ['--dedupe'] : []),
  ...(options.refuse === undefined ? [] : ['--refuse', options.refuse]),
];

type ReadyLine = { readonly agentId: string; readonly cardUrl: string; readonly url: string };

const readyLine = async (child: ChildProcess, name: string): Promise<ReadyLine> => {
  const lines = createInterface({ input: child.stdout as Readable });
  const signal = AbortSignal.timeout(START_TIMEOUT_MS);
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`the agent ${name} ended with code ${code} before it was ready`);
  });
  try {
    const [line] = (await Promise.race([once(lines, 'line', { signal }), exited])) as [string];
    return JSON.parse(line) as ReadyLine;
  } catch (error) {
    if (signal.aborted)
      throw new Error(`the agent ${name} was not ready after ${START_TIMEOUT_MS} ms`, { cause: error });
    throw error;
  } finally {
    exited.catch(() => {}); // a later exit is not a failure to start
  }
};

const stopChild = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
};

/**
 * Starts the script of an agent, which calls `runAgent`, as its own process and waits until it accepts calls. Sources run with tsx.
 * `args` are the script's own arguments and come before the common ones.
 *
 * Errors: rejects when the process ends before it is ready, or is not ready after a minute.
 */
export const spawnAgent = async (
  script: URL,
  options: SpawnOptions,
  args: readonly string[] = [],
): Promise<AgentProcess> => {
  const path = programOf(script);
  const loader = extname(path) === '.ts' ? ['--import', import.meta.resolve('tsx')] : [];
  const child = spawn(process.execPath, [...loader, path, ...args, ...argumentsOf(options), '--exit-with-parent'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const { agentId, cardUrl, url } = await readyLine(child, options.agentId ?? basename(script.pathname));
    return { agentId, cardUrl, url, process: child, stop: () => stopChild(child) };
  } catch (error) {
    await stopChild(child);
    throw error;
  }
};

/** Waits for all of them. When one fails to start, stops the others and throws its error. */
export const allStarted = async <Started extends Pick<AgentProcess, 'stop'>>(
  starting: readonly Promise<Started>[],
): Promise<Started[]> => {
  const outcomes = await Promise.allSettled(starting);
  const agents = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure === undefined) return agents;
  await Promise.all(agents.map((agent) => agent.stop()));
  throw failure.reason;
};
