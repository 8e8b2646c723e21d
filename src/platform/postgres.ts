import pg from 'pg';
import type { Logger } from './logger.ts';

const INT8 = 20;
/** Missing among the names in pg's types. */
const INT8_ARRAY = 1016;

const parseInt8Array = (text: string): (bigint | null)[] => {
  const items: (string | null)[] = pg.types.getTypeParser(INT8_ARRAY as never, 'text')(text);
  return items.map((item) => (item === null ? null : BigInt(item)));
};

/** An int8 (position, revision, count) becomes a bigint: above 2^53 a number would be silently wrong. */
const bigintTypes: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (format !== 'binary' && oid === INT8) return BigInt;
    if (format !== 'binary' && oid === INT8_ARRAY) return parseInt8Array;
    return pg.types.getTypeParser(oid, format);
  }) as typeof pg.types.getTypeParser,
};

/** Waiting longer for a free or new connection only queues up work whose caller has given up. */
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * A pool of at most `size` connections, made when needed. Values of type int8 (also `count(*)`) are bigints.
 *
 * A connection that breaks is logged and replaced by the next query; the query it was running fails, and
 * `isTransientPostgresError` tells such failures from those that would come again.
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
  const report = (error: Error): void => logger.warn({ err: error }, 'a Postgres connection was lost');
  pool.on('error', report);
  // The pool listens to idle connections only; one that breaks while in use would otherwise end the process.
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

/** Server is stopping, was killed, is starting; no connection slots left. Class 08 is every other connection trouble. */
const TRANSIENT_SQL_STATES = new Set(['57P01', '57P02', '57P03', '53300']);

/** Failures of pg itself, which carry no code. */
const TRANSIENT_MESSAGES = [
  'Connection terminated',
  'timeout exceeded when trying to connect',
  'Client has encountered a connection error and is not queryable',
];

/** The server could not be reached or went away: the same query may succeed later. What it had already done is not known. */
export const isTransientPostgresError = (error: unknown): boolean => {
  if (!(error instanceof Error)) return false;
  if (error instanceof AggregateError) return error.errors.some(isTransientPostgresError);
  const { code } = error as { code?: string };
  if (code === undefined) return TRANSIENT_MESSAGES.some((message) => error.message.startsWith(message));
  return TRANSIENT_SYSTEM_CODES.has(code) || TRANSIENT_SQL_STATES.has(code) || code.startsWith('08');
};
