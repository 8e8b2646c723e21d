import { type SqlBool, sql } from 'kysely';
import { db, fixed, onlyUuids, type Queryable } from '../database.ts';
import { type List, type Page, type PageRequest, readPage } from '../page.ts';
import { type Reading, snapshot } from '../snapshot.ts';
import { type AttemptOutcome, type TaskAttemptRow, taskAttemptsTable } from './table.ts';

export type AttemptFilter = {
  readonly agentId?: string | undefined;
  readonly pool?: string | undefined;
  readonly outcomes?: readonly AttemptOutcome[] | undefined;
};

const list: List<TaskAttemptRow> = { projection: 'tasks', table: taskAttemptsTable, id: 'taskId' };

/** The attempts of some tasks, by task and number; for loading many at once. */
export const getTaskAttempts = (
  pool: Queryable,
  tenant: string,
  taskIds: readonly string[],
): Promise<Reading<TaskAttemptRow[]>> =>
  snapshot<TaskAttemptRow>(
    pool,
    'tasks',
    taskAttemptsTable.columns,
    fixed(
      'SELECT * FROM baton.task_attempts WHERE tenant = $1 AND task_id = ANY($2::uuid[]) ORDER BY task_id, attempt',
      tenant,
      onlyUuids(taskIds),
    ),
    { name: 'projections-task-attempts' },
  );

/** Newest assignment first. */
export const listTaskAttempts = (
  pool: Queryable,
  tenant: string,
  filter: AttemptFilter,
  page: PageRequest,
): Promise<Page<TaskAttemptRow>> =>
  readPage(pool, list, { tenant, filter, page }, (startsAfter, limit) => {
    const { agentId, pool: poolId, outcomes } = filter;
    let query = db.selectFrom('task_attempts').selectAll().where('tenant', '=', tenant).where(startsAfter);
    if (agentId !== undefined) query = query.where('agentId', '=', agentId);
    if (poolId !== undefined) query = query.where('pool', '=', poolId);
    if (outcomes) query = query.where(sql<SqlBool>`outcome = ANY(${outcomes}::text[])`);
    return query.orderBy('position', 'desc').orderBy('taskId', 'desc').limit(limit);
  });
