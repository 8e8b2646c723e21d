import type { InputIssue } from '../platform/errors.ts';

/** Exit codes: 1 refused or failed, 2 wrong usage, 3 unreachable, 4 two stores differ, 124 waited long enough, 130 interrupted, 141 stdout was closed. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  conflict: 4,
  /** As `timeout` of coreutils. */
  timedOut: 124,
  interrupted: 130,
  terminated: 143,
  brokenPipe: 141,
} as const;

export type FailureOptions = {
  /** The server's code, or one of the CLI. */
  readonly code: string;
  readonly issues?: readonly InputIssue[];
  /** What the user can do about it. */
  readonly advice?: string;
  readonly cause?: unknown;
};

/** Ends a command with a message and an exit code. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: number;
  readonly code: string;
  readonly issues: readonly InputIssue[];
  readonly advice: string | undefined;

  constructor(exitCode: number, message: string, options: FailureOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = exitCode;
    this.code = options.code;
    this.issues = options.issues ?? [];
    this.advice = options.advice;
  }
}

export const usageFailure = (message: string, advice?: string): Failure =>
  new Failure(EXIT.usage, message, { code: 'USAGE', ...(advice === undefined ? {} : { advice }) });

export const refused = (code: string, message: string, advice?: string): Failure =>
  new Failure(EXIT.failed, message, { code, ...(advice === undefined ? {} : { advice }) });

export const unreachable = (message: string, advice: string, cause?: unknown): Failure =>
  new Failure(EXIT.unreachable, message, { code: 'UNREACHABLE', advice, cause });

/** Ends a command that has printed everything with an exit code. */
export class Ended extends Error {
  override readonly name = 'Ended';
  readonly exitCode: number;
  constructor(exitCode: number) {
    super(`exit code ${exitCode}`);
    this.exitCode = exitCode;
  }
}
