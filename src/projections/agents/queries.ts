import { type SqlBool, sql } from 'kysely';
import type { Health } from '../../domain/agent/events.ts';
import { type AgentFacts, keysOfStates, loadOf, type StateName } from '../../domain/agent/vocabularies.ts';
import { containing, db, fixed, type Queryable } from '../database.ts';
import { type List, type Page, type PageRequest, readCount, readPage } from '../page.ts';
import { type Reading, snapshot } from '../snapshot.ts';
import { type AgentRow, type AgentStatus, agentsTable } from './table.ts';

export type AgentFilter = {
  readonly statuses?: readonly AgentStatus[] | undefined;
  /** Any of them. */
  readonly states?: readonly StateName[] | undefined;
  readonly healths?: readonly Health[] | undefined;
  readonly pool?: string | undefined;
  /** Name of one of its capabilities. */
  readonly capability?: string | undefined;
  /** The agent must have all of these labels, with these values. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Part of its id, name or description; case does not matter. */
  readonly text?: string | undefined;
};

const list: List<AgentRow> = { projection: 'agents', table: agentsTable, id: 'agentId' };

const HELD = sql<number>`(SELECT count(*) FROM baton.tasks held WHERE held.tenant = agents.tenant
  AND held.status <> 'completed' AND held.status = 'assigned' AND held.agent_id = agents.agent_id)`;
const LOAD = sql<string>`CASE ${HELD} WHEN 0 THEN 'idle' ELSE CASE WHEN ${HELD} < max_concurrency THEN 'some' ELSE 'full' END END`;

/** `factsKey` of the row. */
const FACTS_KEY = sql<string>`concat_ws('|', agents.status, health, (silent_since IS NOT NULL)::text, ${LOAD},
  (maintenance_started_at IS NOT NULL)::text, standby::text)`;

/** @param open attempts that it holds */
export const factsOfAgent = (agent: AgentRow, open: number): AgentFacts => ({
  status: agent.status,
  health: agent.health,
  silent: agent.silentSince !== null,
  load: loadOf(open, agent.maxConcurrency),
  maintenance: agent.maintenanceStartedAt !== null,
  standby: agent.standby,
});

const conditions = (tenant: string, filter: AgentFilter) => {
  const { statuses, states, healths, pool, capability, labels, text } = filter;
  let query = db.selectFrom('agents').where('tenant', '=', tenant);
  if (statuses) query = query.where(sql<SqlBool>`status = ANY(${statuses}::text[])`);
  if (states) query = query.where(sql<SqlBool>`${FACTS_KEY} = ANY(${keysOfStates(states)}::text[])`);
  if (healths) query = query.where(sql<SqlBool>`health = ANY(${healths}::text[])`);
  if (pool !== undefined) query = query.where('pool', '=', pool);
  if (capability !== undefined) query = query.where(sql<SqlBool>`capability_names @> ARRAY[${capability}]::text[]`);
  if (labels) query = query.where(sql<SqlBool>`labels @> ${JSON.stringify(labels)}::jsonb`);
  if (text !== undefined)
    query = query.where(sql<SqlBool>`concat_ws(' ', agent_id, name, description) ILIKE ${containing(text)}`);
  return query;
};

/** Undefined when the tenant has no such agent, at the position the answer reflects. */
export const getAgent = async (
  pool: Queryable,
  tenant: string,
  agentId: string,
): Promise<Reading<AgentRow | undefined>> => {
  const { value, position } = await getAgents(pool, tenant, [agentId]);
  return { value: value[0], position };
};

/** The agents that exist, in any order; for loading many at once. */
export const getAgents = (pool: Queryable, tenant: string, agentIds: readonly string[]): Promise<Reading<AgentRow[]>> =>
  snapshot<AgentRow>(
    pool,
    'agents',
    agentsTable.columns,
    fixed('SELECT * FROM baton.agents WHERE tenant = $1 AND agent_id = ANY($2::text[])', tenant, agentIds),
    { name: 'projections-agents' },
  );

/** Newest registration first. */
export const listAgents = (
  pool: Queryable,
  tenant: string,
  filter: AgentFilter,
  page: PageRequest,
): Promise<Page<AgentRow>> =>
  readPage(pool, list, { tenant, filter, page }, (startsAfter, limit) =>
    conditions(tenant, filter)
      .selectAll()
      .where(startsAfter)
      .orderBy('position', 'desc')
      .orderBy('agentId', 'desc')
      .limit(limit),
  );

/** Exact. */
export const countAgents = (pool: Queryable, tenant: string, filter: AgentFilter = {}): Promise<Reading<bigint>> =>
  readCount(
    pool,
    'agents',
    conditions(tenant, filter).select(({ fn }) => fn.countAll<bigint>().as('count')),
  );

/** How many tasks each of the agents holds; agents without tasks are absent. Reflects the read model of tasks. */
export const countOpenTasks = async (
  pool: Queryable,
  tenant: string,
  agentIds: readonly string[],
): Promise<Reading<ReadonlyMap<string, number>>> => {
  const { value, position } = await snapshot<{ agentId: string; open: number }>(
    pool,
    'tasks',
    ['agentId', 'open'],
    fixed(
      `SELECT agent_id, count(*)::int AS open FROM baton.tasks
       WHERE tenant = $1 AND status <> 'completed' AND status = 'assigned' AND agent_id = ANY($2::text[]) GROUP BY agent_id`,
      tenant,
      agentIds,
    ),
    { name: 'projections-open-tasks' },
  );
  return { value: new Map(value.map(({ agentId, open }) => [agentId, open])), position };
};
