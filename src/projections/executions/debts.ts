import { type SqlBool, sql } from 'kysely';
import type { CompensationState } from '../../domain/execution/compensation-state.ts';
import { db, fixed, onlyUuids, type Queryable } from '../database.ts';
import { type List, type Page, type PageRequest, readCount, readPage } from '../page.ts';
import { type Reading, snapshot } from '../snapshot.ts';
import { compensationDebtsTable, type DebtRow } from './table.ts';

export type DebtFilter = {
  readonly statuses?: readonly CompensationState[] | undefined;
  readonly workflow?: string | undefined;
  readonly executionId?: string | undefined;
  readonly handedOverTo?: string | undefined;
  readonly errorCode?: string | undefined;
};

const list: List<DebtRow> = { projection: 'executions', table: compensationDebtsTable, id: 'unit' };

const conditions = (tenant: string, { statuses, workflow, executionId, handedOverTo, errorCode }: DebtFilter) => {
  let query = db.selectFrom('compensation_debts').where('tenant', '=', tenant);
  if (statuses) query = query.where(sql<SqlBool>`status = ANY(${statuses}::text[])`);
  if (workflow !== undefined) query = query.where('workflow', '=', workflow);
  if (executionId !== undefined)
    query = query.where(sql<SqlBool>`execution_id = ANY(${onlyUuids([executionId])}::uuid[])`);
  if (handedOverTo !== undefined) query = query.where('handedOverTo', '=', handedOverTo);
  if (errorCode !== undefined) query = query.where(sql<SqlBool>`error->>'code' = ${errorCode}`);
  return query;
};

/** Compensations of some executions; for loading many at once. */
export const getDebts = (
  pool: Queryable,
  tenant: string,
  executionIds: readonly string[],
): Promise<Reading<DebtRow[]>> =>
  snapshot<DebtRow>(
    pool,
    'executions',
    compensationDebtsTable.columns,
    fixed(
      'SELECT * FROM baton.compensation_debts WHERE tenant = $1 AND execution_id = ANY($2::uuid[])',
      tenant,
      onlyUuids(executionIds),
    ),
    { name: 'projections-debts' },
  );

/** Newest compensation first. */
export const listDebts = (
  pool: Queryable,
  tenant: string,
  filter: DebtFilter,
  page: PageRequest,
): Promise<Page<DebtRow>> =>
  readPage(pool, list, { tenant, filter, page }, (startsAfter, limit) =>
    conditions(tenant, filter)
      .selectAll()
      .where(startsAfter)
      .orderBy('position', 'desc')
      .orderBy('unit', 'desc')
      .limit(limit),
  );

/** Exact. */
export const countDebts = (pool: Queryable, tenant: string, filter: DebtFilter = {}): Promise<Reading<bigint>> =>
  readCount(
    pool,
    'executions',
    conditions(tenant, filter).select(({ fn }) => fn.countAll<bigint>().as('count')),
  );

/** Number of compensations, over all tenants, that wait for a person. */
export const countAtDesk = async (pool: Queryable): Promise<number> => {
  const query = fixed(
    "SELECT count(*)::int AS count FROM baton.compensation_debts WHERE status IN ('parked', 'handed_over')",
  );
  const { value } = await snapshot<{ count: number }>(pool, 'executions', ['count'], query);
  return value[0]?.count ?? 0;
};
