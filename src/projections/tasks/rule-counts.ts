import { fixed, type Queryable } from '../database.ts';
import { type Reading, snapshot } from '../snapshot.ts';

/** What became of the tasks that one version of a rule routed one way. */
export type RuleCounts = {
  readonly rule: string;
  readonly version: number;
  /** Null: those that were left to the rule itself. */
  readonly variant: string | null;
  readonly tasks: number;
  /** Not ended, or with an outcome that nobody knows. */
  readonly open: number;
  readonly completed: number;
  /** Also those that were dead-lettered. */
  readonly failed: number;
  readonly cancelled: number;
  readonly failedAttempts: number;
  /** Of the calls that completed tasks; null when none completed. */
  readonly averageMs: number | null;
};

const COLUMNS = [
  'rule',
  'version',
  'variant',
  'tasks',
  'open',
  'completed',
  'failed',
  'cancelled',
  'failedAttempts',
  'averageMs',
] as const satisfies readonly (keyof RuleCounts)[];

/** More are the history of a rule, which the log has. */
const MAX_ROWS = 1_000;

const COUNTS = `
  SELECT rule_name AS rule, rule_version AS version, rule_variant AS variant,
    count(*)::float8 AS tasks,
    count(*) FILTER (WHERE status IN ('ready', 'blocked', 'assigned', 'indeterminate'))::float8 AS open,
    count(*) FILTER (WHERE status = 'completed')::float8 AS completed,
    count(*) FILTER (WHERE status IN ('failed', 'dead_lettered'))::float8 AS failed,
    count(*) FILTER (WHERE status = 'cancelled')::float8 AS cancelled,
    coalesce(sum(failures), 0)::float8 AS failed_attempts,
    avg(duration_ms)::float8 AS average_ms
  FROM baton.tasks
  WHERE tenant = $1 AND rule_name IS NOT NULL AND ($2::text IS NULL OR rule_name = $2)
  GROUP BY rule_name, rule_version, rule_variant
  ORDER BY rule_name, rule_version DESC, rule_variant NULLS FIRST
  LIMIT ${MAX_ROWS}`;

/** By rule, the newest version first. */
export const countByRule = (
  pool: Queryable,
  tenant: string,
  rule: string | undefined,
): Promise<Reading<RuleCounts[]>> =>
  snapshot<RuleCounts>(pool, 'tasks', COLUMNS, fixed(COUNTS, tenant, rule ?? null), {
    name: 'projections-rule-counts',
  });
