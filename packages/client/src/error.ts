/** One bad value: where it is, and what is wrong with it. */
export type Issue = { readonly pointer: string; readonly code: string; readonly message: string };

export type BatonErrorOptions = {
  /** Of the server. */
  readonly url?: string;
  readonly issues?: readonly Issue[];
  readonly retryAfterSeconds?: number | undefined;
  readonly cause?: unknown;
};

/** Codes of a server that cannot answer now, and of a server that cannot be reached. */
const RETRYABLE = new Set([
  'UNREACHABLE',
  'STREAM_ENDED',
  'UNAVAILABLE',
  'POOL_FULL',
  'STALE_READ',
  'TIMEOUT',
  'REQUEST_TIMEOUT',
  'SLOW_CONSUMER',
]);

/**
 * Every failure of the client. `code` is the server's own (`extensions.code`), the reason of a rejected command, or one of
 * `UNREACHABLE` (no answer; see `cause`), `STREAM_ENDED` (a subscription was cut off) and `NOT_BATON` (the answer is not GraphQL).
 */
export class BatonError extends Error {
  override readonly name = 'BatonError';
  readonly code: string;
  /** Address of the server; undefined where the server itself answered a command. */
  readonly url: string | undefined;
  /** Every bad value of a `BAD_USER_INPUT`. */
  readonly issues: readonly Issue[];
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** When it may, where the server says so. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: string, message: string, options: BatonErrorOptions = {}) {
    const { url, issues = [], retryAfterSeconds, cause } = options;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.url = url;
    this.issues = issues;
    this.retryable = RETRYABLE.has(code);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
