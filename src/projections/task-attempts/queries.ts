import { type SqlBool, sql } from 'kysely';
import { type Rest, restAfter } from '../../domain/pool/rest.ts';
import { isUnreachable } from '../../domain/task/events.ts';
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

/** More than an agent has missed in a row when it was down for an hour. Where there are more, `sinceMs` is the time of the oldest of these. */
const MISSES_READ = 500;

const LAST_ANSWERS = `
SELECT asked.agent_id, last.outcome, last.ended_at, last.error
FROM unnest($2::text[]) AS asked (agent_id)
CROSS JOIN LATERAL (
  SELECT outcome, ended_at, error, position FROM baton.task_attempts
  WHERE tenant = $1 AND agent_id = asked.agent_id AND outcome IN ('completed', 'failed', 'unknown')
  ORDER BY position DESC LIMIT $3
) AS last
ORDER BY last.position DESC`;

type LastAnswer = Pick<TaskAttemptRow, 'outcome' | 'endedAt' | 'error'> & { readonly agentId: string };

const lastAnswers = (
  pool: Queryable,
  tenant: string,
  agentIds: readonly string[],
  limit: number,
): Promise<Reading<LastAnswer[]>> =>
  snapshot<LastAnswer>(
    pool,
    'tasks',
    ['agentId', 'outcome', 'endedAt', 'error'],
    fixed(LAST_ANSWERS, tenant, agentIds, limit),
    { name: 'projections-last-answers' },
  );

const isMiss = ({ error }: LastAnswer): boolean => error !== null && isUnreachable(error);

const endOf = ({ endedAt }: LastAnswer): number => Date.parse(endedAt ?? '');

/** What the pool makes of the misses since the agent answered. */
const restAfterAll = (answers: readonly LastAnswer[]): Rest | undefined => {
  // Many attempts may have begun together.
  const newestFirst = [...answers].sort((a, b) => endOf(b) - endOf(a));
  const answered = newestFirst.findIndex((answer) => !isMiss(answer));
  const misses = answered === -1 ? newestFirst : newestFirst.slice(0, answered);
  return misses.reduceRight<Rest | undefined>(
    (rest, miss) => restAfter(rest, endOf(miss), miss.error?.message ?? ''),
    undefined,
  );
};

/** Those of the agents that could not be reached since they last answered, from the attempts that the log has. */
export const getRests = async (
  pool: Queryable,
  tenant: string,
  agentIds: readonly string[],
): Promise<Reading<ReadonlyMap<string, Rest>>> => {
  const newest = await lastAnswers(pool, tenant, agentIds, 1);
  const missed = newest.value.filter(isMiss).map(({ agentId }) => agentId);
  if (missed.length === 0) return { value: new Map(), position: newest.position };
  const { value, position } = await lastAnswers(pool, tenant, missed, MISSES_READ);
  const rests = new Map<string, Rest>();
  for (const id of missed) {
    const rest = restAfterAll(value.filter(({ agentId }) => agentId === id));
    if (rest) rests.set(id, rest);
  }
  return { value: rests, position };
};

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
