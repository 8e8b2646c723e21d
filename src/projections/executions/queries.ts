import { type SqlBool, sql } from 'kysely';
import type { Json } from '../../domain/json.ts';
import { containing, db, fixed, onlyUuids, type Queryable } from '../database.ts';
import { type List, type Page, type PageRequest, readCount, readPage } from '../page.ts';
import { type Reading, snapshot } from '../snapshot.ts';
import {
  type ExecutionPayloadKind,
  type ExecutionPayloadRow,
  type ExecutionRow,
  executionPayloadsTable,
  executionsTable,
  type StartedStatus,
} from './table.ts';

export type ExecutionFilter = {
  readonly statuses?: readonly StartedStatus[] | undefined;
  readonly workflow?: string | undefined;
  readonly version?: string | undefined;
  /** All of them. */
  readonly tags?: readonly string[] | undefined;
  readonly parentExecutionId?: string | undefined;
  readonly forkedFrom?: string | undefined;
  readonly correlationId?: string | undefined;
  /** Part of the workflow's name, a tag or the error's message; case does not matter. */
  readonly text?: string | undefined;
  /** ISO 8601, inclusive. */
  readonly startedFrom?: string | undefined;
  /** ISO 8601, exclusive. */
  readonly startedTo?: string | undefined;
};

const list: List<ExecutionRow> = { projection: 'executions', table: executionsTable, id: 'executionId' };

/** What is no UUID is nobody's id: nothing has it. */
const hasId = (column: 'parentExecutionId' | 'forkedFrom', id: string) =>
  sql<SqlBool>`${sql.ref(column)} = ANY(${onlyUuids([id])}::uuid[])`;

const conditions = (tenant: string, filter: ExecutionFilter) => {
  const { statuses, workflow, version, tags, parentExecutionId, forkedFrom, correlationId, text } = filter;
  let query = db.selectFrom('executions').where('tenant', '=', tenant);
  if (statuses) query = query.where(sql<SqlBool>`status = ANY(${statuses}::text[])`);
  if (workflow !== undefined) query = query.where('workflow', '=', workflow);
  if (version !== undefined) query = query.where('version', '=', version);
  // With the second condition Postgres can use the partial index.
  if (tags && tags.length > 0) query = query.where(sql<SqlBool>`tags @> ${tags}::text[] AND tags <> '{}'`);
  if (parentExecutionId !== undefined) query = query.where(hasId('parentExecutionId', parentExecutionId));
  if (forkedFrom !== undefined) query = query.where(hasId('forkedFrom', forkedFrom));
  if (correlationId !== undefined) query = query.where('correlationId', '=', correlationId);
  if (text !== undefined)
    query = query.where(
      sql<SqlBool>`concat_ws(' ', workflow, array_to_string(tags, ' '), error->>'message') ILIKE ${containing(text)}`,
    );
  if (filter.startedFrom !== undefined) query = query.where('startedAt', '>=', filter.startedFrom);
  if (filter.startedTo !== undefined) query = query.where('startedAt', '<', filter.startedTo);
  return query;
};

/** The executions that exist, in any order; for loading many at once. */
export const getExecutions = (
  pool: Queryable,
  tenant: string,
  executionIds: readonly string[],
): Promise<Reading<ExecutionRow[]>> =>
  snapshot<ExecutionRow>(
    pool,
    'executions',
    executionsTable.columns,
    fixed(
      'SELECT * FROM baton.executions WHERE tenant = $1 AND execution_id = ANY($2::uuid[])',
      tenant,
      onlyUuids(executionIds),
    ),
    { name: 'projections-executions' },
  );

const RELATED = (column: 'parent_execution_id' | 'forked_from'): string =>
  `SELECT e.* FROM unnest($2::uuid[]) AS origin (id) CROSS JOIN LATERAL (
     SELECT * FROM baton.executions WHERE tenant = $1 AND ${column} = origin.id ORDER BY position DESC LIMIT $3) e`;

const BY = {
  children: { text: RELATED('parent_execution_id'), name: 'projections-child-executions' },
  forks: { text: RELATED('forked_from'), name: 'projections-forks' },
} as const;

/** The sub-workflows or the forks of some executions, newest first, at most `limit` of each; for loading many at once. */
export const getRelatedExecutions = (
  pool: Queryable,
  tenant: string,
  by: keyof typeof BY,
  executionIds: readonly string[],
  limit: number,
): Promise<Reading<ExecutionRow[]>> =>
  snapshot<ExecutionRow>(
    pool,
    'executions',
    executionsTable.columns,
    fixed(BY[by].text, tenant, onlyUuids(executionIds), limit),
    { name: BY[by].name, orderBy: ['position'] },
  );

/** Inputs or outputs of executions, by execution id; an execution without one is absent. */
export const getExecutionPayloads = async (
  pool: Queryable,
  tenant: string,
  kind: ExecutionPayloadKind,
  executionIds: readonly string[],
): Promise<Reading<ReadonlyMap<string, Json>>> => {
  const { value, position } = await snapshot<ExecutionPayloadRow>(
    pool,
    'executions',
    executionPayloadsTable.columns,
    fixed(
      'SELECT * FROM baton.execution_payloads WHERE tenant = $1 AND kind = $2 AND execution_id = ANY($3::uuid[])',
      tenant,
      kind,
      onlyUuids(executionIds),
    ),
    { name: 'projections-execution-payloads' },
  );
  return { value: new Map(value.map(({ executionId, payload }) => [executionId, payload])), position };
};

/** Newest start first. */
export const listExecutions = (
  pool: Queryable,
  tenant: string,
  filter: ExecutionFilter,
  page: PageRequest,
): Promise<Page<ExecutionRow>> =>
  readPage(pool, list, { tenant, filter, page }, (startsAfter, limit) =>
    conditions(tenant, filter)
      .selectAll()
      .where(startsAfter)
      .orderBy('position', 'desc')
      .orderBy('executionId', 'desc')
      .limit(limit),
  );

/** Exact. */
export const countExecutions = (
  pool: Queryable,
  tenant: string,
  filter: ExecutionFilter = {},
): Promise<Reading<bigint>> =>
  readCount(
    pool,
    'executions',
    conditions(tenant, filter).select(({ fn }) => fn.countAll<bigint>().as('count')),
  );

/** Ids of the executions of a workflow that are executing or paused; oldest first, at most `limit`. */
export const liveExecutionIds = async (
  pool: Queryable,
  tenant: string,
  { workflow, version }: { readonly workflow: string; readonly version?: string | undefined },
  limit: number,
): Promise<Reading<string[]>> => {
  const query = conditions(tenant, { workflow, version, statuses: ['executing', 'paused'] })
    .select('executionId')
    .orderBy('position')
    .limit(limit);
  const { value, position } = await snapshot<{ executionId: string }>(pool, 'executions', ['executionId'], query);
  return { value: value.map(({ executionId }) => executionId), position };
};
