import { AppError, type ErrorCode, type InputIssue } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import { isTransientPostgresError } from '../platform/postgres-errors.ts';

/** What the edge itself refuses before a command or query is reached, with its HTTP status. */
const EDGE_STATUS = {
  MALFORMED_JSON: 400,
  MALFORMED_YAML: 400,
  INVALID_ENCODING: 400,
  INVALID_CHARACTER: 400,
  INVALID_UNICODE: 400,
  NUMBER_OUT_OF_RANGE: 400,
  UNSAFE_INTEGER: 400,
  DUPLICATE_KEY: 400,
  FORBIDDEN_KEY: 400,
  TOO_DEEP: 400,
  BAD_REQUEST: 400,
  BATCH_DISABLED: 400,
  QUERY_TOO_LARGE: 400,
  QUERY_TOO_DEEP: 400,
  QUERY_TOO_COSTLY: 400,
  TOO_MANY_ALIASES: 400,
  TOO_MANY_DIRECTIVES: 400,
  OPERATION_NAME_REQUIRED: 400,
  BAD_PAGE_SIZE: 400,
  BAD_CURSOR: 400,
  FORBIDDEN: 403,
  INTROSPECTION_OFF: 403,
  METHOD_NOT_ALLOWED: 405,
  REQUEST_TIMEOUT: 408,
  RESUME_EXPIRED: 410,
  BODY_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  LIMIT_SUBSCRIPTIONS: 429,
  NOT_IMPLEMENTED: 501,
  SLOW_CONSUMER: 503,
} as const satisfies Record<string, number>;

export type EdgeCode = keyof typeof EDGE_STATUS;

export const isEdgeCode = (code: unknown): code is EdgeCode =>
  typeof code === 'string' && Object.hasOwn(EDGE_STATUS, code);

/** Refused by the API itself. The client sees its message. */
export class EdgeError extends Error {
  override readonly name = 'EdgeError';
  readonly code: EdgeCode;
  readonly details: Readonly<Record<string, unknown>>;
  constructor(code: EdgeCode, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

/** Every protocol refuses a method with the methods that it takes instead. */
export const methodNotAllowed = (method: string | undefined, allowed: string): EdgeError =>
  new EdgeError('METHOD_NOT_ALLOWED', `${method} is not allowed here; use ${allowed}`);

const APP_STATUS: Readonly<Record<ErrorCode, number>> = {
  BAD_USER_INPUT: 400,
  NOT_FOUND: 404,
  REJECTED: 409,
  CONFLICT: 409,
  IDEMPOTENCY_KEY_REUSED: 422,
  POOL_FULL: 503,
  UNAVAILABLE: 503,
  STALE_READ: 503,
  TIMEOUT: 504,
};

/** How long a client should wait before it retries after a transient failure. */
const RETRY_AFTER_SECONDS = 1;

/** An error, independent of the protocol that reports it. */
export type ErrorAnswer = {
  readonly code: string;
  readonly status: number;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterSeconds?: number;
  readonly issues?: readonly InputIssue[];
  readonly details?: Readonly<Record<string, unknown>>;
};

const INTERNAL: ErrorAnswer = {
  code: 'INTERNAL',
  status: 500,
  message: 'internal error; the server has logged its cause',
  retryable: false,
};

/** Without the cause, which may name hosts. */
const STORE_UNREACHABLE: ErrorAnswer = {
  code: 'UNAVAILABLE',
  status: APP_STATUS.UNAVAILABLE,
  message: 'a store that this request needs cannot be reached',
  retryable: true,
  retryAfterSeconds: RETRY_AFTER_SECONDS,
};

/** Codes of the read side for bad input that have a code of their own in the API. */
const PAGE_CODES: Readonly<Record<string, EdgeCode>> = {
  BAD_CURSOR: 'BAD_CURSOR',
  PAGE_SIZE_OUT_OF_RANGE: 'BAD_PAGE_SIZE',
};

const ofAppError = ({ code, message, retryable, retryAfterSeconds, issues, details }: AppError): ErrorAnswer => ({
  code: PAGE_CODES[String(details['code'])] ?? code,
  status: APP_STATUS[code],
  message,
  retryable,
  ...(retryable ? { retryAfterSeconds: retryAfterSeconds ?? RETRY_AFTER_SECONDS } : {}),
  ...(issues.length === 0 ? {} : { issues }),
  ...(Object.keys(details).length === 0 ? {} : { details }),
});

export const answerOfEdge = ({ code, message, details }: EdgeError): ErrorAnswer => ({
  code,
  status: EDGE_STATUS[code],
  message,
  retryable: code === 'SLOW_CONSUMER',
  ...(Object.keys(details).length === 0 ? {} : { details }),
});

/** The answer to an error that is meant for clients, or whose cause is transient; undefined for everything else. */
const known = (error: unknown): ErrorAnswer | undefined => {
  if (error instanceof AppError) return ofAppError(error);
  if (error instanceof EdgeError) return answerOfEdge(error);
  return isTransientPostgresError(error) ? STORE_UNREACHABLE : undefined;
};

/**
 * The one mapping from errors to answers. An error that it does not know is masked, and logged once with its cause.
 */
export const answerOf = (error: unknown, logger: Logger): ErrorAnswer => {
  const answer = known(error);
  if (!answer) logger.error({ err: error }, 'a request failed');
  else if (answer.code === 'UNAVAILABLE') logger.warn({ err: error }, 'a request could not be served');
  return answer ?? INTERNAL;
};

/** RFC 9457 problem document. */
export const problemOf = (answer: ErrorAnswer, instance: string): Readonly<Record<string, unknown>> => ({
  type: `urn:baton:problem:${answer.code.toLowerCase().replaceAll('_', '-')}`,
  title: answer.code,
  status: answer.status,
  detail: answer.message,
  instance,
  code: answer.code,
  retryable: answer.retryable,
  ...(answer.retryAfterSeconds === undefined ? {} : { retryAfter: answer.retryAfterSeconds }),
  ...(answer.issues ? { issues: answer.issues } : {}),
  ...(answer.details ? { details: answer.details } : {}),
});
