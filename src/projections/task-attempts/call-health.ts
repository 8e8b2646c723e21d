import { fixed, type Queryable } from '../database.ts';
import { type Reading, snapshot } from '../snapshot.ts';

/** Calls that are looked at, the newest of each agent (requirements 1.1). */
const CALLS = 100;

/** Of the newest calls of an agent. `averageMs` is of those that completed; null before the first. */
export type CallHealth = {
  readonly agentId: string;
  readonly succeeded: number;
  readonly failed: number;
  readonly averageMs: number | null;
};

/** Attempts that Baton ended, or that were never sent, say nothing of the agent. */
const CALL_HEALTH = `
SELECT asked.agent_id,
  count(*) FILTER (WHERE last.outcome = 'completed')::int AS succeeded,
  count(*) FILTER (WHERE last.outcome <> 'completed')::int AS failed,
  avg(last.duration_ms)::float8 AS average_ms
FROM unnest($2::text[]) AS asked (agent_id)
CROSS JOIN LATERAL (
  SELECT outcome, duration_ms FROM baton.task_attempts
  WHERE tenant = $1 AND agent_id = asked.agent_id AND outcome IN ('completed', 'failed', 'unknown')
    AND (error IS NULL OR error->>'source' <> 'baton')
  ORDER BY position DESC LIMIT ${CALLS}
) AS last
GROUP BY asked.agent_id`;

/** Agents that were never called are not among the answers. */
export const getCallHealth = (
  pool: Queryable,
  tenant: string,
  agentIds: readonly string[],
): Promise<Reading<CallHealth[]>> =>
  snapshot<CallHealth>(
    pool,
    'tasks',
    ['agentId', 'succeeded', 'failed', 'averageMs'],
    fixed(CALL_HEALTH, tenant, agentIds),
    { name: 'projections-call-health' },
  );
