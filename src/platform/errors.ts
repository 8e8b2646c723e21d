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
  | 'UNAVAILABLE'
  | 'TIMEOUT'
  | 'STALE_READ';

/** One bad field: where it is, which limit it breaks, and its value. */
export type InputIssue = { readonly pointer: string; readonly code: string; readonly message: string };

export type AppErrorOptions = {
  readonly retryable?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly issues?: readonly InputIssue[];
  readonly cause?: unknown;
};

/** An error that users may see: its message states the facts and contains no secrets. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;
  readonly issues: readonly InputIssue[];

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
    this.issues = options.issues ?? [];
  }
}

export const unavailable = (message: string, cause?: unknown): AppError =>
  new AppError('UNAVAILABLE', message, { retryable: true, cause });

export const notFound = (what: string, id: string): AppError =>
  new AppError('NOT_FOUND', `${what} ${id} does not exist`);
