/**
 * The error codes of every protocol. The API maps them to HTTP status, GraphQL `extensions.code` and CLI exit code.
 * `REJECTED` carries the decider's reason in `details.reason`.
 */
export type ErrorCode =
  | 'BAD_USER_INPUT'
  | 'NOT_FOUND'
  | 'REJECTED'
  | 'IDEMPOTENCY_KEY_REUSED'
  | 'CONFLICT'
  | 'POOL_FULL'
  | 'UNAVAILABLE'
  | 'TIMEOUT'
  | 'STALE_READ';

/** One bad field: where it is, which limit it breaks, and its value. */
export type InputIssue = { readonly pointer: string; readonly code: string; readonly message: string };

/** Issues that one error reports. With more, a small request full of mistakes would get an answer a hundred times its size. */
export const MAX_ISSUES = 20;
const MAX_ISSUE_LENGTH = 300;
/** Longer than any message that we write ourselves; what is cut is what a caller sent. */
const MAX_MESSAGE_LENGTH = 4_000;

const cut = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

/** A message that quotes what a caller sent, at a length that an answer may have. */
export const boundedMessage = (message: string): string => cut(message, MAX_MESSAGE_LENGTH);

/** At most `MAX_ISSUES`, each short. */
export const boundedIssues = (issues: readonly InputIssue[]): readonly InputIssue[] =>
  issues.slice(0, MAX_ISSUES).map(({ pointer, code, message }) => ({
    pointer: cut(pointer, MAX_ISSUE_LENGTH),
    code,
    message: cut(message, MAX_ISSUE_LENGTH),
  }));

export type AppErrorOptions = {
  readonly retryable?: boolean;
  /** When the same may succeed, where that is known better than for every retryable error. */
  readonly retryAfterSeconds?: number;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly issues?: readonly InputIssue[];
  readonly cause?: unknown;
};

/** An error that users may see: its message states the facts and contains no secrets. However much was wrong, it is small. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryAfterSeconds: number | undefined;
  readonly details: Readonly<Record<string, unknown>>;
  readonly issues: readonly InputIssue[];

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(boundedMessage(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.details = options.details ?? {};
    this.issues = boundedIssues(options.issues ?? []);
  }
}

export const unavailable = (message: string, cause?: unknown): AppError =>
  new AppError('UNAVAILABLE', message, { retryable: true, cause });

export const notFound = (what: string, id: string): AppError =>
  new AppError('NOT_FOUND', `${what} ${id} does not exist`);

/** The configuration is wrong. Lists every bad variable with its value (passwords masked) and what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly issues: readonly string[];
  constructor(issues: readonly string[]) {
    super(`invalid configuration:\n${issues.map((issue) => `  - ${issue}`).join('\n')}`);
    this.issues = issues;
  }
}
