import { type SqlBool, sql } from 'kysely';
import { containing, db, type Queryable } from '../database.ts';
import { type List, type Page, type PageRequest, readCount, readPage } from '../page.ts';
import type { Reading } from '../snapshot.ts';
import { type DeadLetterRow, type DeadLetterStatus, deadLettersTable } from './table.ts';

export type DeadLetterFilter = {
  readonly statuses?: readonly DeadLetterStatus[] | undefined;
  readonly pool?: string | undefined;
  readonly capability?: string | undefined;
  readonly agentId?: string | undefined;
  readonly reason?: string | undefined;
  readonly errorCode?: string | undefined;
  /** Part of the error's message; case does not matter. */
  readonly text?: string | undefined;
};

const list: List<DeadLetterRow> = { projection: 'tasks', table: deadLettersTable, id: 'taskId' };

const conditions = (tenant: string, filter: DeadLetterFilter) => {
  const { statuses, pool, capability, agentId, reason, errorCode, text } = filter;
  let query = db.selectFrom('dead_letters').where('tenant', '=', tenant);
  if (statuses) query = query.where(sql<SqlBool>`status = ANY(${statuses}::text[])`);
  if (pool !== undefined) query = query.where('pool', '=', pool);
  if (capability !== undefined) query = query.where('capability', '=', capability);
  if (agentId !== undefined) query = query.where('agentId', '=', agentId);
  if (reason !== undefined) query = query.where('reason', '=', reason);
  if (errorCode !== undefined) query = query.where('errorCode', '=', errorCode);
  if (text !== undefined) query = query.where(sql<SqlBool>`error->>'message' ILIKE ${containing(text)}`);
  return query;
};

/** Newest first; without a filter also those that were redriven or cancelled since. */
export const listDeadLetters = (
  pool: Queryable,
  tenant: string,
  filter: DeadLetterFilter,
  page: PageRequest,
): Promise<Page<DeadLetterRow>> =>
  readPage(pool, list, { tenant, filter, page }, (startsAfter, limit) =>
    conditions(tenant, filter)
      .selectAll()
      .where(startsAfter)
      .orderBy('position', 'desc')
      .orderBy('taskId', 'desc')
      .limit(limit),
  );

/** Exact. */
export const countDeadLetters = (
  pool: Queryable,
  tenant: string,
  filter: DeadLetterFilter = {},
): Promise<Reading<bigint>> =>
  readCount(
    pool,
    'tasks',
    conditions(tenant, filter).select(({ fn }) => fn.countAll<bigint>().as('count')),
  );
