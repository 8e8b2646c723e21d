import { type SqlBool, sql } from 'kysely';
import { containing, db, fixed, type Queryable } from '../database.ts';
import { type List, type Page, type PageRequest, readCount, readPage } from '../page.ts';
import { type Reading, snapshot } from '../snapshot.ts';
import { type WorkflowStatus, type WorkflowVersionRow, workflowVersionsTable } from './table.ts';

export type WorkflowFilter = {
  readonly name?: string | undefined;
  readonly statuses?: readonly WorkflowStatus[] | undefined;
  readonly pattern?: string | undefined;
  /** All of them. */
  readonly tags?: readonly string[] | undefined;
  /** Part of the name, the description or a tag; case does not matter. */
  readonly text?: string | undefined;
};

const list: List<WorkflowVersionRow> = { projection: 'workflows', table: workflowVersionsTable, id: 'name' };

const conditions = (tenant: string, { name, statuses, pattern, tags, text }: WorkflowFilter) => {
  let query = db.selectFrom('workflow_versions').where('tenant', '=', tenant);
  if (name !== undefined) query = query.where('name', '=', name);
  if (statuses) query = query.where(sql<SqlBool>`status = ANY(${statuses}::text[])`);
  if (pattern !== undefined) query = query.where('pattern', '=', pattern);
  if (tags && tags.length > 0) query = query.where(sql<SqlBool>`tags @> ${tags}::text[]`);
  if (text !== undefined)
    query = query.where(
      sql<SqlBool>`concat_ws(' ', name, description, array_to_string(tags, ' ')) ILIKE ${containing(text)}`,
    );
  return query;
};

/** All versions of some workflows, newest publication first; for loading many at once. */
export const getWorkflowVersions = (
  pool: Queryable,
  tenant: string,
  names: readonly string[],
): Promise<Reading<WorkflowVersionRow[]>> =>
  snapshot<WorkflowVersionRow>(
    pool,
    'workflows',
    workflowVersionsTable.columns,
    fixed('SELECT * FROM baton.workflow_versions WHERE tenant = $1 AND name = ANY($2::text[])', tenant, names),
    { name: 'projections-workflow-versions', orderBy: ['position'] },
  );

/** Newest publication first; each version of a workflow is a row. */
export const listWorkflowVersions = (
  pool: Queryable,
  tenant: string,
  filter: WorkflowFilter,
  page: PageRequest,
): Promise<Page<WorkflowVersionRow>> =>
  readPage(pool, list, { tenant, filter, page }, (startsAfter, limit) =>
    conditions(tenant, filter)
      .selectAll()
      .where(startsAfter)
      .orderBy('position', 'desc')
      .orderBy('name', 'desc')
      .limit(limit),
  );

/** Exact. */
export const countWorkflowVersions = (
  pool: Queryable,
  tenant: string,
  filter: WorkflowFilter = {},
): Promise<Reading<bigint>> =>
  readCount(
    pool,
    'workflows',
    conditions(tenant, filter).select(({ fn }) => fn.countAll<bigint>().as('count')),
  );
