import { type SqlBool, sql } from 'kysely';
import { containing, db, type Queryable } from '../database.ts';
import { checkPageSize, type List, type Page, type PageRequest, readCount, readPage } from '../page.ts';
import { type Reading, snapshot } from '../snapshot.ts';
import { type DeadLetterRow, type DeadLetterStatus, deadLettersTable } from './table.ts';

export type DeadLetterFilter = {
  readonly statuses?: readonly DeadLetterStatus[] | undefined;
  readonly pool?: string | undefined;
  readonly capability?: string | undefined;
  readonly agentId?: string | undefined;
  readonly reason?: string | undefined;
  readonly errorCode?: string | undefined;
  readonly fingerprint?: string | undefined;
  /** Part of the error's message; case does not matter. */
  readonly text?: string | undefined;
};

const list: List<DeadLetterRow> = { projection: 'tasks', table: deadLettersTable, id: 'taskId' };

const conditions = (tenant: string, filter: DeadLetterFilter) => {
  const { statuses, pool, capability, agentId, reason, errorCode, fingerprint, text } = filter;
  let query = db.selectFrom('dead_letters').where('tenant', '=', tenant);
  if (statuses) query = query.where(sql<SqlBool>`status = ANY(${statuses}::text[])`);
  if (pool !== undefined) query = query.where('pool', '=', pool);
  if (capability !== undefined) query = query.where('capability', '=', capability);
  if (agentId !== undefined) query = query.where('agentId', '=', agentId);
  if (reason !== undefined) query = query.where('reason', '=', reason);
  if (errorCode !== undefined) query = query.where('errorCode', '=', errorCode);
  if (fingerprint !== undefined) query = query.where('fingerprint', '=', fingerprint);
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

/** Dead letters of one failure. */
export type DeadLetterGroup = {
  readonly fingerprint: string;
  readonly errorCode: string;
  readonly count: bigint;
  /** Of the newest of them. */
  readonly message: string;
  readonly taskId: string;
  readonly oldestAt: string;
  readonly newestAt: string;
  /** At most 20, by name. */
  readonly capabilities: readonly string[];
};

const GROUP_COLUMNS = [
  'fingerprint',
  'errorCode',
  'count',
  'message',
  'taskId',
  'oldestAt',
  'newestAt',
  'capabilities',
] as const satisfies readonly (keyof DeadLetterGroup)[];

const CAPABILITIES_SHOWN = 20;

/**
 * Dead letters by failure, the most frequent first.
 *
 * Errors: `AppError` BAD_USER_INPUT with issue code PAGE_SIZE_OUT_OF_RANGE; those of `snapshot`.
 */
export const groupDeadLetters = (
  pool: Queryable,
  tenant: string,
  filter: DeadLetterFilter,
  first: number,
): Promise<Reading<DeadLetterGroup[]>> => {
  checkPageSize(first);
  const newest = <Type>(expression: string) => sql<Type>`(array_agg(${sql.raw(expression)} ORDER BY position DESC))[1]`;
  const groups = conditions(tenant, filter)
    .select(({ fn }) => [
      'fingerprint',
      'errorCode',
      fn.countAll<bigint>().as('count'),
      newest<string>("error->>'message'").as('message'),
      newest<string>('task_id').as('taskId'),
      fn.min('deadLetteredAt').as('oldestAt'),
      fn.max('deadLetteredAt').as('newestAt'),
      sql<string[]>`(array_agg(DISTINCT capability))[:${sql.lit(CAPABILITIES_SHOWN)}]`.as('capabilities'),
    ])
    .groupBy(['fingerprint', 'errorCode'])
    .orderBy('count', 'desc')
    .orderBy('fingerprint')
    .limit(first);
  return snapshot<DeadLetterGroup>(pool, 'tasks', GROUP_COLUMNS, groups);
};
