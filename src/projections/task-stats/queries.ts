import { AppError } from '../../platform/errors.ts';
import { fixed, type Queryable } from '../database.ts';
import type { Merge } from '../define-table.ts';
import { snake } from '../names.ts';
import { type Reading, snapshot } from '../snapshot.ts';
import { quantile } from './histogram.ts';
import { type TaskStatsRow, taskStatsTable } from './table.ts';

/** Durations in milliseconds. p50 and p99 are estimates, off by at most 9 %: they are read from a histogram. */
export type DurationStats = {
  readonly averageMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly p50EstimateMs: number;
  readonly p99EstimateMs: number;
};

export type TaskStats = {
  readonly submitted: number;
  readonly completed: number;
  readonly failedAttempts: number;
  readonly deadLettered: number;
  /** Tasks of executions that failed permanently; no dead letters. */
  readonly failed: number;
  readonly cancelled: number;
  /** Of the calls that completed tasks; absent when none completed. */
  readonly duration: DurationStats | undefined;
  /** From submission to completion. */
  readonly endToEnd: DurationStats | undefined;
};

export type TaskStatsRequest = {
  /** ISO 8601, inclusive; whole minutes count. */
  readonly from: string;
  /** ISO 8601, exclusive. */
  readonly to: string;
  readonly capability?: string | undefined;
  /** Length of one point of the series, a whole number of minutes. */
  readonly stepMinutes: number;
};

export type TaskStatsSeries = {
  readonly totals: TaskStats;
  /** Oldest first; points without events are absent. `at` is the start of the step. */
  readonly series: readonly ({ readonly at: string } & TaskStats)[];
};

const MAX_POINTS = 1_500;

type SumColumn = Exclude<keyof TaskStatsRow, 'tenant' | 'minute' | 'capability'>;
type SumRow = Pick<TaskStatsRow, SumColumn> & { readonly at: string | null };

const TOTAL_OF: Readonly<Record<Merge, (column: string) => string>> = {
  sum: (column) => `coalesce(sum(${column}), 0)::float8`,
  min: (column) => `min(${column})::float8`,
  max: (column) => `max(${column})::float8`,
  elements: (column) => `baton.sum_arrays(${column})`,
};

const TOTALS = Object.entries(taskStatsTable.columns).flatMap(([name, { merge }]) =>
  merge ? [{ name, sql: `${TOTAL_OF[merge](snake(name))} AS ${snake(name)}` }] : [],
);
const COLUMNS = ['at', ...TOTALS.map(({ name }) => name)];
const SUMS = TOTALS.map(({ sql }) => sql).join(', ');

/** The empty grouping set is the row of totals. */
const SERIES = `
  SELECT date_bin($4 * interval '1 minute', minute, 'epoch') AS at, ${SUMS}
  FROM baton.task_stats
  WHERE tenant = $1 AND minute >= date_trunc('minute', $2::timestamptz) AND minute < $3::timestamptz
    AND ($5::text IS NULL OR capability = $5)
  GROUP BY GROUPING SETS ((1), ())
  ORDER BY 1 NULLS LAST`;

const durations = (
  count: number,
  sumUs: number,
  minUs: number | null,
  maxUs: number | null,
  histogram: readonly number[],
): DurationStats | undefined => {
  if (count === 0 || minUs === null || maxUs === null) return undefined;
  const estimateMs = (q: number): number => Math.min(maxUs, Math.max(minUs, quantile(histogram, q) ?? minUs)) / 1000;
  return {
    averageMs: sumUs / count / 1000,
    minMs: minUs / 1000,
    maxMs: maxUs / 1000,
    p50EstimateMs: estimateMs(0.5),
    p99EstimateMs: estimateMs(0.99),
  };
};

const statsOf = (row: SumRow): TaskStats => ({
  submitted: row.submitted,
  completed: row.completed,
  failedAttempts: row.failedAttempts,
  deadLettered: row.deadLettered,
  failed: row.failed,
  cancelled: row.cancelled,
  duration: durations(row.completed, row.durationSumUs, row.durationMinUs, row.durationMaxUs, row.durationHistogram),
  endToEnd: durations(row.completed, row.endToEndSumUs, row.endToEndMinUs, row.endToEndMaxUs, row.endToEndHistogram),
});

const NOTHING: TaskStats = {
  submitted: 0,
  completed: 0,
  failedAttempts: 0,
  deadLettered: 0,
  failed: 0,
  cancelled: 0,
  duration: undefined,
  endToEnd: undefined,
};

const checkRequest = ({ from, to, stepMinutes }: TaskStatsRequest): void => {
  const minutes = (Date.parse(to) - Date.parse(from)) / 60_000;
  const bad =
    !Number.isInteger(stepMinutes) || stepMinutes < 1
      ? { pointer: '/stepMinutes', code: 'OUT_OF_RANGE', message: 'stepMinutes must be a whole number of at least 1' }
      : !(minutes > 0)
        ? { pointer: '/to', code: 'OUT_OF_RANGE', message: 'to must be an instant after from' }
        : minutes / stepMinutes > MAX_POINTS
          ? {
              pointer: '/stepMinutes',
              code: 'TOO_MANY_POINTS',
              message: `at most ${MAX_POINTS} points: choose longer steps`,
            }
          : undefined;
  if (bad) throw new AppError('BAD_USER_INPUT', bad.message, { details: { code: bad.code }, issues: [bad] });
};

/**
 * What happened to the tasks of a tenant, over time and in total.
 *
 * Errors: `AppError` BAD_USER_INPUT for a bad or too long range; those of `snapshot`.
 */
export const getTaskStats = async (
  pool: Queryable,
  tenant: string,
  request: TaskStatsRequest,
): Promise<Reading<TaskStatsSeries>> => {
  checkRequest(request);
  const { from, to, stepMinutes, capability } = request;
  const query = fixed(SERIES, tenant, from, to, stepMinutes, capability ?? null);
  const { value, position } = await snapshot<SumRow>(pool, 'tasks', COLUMNS, query, { name: 'projections-task-stats' });
  const totals = value.find(({ at }) => at === null);
  const series = value.flatMap((row) => (row.at === null ? [] : [{ at: row.at, ...statsOf(row) }]));
  return { value: { totals: totals ? statsOf(totals) : NOTHING, series }, position };
};
