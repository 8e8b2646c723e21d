const TRANSIENT_SYSTEM_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** The server is stopping, was killed or is starting; no connection slots left. Class 08 covers other connection failures. */
const TRANSIENT_SQL_STATES = new Set(['57P01', '57P02', '57P03', '53300']);

/** Failures of pg itself, which have no code. */
const TRANSIENT_MESSAGES = [
  'Connection terminated',
  'timeout exceeded when trying to connect',
  'timeout expired',
  'Client has encountered a connection error and is not queryable',
  'Query read timeout',
];

/** The server was unreachable or went away: the same query may succeed later. Whether it took effect is unknown. */
export const isTransientPostgresError = (error: unknown): boolean => {
  if (!(error instanceof Error)) return false;
  if (error instanceof AggregateError) return error.errors.some(isTransientPostgresError);
  const { code } = error as { code?: unknown };
  if (typeof code !== 'string') return TRANSIENT_MESSAGES.some((message) => error.message.startsWith(message));
  return TRANSIENT_SYSTEM_CODES.has(code) || TRANSIENT_SQL_STATES.has(code) || code.startsWith('08');
};
