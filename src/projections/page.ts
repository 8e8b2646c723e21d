import { createHash } from 'node:crypto';
import { type RawBuilder, type SqlBool, sql } from 'kysely';
import type { Position } from '../eventstore/event-store.ts';
import { AppError } from '../platform/errors.ts';
import type { Compilable, Queryable } from './database.ts';
import type { Table } from './define-table.ts';
import { MAX_PAGE } from './page-size.ts';
import type { ProjectionName } from './registry.ts';
import { type Reading, snapshot } from './snapshot.ts';

export type PageRequest = {
  /** How many, 1 to 200. */
  readonly first: number;
  /** Cursor of the last row of the previous page, from the same list with the same filter. */
  readonly after?: string | undefined;
};

export type Page<Row> = {
  readonly edges: readonly { readonly cursor: string; readonly node: Row }[];
  readonly hasNextPage: boolean;
  /** The position of the log that the page reflects. */
  readonly position: Position;
};

/** The row before a page. */
type SortKey = { readonly position: bigint; readonly id: string };

/** A list, newest first: by position, then by id where several rows share a position. */
export type List<Row extends { position: bigint }> = {
  readonly projection: ProjectionName;
  readonly table: Table<Row>;
  /** The column that holds the id. */
  readonly id: keyof Row & string;
};

const badInput = (pointer: string, code: string, message: string): AppError =>
  new AppError('BAD_USER_INPUT', message, { details: { code }, issues: [{ pointer, code, message }] });

export const checkPageSize = (first: number): void => {
  if (!Number.isInteger(first) || first < 1 || first > MAX_PAGE)
    throw badInput(
      '/first',
      'PAGE_SIZE_OUT_OF_RANGE',
      `first must be a whole number from 1 to ${MAX_PAGE}, got ${first}`,
    );
};

/** Identifies the list and filter of a cursor, so that a cursor of another one is refused instead of returning arbitrary rows. */
const fingerprintOf = (list: string, tenant: string, filter: object): string => {
  const conditions = Object.entries(filter).filter(([, value]) => value !== undefined);
  return createHash('sha256')
    .update(JSON.stringify([list, tenant, conditions.sort(([a], [b]) => (a < b ? -1 : 1))]))
    .digest('base64url')
    .slice(0, 8);
};

const encodeCursor = (fingerprint: string, { position, id }: SortKey): string =>
  Buffer.from(JSON.stringify([fingerprint, position.toString(), id])).toString('base64url');

const POSITION = /^\d{1,18}$/;
const IDS = { uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, text: /^[\w.:[\]-]{1,200}$/ };

const parseCursor = (cursor: string): unknown => {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return undefined; // not JSON, so not one of our cursors
  }
};

const decodeCursor = (fingerprint: string, idType: keyof typeof IDS, cursor: string): SortKey => {
  const parts = parseCursor(cursor);
  if (!Array.isArray(parts) || parts.length !== 3 || !parts.every((part) => typeof part === 'string'))
    throw badInput('/after', 'BAD_CURSOR', 'after is not a cursor');
  const [of, position, id] = parts as [string, string, string];
  if (of !== fingerprint || !POSITION.test(position) || !IDS[idType].test(id))
    throw badInput('/after', 'BAD_CURSOR', 'after is not a cursor of this list with this filter');
  return { position: BigInt(position), id };
};

const everything = sql<SqlBool>`true`;

/** Builds the query of a page: condition `startsAfter`, ordered by position and id, both descending, at most `limit` rows. */
type PageQuery = (startsAfter: RawBuilder<SqlBool>, limit: number) => Compilable;

/**
 * A page of a list, newest first. New rows come before the first page, so continuing from a cursor neither skips nor repeats a row.
 *
 * Errors: `AppError` BAD_USER_INPUT with issue code BAD_CURSOR or PAGE_SIZE_OUT_OF_RANGE; those of `snapshot`.
 */
export const readPage = async <Row extends { position: bigint }>(
  pool: Queryable,
  list: List<Row>,
  { tenant, filter, page }: { readonly tenant: string; readonly filter: object; readonly page: PageRequest },
  query: PageQuery,
): Promise<Page<Row>> => {
  checkPageSize(page.first);
  const { table, id } = list;
  const fingerprint = fingerprintOf(table.name, tenant, filter);
  const idType = table.columns[id].type === 'uuid' ? 'uuid' : 'text';
  const after = page.after === undefined ? undefined : decodeCursor(fingerprint, idType, page.after);
  const startsAfter = after ? sql<SqlBool>`(position, ${sql.ref(id)}) < (${after.position}, ${after.id})` : everything;
  const { value: rows, position } = await snapshot<Row>(
    pool,
    list.projection,
    table.columns,
    query(startsAfter, page.first + 1),
    { orderBy: ['position', id] },
  );
  return {
    edges: rows.slice(0, page.first).map((node) => ({
      cursor: encodeCursor(fingerprint, { position: node.position, id: String(node[id]) }),
      node,
    })),
    hasNextPage: rows.length > page.first,
    position,
  };
};

/** How many rows a query finds. The query must select `count`. */
export const readCount = async (
  pool: Queryable,
  projection: ProjectionName,
  query: Compilable,
): Promise<Reading<bigint>> => {
  const { value, position } = await snapshot<{ count: bigint }>(pool, projection, ['count'], query);
  return { value: value[0]?.count ?? 0n, position };
};
