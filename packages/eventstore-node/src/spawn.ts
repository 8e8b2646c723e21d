import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { SlowSubscribers } from './reads/slow-subscribers.ts';

export type SpawnOptions = {
  readonly dataDir?: string;
  readonly inMemory?: boolean;
  readonly port?: number;
  readonly host?: string;
  /** Serves over TLS, asks for credentials and checks what their owner may do. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  /** JSON file of those who may log in, with `tls`. Default: `admin` and `ops`. */
  readonly usersFile?: string;
  /** When a live subscriber is too slow, and what happens then. Default: never. */
  readonly slowSubscribers?: SlowSubscribers;
  /** Serves appends to several streams, for Kurrent's client. Default: false. */
  readonly v2?: boolean;
};

export type SpawnedNode = {
  readonly connectionString: string;
  readonly port: number;
  readonly pid: number;
  /** Settles when the process has ended, for any reason, with its exit code or signal. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Asks the node to stop and waits for it; kills it if it takes longer than it may. */
  stop(): Promise<void>;
};

/** The node ended before it was ready. `cause` is its error as the child told it: name, message, and the system's code. */
export class NodeNotStarted extends Error {
  override readonly name = 'NodeNotStarted';
  override readonly cause: StartError | undefined;
  constructor(message: string, cause: StartError | undefined) {
    super(message);
    this.cause = cause;
  }
}

export type StartError = { readonly name: string; readonly message: string; readonly code?: string };

const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 5_000;

type ReadyLine = {
  readonly ready: true;
  readonly port: number;
  readonly pid: number;
  readonly connectionString: string;
};

/**
 * Runs the node as a child process, which ends when this process does. Resolves when it accepts connections.
 * Errors: `NodeNotStarted` with what the node printed if it ends before that.
 */
export const spawnEventStoreNode = async (options: SpawnOptions): Promise<SpawnedNode> => {
  const child = spawn(process.execPath, [...entry(), ...argumentsOf(options)], {
    stdio: ['pipe', 'pipe', 'pipe'],
    // Ctrl-C in a terminal reaches a whole process group; the node is stopped by its parent, last and in order.
    detached: true,
  });
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const { pid, port, connectionString } = await readiness(child);
  return { pid, port, connectionString, exited, stop: () => stop(child, exited) };
};

/** The entry beside this file: a `.ts` source needs the loader, a compiled file does not. */
const entry = (): string[] => {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const path = fileURLToPath(new URL(`./main${extension}`, import.meta.url));
  if (extension === '.js') return [path];
  // Not `import.meta.resolve`, which test runners do not have.
  const loader = createRequire(import.meta.url).resolve('tsx');
  return ['--import', pathToFileURL(loader).href, path];
};

const argumentsOf = (options: SpawnOptions): string[] => {
  const { dataDir, inMemory, port = 0, host, tls, usersFile, slowSubscribers, v2 } = options;
  const store = inMemory ? ['--in-memory'] : option('--data', dataDir);
  const security = [
    ...option('--tls-cert', tls?.certFile),
    ...option('--tls-key', tls?.keyFile),
    ...option('--users', usersFile),
  ];
  const slow = [
    ...option('--when-slow', slowSubscribers?.whenSlow),
    ...option('--live-buffer', slowSubscribers?.liveBuffer.toString()),
  ];
  const served = [...slow, ...(v2 ? ['--v2'] : [])];
  return [...store, '--port', String(port), ...option('--host', host), ...security, ...served, '--exit-with-parent'];
};

const option = (name: string, value: string | undefined): string[] => (value === undefined ? [] : [name, value]);

const readiness = (child: ChildProcess): Promise<ReadyLine> =>
  new Promise((resolve, reject) => {
    let output = '';
    let errors = '';
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`the event store node was not ready within ${READY_TIMEOUT_MS} ms: ${errors}`));
    }, READY_TIMEOUT_MS);
    child.stderr?.on('data', (text: Buffer) => {
      errors = (errors + text.toString()).slice(-4_000);
    });
    child.stdout?.on('data', (text: Buffer) => {
      output += text.toString();
      const line = output.split('\n').find((candidate) => candidate.startsWith('{"ready":true'));
      if (!line || !output.includes('\n')) return;
      clearTimeout(timer);
      resolve(JSON.parse(line) as ReadyLine);
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      const how = signal ?? `exit ${code}`;
      reject(new NodeNotStarted(`the event store node did not start (${how}): ${errors.trim()}`, startErrorIn(output)));
    });
  });

const startErrorIn = (output: string): StartError | undefined => {
  const line = output.split('\n').find((candidate) => candidate.startsWith('{"ready":false'));
  return line === undefined ? undefined : (JSON.parse(line) as { error: StartError }).error;
};

const stop = async (child: ChildProcess, exited: Promise<unknown>): Promise<void> => {
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
};
