import { db, fixed, onlyUuids, type Queryable } from '../database.ts';
import { type List, type Page, type PageRequest, readPage } from '../page.ts';
import { type Reading, snapshot } from '../snapshot.ts';
import { type AssignmentRow, assignmentsTable } from './table.ts';

export type AssignmentFilter = { readonly agentId?: string | undefined; readonly pool?: string | undefined };

const list: List<AssignmentRow> = { projection: 'assignments', table: assignmentsTable, id: 'taskId' };

/** The assignments of some tasks, oldest first; for loading many at once. */
export const getAssignments = (
  pool: Queryable,
  tenant: string,
  taskIds: readonly string[],
): Promise<Reading<AssignmentRow[]>> =>
  snapshot<AssignmentRow>(
    pool,
    'assignments',
    assignmentsTable.columns,
    fixed(
      'SELECT * FROM baton.assignments WHERE tenant = $1 AND task_id = ANY($2::uuid[]) ORDER BY position, task_id',
      tenant,
      onlyUuids(taskIds),
    ),
    { name: 'projections-assignments' },
  );

/** Newest first. */
export const listAssignments = (
  pool: Queryable,
  tenant: string,
  filter: AssignmentFilter,
  page: PageRequest,
): Promise<Page<AssignmentRow>> =>
  readPage(pool, list, { tenant, filter, page }, (startsAfter, limit) => {
    let query = db.selectFrom('assignments').selectAll().where('tenant', '=', tenant).where(startsAfter);
    if (filter.agentId !== undefined) query = query.where('agentId', '=', filter.agentId);
    if (filter.pool !== undefined) query = query.where('pool', '=', filter.pool);
    return query.orderBy('position', 'desc').orderBy('taskId', 'desc').limit(limit);
  });
