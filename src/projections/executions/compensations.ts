import { type SqlBool, sql } from 'kysely';
import type { CompensationState } from '../../domain/execution/compensation-state.ts';
import { db, fixed, onlyUuids, type Queryable } from '../database.ts';
import { type List, type Page, type PageRequest, readCount, readPage } from '../page.ts';
import { type Reading, snapshot } from '../snapshot.ts';
import { type CompensationRow, compensationDebtsTable } from './table.ts';

export type CompensationFilter = {
  readonly statuses?: readonly CompensationState[] | undefined;
  readonly workflow?: string | undefined;
  readonly executionId?: string | undefined;
  readonly handedOverTo?: string | undefined;
  readonly errorCode?: string | undefined;
};

const list: List<CompensationRow> = { projection: 'executions', table: compensationDebtsTable, id: 'unit' };

const conditions = (
  tenant: string,
  { statuses, workflow, executionId, handedOverTo, errorCode }: CompensationFilter,
) => {
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
export const getCompensations = (
  pool: Queryable,
  tenant: string,
  executionIds: readonly string[],
): Promise<Reading<CompensationRow[]>> =>
  snapshot<CompensationRow>(
    pool,
    'executions',
    compensationDebtsTable.columns,
    fixed(
      'SELECT * FROM baton.compensation_debts WHERE tenant = $1 AND execution_id = ANY($2::uuid[])',
      tenant,
      onlyUuids(executionIds),
    ),
    { name: 'projections-compensations' },
  );

/** Newest compensation first. */
export const listCompensations = (
  pool: Queryable,
  tenant: string,
  filter: CompensationFilter,
  page: PageRequest,
): Promise<Page<CompensationRow>> =>
  readPage(pool, list, { tenant, filter, page }, (startsAfter, limit) =>
    conditions(tenant, filter)
      .selectAll()
      .where(startsAfter)
      .orderBy('position', 'desc')
      .orderBy('unit', 'desc')
      .limit(limit),
  );

/** Exact. */
export const countCompensations = (
  pool: Queryable,
  tenant: string,
  filter: CompensationFilter = {},
): Promise<Reading<bigint>> =>
  readCount(
    pool,
    'executions',
    conditions(tenant, filter).select(({ fn }) => fn.countAll<bigint>().as('count')),
  );

/** Number of compensations, over all tenants, that wait for a person. */
export const countParkedCompensations = async (pool: Queryable): Promise<number> => {
  const query = fixed(
    "SELECT count(*)::int AS count FROM baton.compensation_debts WHERE status IN ('parked', 'handed_over')",
  );
  const { value } = await snapshot<{ count: number }>(pool, 'executions', ['count'], query);
  return value[0]?.count ?? 0;
};
