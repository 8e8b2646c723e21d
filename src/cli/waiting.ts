import type { Command } from 'commander';
import type { ServerOptions } from './connection.ts';
import { Ended, EXIT, Failure } from './failure.ts';
import { duration, oneLine } from './format.ts';
import { durationMs } from './parse.ts';
import type { Terminal } from './terminal.ts';

/** What ends sooner needs no explanation. */
const FIRST_LOOK_MS = 500;
/** Agents come and go without an event of what waits for them, so the reason is asked for again. */
const LOOK_EVERY_MS = 2_000;

export type WaitOptions = { readonly timeout?: number };

export const timeoutOption = (command: Command): Command =>
  command.option(
    '--timeout <duration>',
    'wait no longer than this, such as 90s or 5m; what is waited for goes on (exit code 124)',
    durationMs,
  );

/** The command that waits for something again, at the server of this command line. */
export const againAt = (command: string, { url }: ServerOptions): string =>
  url === undefined ? command : `${command} --url ${url}`;

/** One line on stderr that is written over; where there is no terminal, a line for each text that differs from the one before. */
class StatusLine {
  readonly #terminal: Terminal;
  #shown: string | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show(text: string, sinceMs: number): void {
    const screen = this.#terminal.progress;
    // A terminal without a size reports 0.
    if (screen) screen.write(`\r\u001b[K${oneLine(`${duration(sinceMs)}: ${text}`, (screen.columns || 80) - 1)}`);
    else if (text !== this.#shown) this.#terminal.err(`${text}\n`);
    this.#shown = text;
  }

  clear(): void {
    if (this.#shown !== undefined) this.#terminal.progress?.write('\r\u001b[K');
  }
}

/** Says why something has not ended, from time to time. */
class Reasons {
  readonly #why: (() => Promise<string | undefined>) | undefined;
  readonly #line: StatusLine;
  readonly #startedAt = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #ended = false;
  last: string | undefined;

  constructor(terminal: Terminal, why: (() => Promise<string | undefined>) | undefined) {
    this.#line = new StatusLine(terminal);
    this.#why = why;
    if (why) this.#timer = setTimeout(() => void this.#look(), FIRST_LOOK_MS);
  }

  clear(): void {
    this.#line.clear();
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.clear();
  }

  async #look(): Promise<void> {
    // While the server is unreachable, the subscription waits for it, or gives up and says why.
    const reason = await this.#why?.().catch(() => undefined);
    if (this.#ended) return;
    this.last = reason ?? this.last;
    if (this.last !== undefined) this.#line.show(this.last, performance.now() - this.#startedAt);
    this.#timer = setTimeout(() => void this.#look(), LOOK_EVERY_MS);
  }
}

export type Wait<Result> = {
  /** What is waited for, such as `task 0190…`. */
  readonly what: string;
  /** The command that takes it up again. */
  readonly again: string;
  readonly timeoutMs: number | undefined;
  /** Why it has not ended, in one line; undefined while that is not known. Absent where something else shows it. */
  readonly why?: () => Promise<string | undefined>;
  /** @param out prints a line of the result */
  readonly until: (signal: AbortSignal, out: (text: string) => void) => Promise<Result>;
};

/** What was given up ends what it draws; a server that does not answer must not keep it. */
const GRACE_MS = 500;

/** Settles with `work`, which ends when `signal` aborts; or rejects soon after. */
const orAborted = <Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> =>
  new Promise((resolve, reject) => {
    work.then(resolve, reject);
    signal.addEventListener('abort', () => setTimeout(() => reject(signal.reason), GRACE_MS).unref(), { once: true });
  });

/**
 * Waits, and says on stderr why it still does. Ctrl-C and a timeout end the waiting, not what is waited for, and say how to take it up
 * again.
 *
 * Errors: `Ended` when interrupted; `Failure` `WAIT_TIMED_OUT`.
 */
export const waitInSight = async <Result>(
  terminal: Terminal,
  { what, again, timeoutMs, why, until }: Wait<Result>,
): Promise<Result> => {
  const stop = new AbortController();
  const advice = `it goes on; to wait for it again: ${again}`;
  const reasons = new Reasons(terminal, why);
  const interrupt = (): void => stop.abort(new Ended(EXIT.interrupted));
  process.once('SIGINT', interrupt);
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          const reason = reasons.last === undefined ? '' : `: ${reasons.last}`;
          const message = `${what} has not ended after ${duration(timeoutMs)}${reason}`;
          stop.abort(new Failure(EXIT.timedOut, message, { code: 'WAIT_TIMED_OUT', advice }));
        }, timeoutMs);
  const out = (text: string): void => {
    reasons.clear();
    terminal.out(text);
  };
  try {
    return await orAborted(until(stop.signal, out), stop.signal);
  } catch (error) {
    reasons.end();
    if (error instanceof Ended && error === stop.signal.reason) terminal.err(`\n${what}: ${advice}\n`);
    throw error;
  } finally {
    reasons.end();
    clearTimeout(timer);
    process.off('SIGINT', interrupt);
  }
};
