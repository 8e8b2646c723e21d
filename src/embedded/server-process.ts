import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { unavailable } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';

export type SystemUser = { readonly uid: number; readonly gid: number };

export type ServerCommand = {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly user?: SystemUser | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** Matches the line of output that reports that the server accepts connections. */
  readonly ready: RegExp;
  readonly readyWithinMs: number;
  /** Requests an orderly stop. */
  readonly stopSignal: NodeJS.Signals;
  /** Sent when the orderly stop takes too long, before SIGKILL. */
  readonly abortSignal: NodeJS.Signals;
  /** Called as soon as the process exists, long before it is ready, so that it can be recorded in case we die. */
  readonly onSpawn?: ((pid: number) => void) | undefined;
};

export type ServerProcess = {
  readonly name: string;
  readonly pid: number;
  /** Resolves with a description when the process has ended, for whatever reason. */
  readonly exited: Promise<string>;
  /** Ends the process within 2.5 s, by SIGKILL if necessary. */
  stop(): Promise<void>;
};

/** Thrown when a server ended or timed out before it was ready. `output` holds its last lines. */
export class ServerStartError extends Error {
  override readonly name = 'ServerStartError';
  readonly output: string;
  readonly server: string;
  constructor(server: string, how: string, output: string) {
    const message = `${server} ${how}`;
    super(output === '' ? message : `${message}; its last output:\n${output}`);
    this.output = output;
    this.server = server;
  }
}

const LINES_KEPT = 25;
/** Together with the event store node's limit (stack.ts) less than 5 s, the limit for stopping everything. */
const STOP_MS = 1_800;
const ABORT_MS = 400;

/** A server that does not follow the guard's signal in this time is killed. About as long as an orderly stop takes. */
const GUARD_STOP_S = 3;

/**
 * Ends the server when this process ends without having stopped it, even by SIGKILL: the system then closes the pipe, `read` fails and
 * the shell sends the signal, and SIGKILL to a server that hangs. A complete line on the pipe means that the server has ended: no signal.
 */
const guard = (pid: number, signal: NodeJS.Signals): (() => void) => {
  const orderly = `kill -${signal.slice('SIG'.length)} ${pid}`;
  const ended = `for i in $(seq ${GUARD_STOP_S}); do sleep 1; kill -0 ${pid} || exit; done`;
  const script = `read -r line || { ${orderly}; ${ended}; kill -KILL ${pid}; }`;
  const shell = spawn('/bin/sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true, cwd: '/' });
  // Without a guard the server still ends in an orderly stop, and the next start stops one that was left over.
  shell.on('error', () => {});
  shell.stdin?.on('error', () => {});
  shell.unref();
  return () => shell.stdin?.end('\n');
};

const collectLines = (child: ChildProcess, onLine: (line: string) => void): void => {
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream }).on('line', onLine);
  }
};

const within = async (promise: Promise<unknown>, delayMs: number): Promise<boolean> => {
  const timer = new AbortController();
  const late = sleep(delayMs, false, { signal: timer.signal }).catch(() => false);
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    timer.abort();
  }
};

/**
 * Starts a server and resolves when it accepts connections. The server runs in a session of its own: Ctrl-C in a terminal reaches only
 * us, and we stop the servers in order.
 *
 * Errors: throws `ServerStartError`; the server is then no longer running.
 */
export const startServer = async (spec: ServerCommand, logger: Logger): Promise<ServerProcess> => {
  const child = spawn(spec.command, [...spec.args], {
    cwd: spec.cwd,
    env: { ...process.env, ...spec.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    ...spec.user,
  });
  const { pid } = child;
  if (pid === undefined) {
    const cause = await new Promise<Error>((resolve) => child.once('error', resolve));
    throw unavailable(`${spec.name} could not be started (${spec.command}): ${cause.message}`, cause);
  }
  spec.onSpawn?.(pid);
  const release = guard(pid, spec.stopSignal);
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => {
      release();
      resolve(signal ?? `exit code ${code}`);
    });
  });

  const stop = async (): Promise<void> => {
    for (const [signal, timeoutMs] of [
      [spec.stopSignal, STOP_MS],
      [spec.abortSignal, ABORT_MS],
    ] as const) {
      child.kill(signal);
      if (await within(exited, timeoutMs)) return;
      logger.warn({ server: spec.name, signal }, `${spec.name} did not stop in time after ${signal}`);
    }
    child.kill('SIGKILL');
    await exited;
  };

  const lines: string[] = [];
  const ready = new Promise<void>((resolve) => {
    collectLines(child, (line) => {
      if (lines.push(line) > LINES_KEPT) lines.shift();
      logger.debug({ server: spec.name }, line);
      if (spec.ready.test(line)) resolve();
    });
  });
  const ended = exited.then((how) => {
    throw new ServerStartError(spec.name, `ended before it was ready (${how})`, lines.join('\n'));
  });
  if (!(await within(Promise.race([ready, ended]), spec.readyWithinMs))) {
    ended.catch(() => {}); // stop() causes it
    await stop();
    throw new ServerStartError(spec.name, `was not ready after ${spec.readyWithinMs} ms`, lines.join('\n'));
  }
  ended.catch(() => {}); // from here on, `exited` reports the end
  return { name: spec.name, pid, exited, stop };
};
