import { type SqlBool, sql } from 'kysely';
import { db, onlyUuids, type Queryable } from '../database.ts';
import { type List, type Page, type PageRequest, readCount, readPage } from '../page.ts';
import type { Reading } from '../snapshot.ts';
import { type AuditRow, auditLogTable } from './table.ts';

export type AuditFilter = {
  readonly stream?: string | undefined;
  readonly types?: readonly string[] | undefined;
  /** Events that name the task, and decisions to assign it. */
  readonly taskId?: string | undefined;
  readonly agentId?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly commandId?: string | undefined;
  readonly actor?: string | undefined;
  /** ISO 8601, inclusive. */
  readonly from?: string | undefined;
  /** ISO 8601, exclusive. */
  readonly to?: string | undefined;
};

const list: List<AuditRow> = { projection: 'audit_log', table: auditLogTable, id: 'eventId' };

const conditions = (tenant: string, filter: AuditFilter) => {
  const { stream, types, taskId, agentId, correlationId, commandId, actor, from, to } = filter;
  let query = db.selectFrom('audit_log').where('tenant', '=', tenant);
  if (stream !== undefined) query = query.where('stream', '=', stream);
  if (types) query = query.where(sql<SqlBool>`type = ANY(${types}::text[])`);
  // Two looks into an index each; an OR of both conditions reads the whole table (110 ms instead of 1 ms at 200,000 rows).
  if (taskId !== undefined)
    query = query.where(
      sql<SqlBool>`position = ANY(ARRAY(
        SELECT l.position FROM baton.audit_log l WHERE l.tenant = ${tenant} AND l.task_id = ${taskId}
        UNION SELECT a.position FROM baton.assignments a
        WHERE a.tenant = ${tenant} AND a.task_id = ANY(${onlyUuids([taskId])}::uuid[])))`,
    );
  if (agentId !== undefined) query = query.where('agentId', '=', agentId);
  if (correlationId !== undefined) query = query.where('correlationId', '=', correlationId);
  if (commandId !== undefined) query = query.where('commandId', '=', commandId);
  if (actor !== undefined) query = query.where('actor', '=', actor);
  if (from !== undefined) query = query.where('at', '>=', from);
  if (to !== undefined) query = query.where('at', '<', to);
  return query;
};

/** Newest event first. */
export const listAuditLog = (
  pool: Queryable,
  tenant: string,
  filter: AuditFilter,
  page: PageRequest,
): Promise<Page<AuditRow>> =>
  readPage(pool, list, { tenant, filter, page }, (startsAfter, limit) =>
    conditions(tenant, filter)
      .selectAll()
      .where(startsAfter)
      .orderBy('position', 'desc')
      .orderBy('eventId', 'desc')
      .limit(limit),
  );

/** Exact. */
export const countAuditLog = (pool: Queryable, tenant: string, filter: AuditFilter = {}): Promise<Reading<bigint>> =>
  readCount(
    pool,
    'audit_log',
    conditions(tenant, filter).select(({ fn }) => fn.countAll<bigint>().as('count')),
  );
