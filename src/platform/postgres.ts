import pg from 'pg';
import type { Logger } from './logger.ts';

const INT8 = 20;
/** pg's type names do not include it. */
const INT8_ARRAY = 1016;

const parseInt8Array = (text: string): (bigint | null)[] => {
  const items: (string | null)[] = pg.types.getTypeParser(INT8_ARRAY as never, 'text')(text);
  return items.map((item) => (item === null ? null : BigInt(item)));
};

/** An int8 (position, revision, count) becomes a bigint: a number would be silently wrong above 2^53. */
const bigintTypes: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (format !== 'binary' && oid === INT8) return BigInt;
    if (format !== 'binary' && oid === INT8_ARRAY) return parseInt8Array;
    return pg.types.getTypeParser(oid, format);
  }) as typeof pg.types.getTypeParser,
};

/** By then the caller has given up: waiting longer for a connection would only queue up work for nobody. */
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * A pool of at most `size` connections, opened on demand. Values of type int8, including `count(*)`, are bigints.
 *
 * When a connection breaks, its query fails, the loss is logged, and the next query opens a new connection.
 * `isTransientPostgresError` tells such failures from permanent ones.
 */
export const createPool = (url: string, size: number, logger: Logger): pg.Pool => {
  const pool = new pg.Pool({
    connectionString: url,
    max: size,
    types: bigintTypes,
    application_name: 'baton',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  const report = (error: Error): void => logger.warn({ err: error }, 'lost a Postgres connection');
  pool.on('error', report);
  // The pool only handles errors of idle connections; one that breaks while in use would crash the process.
  pool.on('connect', (client) => client.on('error', report));
  return pool;
};

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
  'Client has encountered a connection error and is not queryable',
];

/** The server was unreachable or went away: the same query may succeed later. Whether it took effect is unknown. */
export const isTransientPostgresError = (error: unknown): boolean => {
  if (!(error instanceof Error)) return false;
  if (error instanceof AggregateError) return error.errors.some(isTransientPostgresError);
  const { code } = error as { code?: unknown };
  if (typeof code !== 'string') return TRANSIENT_MESSAGES.some((message) => error.message.startsWith(message));
  return TRANSIENT_SYSTEM_CODES.has(code) || TRANSIENT_SQL_STATES.has(code) || code.startsWith('08');
};
