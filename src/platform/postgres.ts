import pg from 'pg';
import { AppError, unavailable } from './errors.ts';
import type { Logger } from './logger.ts';
import { isTransientPostgresError } from './postgres-errors.ts';

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
export const CONNECT_TIMEOUT_MS = 5_000;

/**
 * A pool of at most `size` connections, opened on demand. Values of type int8, including `count(*)`, are bigints.
 *
 * When a connection breaks, its query fails, the loss is logged, and the next query opens a new connection.
 * `isTransientPostgresError` distinguishes such failures from permanent ones.
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
  const report = (error: Error): void => {
    // What a connection meets after the pool has let go of it is its end.
    if (!pool.ending) logger.warn({ err: error }, 'lost a Postgres connection');
  };
  pool.on('error', report);
  // The pool only handles errors of idle connections; one that breaks while in use would crash the process.
  pool.on('connect', (client) => client.on('error', report));
  return pool;
};

/**
 * The pool for queries that somebody waits for: one that gets no answer within `timeoutMs` fails as transient, and its connection is
 * closed. A frozen server keeps connections open and says nothing.
 */
export const withQueryTimeout = (pool: pg.Pool, timeoutMs: number): Pick<pg.Pool, 'query'> => ({
  query: ((query: string | pg.QueryConfig, values?: unknown[]) => {
    const config = typeof query === 'string' ? { text: query, ...(values === undefined ? {} : { values }) } : query;
    return pool.query({ ...config, query_timeout: timeoutMs } as pg.QueryConfig);
  }) as pg.Pool['query'],
});

const INVALID_AUTHORIZATION = '28';
const INVALID_CATALOG = '3D000';
const INSUFFICIENT_PRIVILEGE = '42501';
/** A file that is gone or cannot be read; a page or an index that is not what was written. */
const DAMAGED = ['58P01', '58030', 'XX001', 'XX002'];

/** Node lists every address that it tried in an AggregateError, whose own message is empty. */
const reasonOf = (error: unknown): string =>
  error instanceof AggregateError ? reasonOf(error.errors[0]) : (error as Error).message;

/** What to do about an error of the first connection to the database at `url`; other errors are returned as they are. */
export const startFailure = (error: unknown, url: string): unknown => {
  const { host, pathname } = new URL(url);
  const { code = '' } = error as { code?: string };
  const reason = reasonOf(error);
  if (isTransientPostgresError(error))
    return unavailable(`Postgres at ${host} cannot be reached: ${reason}. Start it, or correct DATABASE_URL`, error);
  const refused = (advice: string): AppError =>
    new AppError('UNAVAILABLE', `Postgres at ${host} refuses this connection: ${reason}. ${advice}`, { cause: error });
  if (code.startsWith(INVALID_AUTHORIZATION)) return refused('Correct the user and password in DATABASE_URL');
  if (code === INVALID_CATALOG) return refused(`Create the database ${pathname.slice(1)}, or correct DATABASE_URL`);
  if (code === INSUFFICIENT_PRIVILEGE) return refused('Make the role in DATABASE_URL the owner of the database');
  if (DAMAGED.includes(code))
    return refused(
      'Its files are damaged: restore them. An embedded one can be rebuilt from the log: stop Baton and delete the folder of its data',
    );
  return error;
};
