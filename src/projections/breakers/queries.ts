import { fixed, type Queryable } from '../database.ts';
import { type Reading, snapshot } from '../snapshot.ts';
import { type PauseRow, pausesTable } from './pauses.ts';
import { type BreakerRow, breakersTable } from './table.ts';

/** The breakers of some agents, by agent and capability; for loading many at once. */
export const getBreakers = (
  pool: Queryable,
  tenant: string,
  agentIds: readonly string[],
): Promise<Reading<BreakerRow[]>> =>
  snapshot<BreakerRow>(
    pool,
    'breakers',
    breakersTable.columns,
    fixed(
      'SELECT * FROM baton.breakers WHERE tenant = $1 AND agent_id = ANY($2::text[]) ORDER BY agent_id, capability',
      tenant,
      agentIds,
    ),
    { name: 'projections-breakers' },
  );

/** Those that are not closed first, at most `limit`. */
export const listBreakers = (
  pool: Queryable,
  tenant: string,
  inPool: string | undefined,
  limit: number,
): Promise<Reading<BreakerRow[]>> =>
  snapshot<BreakerRow>(
    pool,
    'breakers',
    breakersTable.columns,
    fixed(
      `SELECT * FROM baton.breakers WHERE tenant = $1 AND ($2::text IS NULL OR pool = $2)
       ORDER BY state = 'closed', agent_id, capability LIMIT $3`,
      tenant,
      inPool ?? null,
      limit,
    ),
    { name: 'projections-list-breakers' },
  );

/** The last pauses that some of the agents asked for; for loading many at once. */
export const getPauses = (pool: Queryable, tenant: string, agentIds: readonly string[]): Promise<Reading<PauseRow[]>> =>
  snapshot<PauseRow>(
    pool,
    'breakers',
    pausesTable.columns,
    fixed('SELECT * FROM baton.agent_pauses WHERE tenant = $1 AND agent_id = ANY($2::text[])', tenant, agentIds),
    { name: 'projections-pauses' },
  );
