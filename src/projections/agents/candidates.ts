import type { Candidate } from '../../domain/discovery/candidate.ts';
import { db, type Queryable } from '../database.ts';
import { type Reading, snapshot } from '../snapshot.ts';
import type { AgentRow } from './table.ts';

const COLUMNS = [
  'agentId',
  'pool',
  'capabilities',
  'version',
  'serviceTypes',
  'tags',
  'location',
  'maxConcurrency',
  'health',
  'status',
  'maintenanceStartedAt',
  'registeredAt',
] as const;

export type RegisteredAgent = Pick<AgentRow, (typeof COLUMNS)[number]>;

/** The registered agents, of one pool or of all, in the order of their ids. */
export const getRegisteredAgents = (
  of: Queryable,
  tenant: string,
  pool: string | undefined,
): Promise<Reading<RegisteredAgent[]>> => {
  let query = db
    .selectFrom('agents')
    .select(COLUMNS)
    .where('tenant', '=', tenant)
    .where('status', '<>', 'deregistered');
  if (pool !== undefined) query = query.where('pool', '=', pool);
  return snapshot<RegisteredAgent>(of, 'agents', COLUMNS, query.orderBy('agentId'));
};

type Held = Pick<Candidate, 'open' | 'unreachable' | 'pausedUntilMs' | 'openBreakers'>;

export const candidateOf = (agent: RegisteredAgent, held: Held): Candidate => ({
  agentId: agent.agentId,
  pool: agent.pool,
  capabilities: agent.capabilities,
  version: agent.version ?? undefined,
  serviceTypes: agent.serviceTypes as Candidate['serviceTypes'],
  tags: agent.tags,
  location: agent.location ?? undefined,
  maxConcurrency: agent.maxConcurrency,
  health: agent.health,
  draining: agent.status === 'draining',
  maintenance: agent.maintenanceStartedAt !== null,
  warming: agent.status === 'warming',
  ...held,
});
