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
  /** A line of output that says that connections are accepted. */
  readonly ready: RegExp;
  readonly readyWithinMs: number;
  /** Asks for an orderly stop. */
  readonly stopSignal: NodeJS.Signals;
  /** Follows when that took too long; SIGKILL is the last step. */
  readonly abortSignal: NodeJS.Signals;
  /** Called as soon as there is a process, long before it is ready: whoever keeps the books must know it even if we die now. */
  readonly onSpawn?: ((pid: number) => void) | undefined;
};

export type ServerProcess = {
  readonly name: string;
  readonly pid: number;
  /** Resolves with a description when the process has ended, for whatever reason. */
  readonly exited: Promise<string>;
  /** Ends the process within 2.5 s, by force if it must. */
  stop(): Promise<void>;
};

/** Thrown when a server ended, or stayed silent, before it was ready; `output` are its last lines. */
export class ServerStartError extends Error {
  override readonly name = 'ServerStartError';
  readonly output: string;
  constructor(message: string, output: string) {
    super(output === '' ? message : `${message}; its last output:\n${output}`);
    this.output = output;
  }
}

const LINES_KEPT = 25;
/** Together with what the event store node may take (stack.ts) below the five seconds of the whole. */
const STOP_MS = 1_800;
const ABORT_MS = 400;

/**
 * Ends the server when this process ends without having done so itself, even by SIGKILL: the system then closes the
 * pipe, `read` meets its end and the signal is sent. A finished line means that all is well.
 */
const guard = (pid: number, signal: NodeJS.Signals): (() => void) => {
  const script = `read -r line || kill -${signal.slice('SIG'.length)} ${pid}`;
  const shell = spawn('/bin/sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true, cwd: '/' });
  // Without a guard the server still ends on every orderly way out, and the next start finds what was left over.
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
 * Starts a server and resolves when it accepts connections. It gets a session of its own, so that Ctrl-C in a terminal
 * reaches only us and we can stop things in order.
 *
 * Errors: throws `ServerStartError`; nothing is left running then.
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
    for (const [signal, patienceMs] of [
      [spec.stopSignal, STOP_MS],
      [spec.abortSignal, ABORT_MS],
    ] as const) {
      child.kill(signal);
      if (await within(exited, patienceMs)) return;
      logger.warn({ server: spec.name, signal }, `${spec.name} did not stop in time`);
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
    throw new ServerStartError(`${spec.name} ended before it was ready (${how})`, lines.join('\n'));
  });
  if (!(await within(Promise.race([ready, ended]), spec.readyWithinMs))) {
    ended.catch(() => {}); // stop() is about to cause it
    await stop();
    throw new ServerStartError(`${spec.name} was not ready after ${spec.readyWithinMs} ms`, lines.join('\n'));
  }
  ended.catch(() => {}); // from here on `exited` tells
  return { name: spec.name, pid, exited, stop };
};
