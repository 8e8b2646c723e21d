import { type SqlBool, sql } from 'kysely';
import type { Json } from '../../domain/json.ts';
import { containing, db, fixed, onlyUuids, type Queryable } from '../database.ts';
import { type List, type Page, type PageRequest, readCount, readPage } from '../page.ts';
import { type Reading, snapshot } from '../snapshot.ts';
import {
  type PayloadKind,
  type TaskPayloadRow,
  type TaskRow,
  type TaskStatus,
  taskPayloadsTable,
  tasksTable,
} from './table.ts';

export type TaskFilter = {
  readonly statuses?: readonly TaskStatus[] | undefined;
  readonly capability?: string | undefined;
  readonly pool?: string | undefined;
  readonly agentId?: string | undefined;
  /** The task must have all of these tags. */
  readonly tags?: readonly string[] | undefined;
  readonly priorities?: readonly number[] | undefined;
  readonly correlationId?: string | undefined;
  /** Tasks that this execution runs. */
  readonly executionId?: string | undefined;
  /** Part of the capability, the agent's id, a tag or the error's message; case does not matter. */
  readonly text?: string | undefined;
  /** ISO 8601, inclusive. */
  readonly submittedFrom?: string | undefined;
  /** ISO 8601, exclusive. */
  readonly submittedTo?: string | undefined;
};

const list: List<TaskRow> = { projection: 'tasks', table: tasksTable, id: 'taskId' };

const conditions = (tenant: string, filter: TaskFilter) => {
  const { statuses, capability, pool, agentId, tags, priorities, correlationId, executionId, text } = filter;
  let query = db.selectFrom('tasks').where('tenant', '=', tenant);
  if (statuses) query = query.where(sql<SqlBool>`status = ANY(${statuses}::text[])`);
  if (capability !== undefined) query = query.where('capability', '=', capability);
  if (pool !== undefined) query = query.where('pool', '=', pool);
  if (agentId !== undefined) query = query.where('agentId', '=', agentId);
  // With the second condition Postgres can use the partial index.
  if (tags && tags.length > 0) query = query.where(sql<SqlBool>`tags @> ${tags}::text[] AND tags <> '{}'`);
  if (priorities) query = query.where(sql<SqlBool>`priority = ANY(${priorities}::int[])`);
  if (correlationId !== undefined) query = query.where('correlationId', '=', correlationId);
  if (executionId !== undefined)
    query = query.where(sql<SqlBool>`execution_id = ANY(${onlyUuids([executionId])}::uuid[])`);
  if (text !== undefined)
    query = query.where(
      sql<SqlBool>`concat_ws(' ', capability, agent_id, array_to_string(tags, ' '), error->>'message') ILIKE ${containing(text)}`,
    );
  if (filter.submittedFrom !== undefined) query = query.where('submittedAt', '>=', filter.submittedFrom);
  if (filter.submittedTo !== undefined) query = query.where('submittedAt', '<', filter.submittedTo);
  return query;
};

/** Undefined when the tenant has no such task, at the position the answer reflects. */
export const getTask = async (
  pool: Queryable,
  tenant: string,
  taskId: string,
): Promise<Reading<TaskRow | undefined>> => {
  const { value, position } = await getTasks(pool, tenant, [taskId]);
  return { value: value[0], position };
};

/** The tasks that exist, in any order; for loading many at once. */
export const getTasks = (pool: Queryable, tenant: string, taskIds: readonly string[]): Promise<Reading<TaskRow[]>> =>
  snapshot<TaskRow>(
    pool,
    'tasks',
    tasksTable.columns,
    fixed('SELECT * FROM baton.tasks WHERE tenant = $1 AND task_id = ANY($2::uuid[])', tenant, onlyUuids(taskIds)),
    { name: 'projections-tasks' },
  );

/** Inputs, results or checkpoints of tasks, by task id; a task without one is absent. */
export const getTaskPayloads = async (
  pool: Queryable,
  tenant: string,
  kind: PayloadKind,
  taskIds: readonly string[],
): Promise<Reading<ReadonlyMap<string, Json>>> => {
  const { value, position } = await snapshot<TaskPayloadRow>(
    pool,
    'tasks',
    taskPayloadsTable.columns,
    fixed(
      'SELECT * FROM baton.task_payloads WHERE tenant = $1 AND kind = $2 AND task_id = ANY($3::uuid[])',
      tenant,
      kind,
      onlyUuids(taskIds),
    ),
    { name: 'projections-task-payloads' },
  );
  return { value: new Map(value.map(({ taskId, payload }) => [taskId, payload])), position };
};

/** Newest submission first. */
export const listTasks = (
  pool: Queryable,
  tenant: string,
  filter: TaskFilter,
  page: PageRequest,
): Promise<Page<TaskRow>> =>
  readPage(pool, list, { tenant, filter, page }, (startsAfter, limit) =>
    conditions(tenant, filter)
      .selectAll()
      .where(startsAfter)
      .orderBy('position', 'desc')
      .orderBy('taskId', 'desc')
      .limit(limit),
  );

/** Exact. */
export const countTasks = (pool: Queryable, tenant: string, filter: TaskFilter = {}): Promise<Reading<bigint>> =>
  readCount(
    pool,
    'tasks',
    conditions(tenant, filter).select(({ fn }) => fn.countAll<bigint>().as('count')),
  );

/** How many tasks are in each status; statuses without tasks are absent. */
export const countTasksByStatus = async (
  pool: Queryable,
  tenant: string,
  filter: TaskFilter = {},
): Promise<Reading<ReadonlyMap<TaskStatus, bigint>>> => {
  const query = conditions(tenant, filter)
    .groupBy('status')
    .select(({ fn }) => ['status' as const, fn.countAll<bigint>().as('count')]);
  const { value, position } = await snapshot<{ status: TaskStatus; count: bigint }>(
    pool,
    'tasks',
    ['status', 'count'],
    query,
  );
  return { value: new Map(value.map(({ status, count }) => [status, count])), position };
};
