import { z } from 'zod';
import { parseInput } from '../../commands/context.ts';
import { PoolId } from '../../domain/ids.ts';
import { listAgents } from '../../projections/agents/queries.ts';
import { listBreakers } from '../../projections/breakers/queries.ts';
import type { BreakerRow } from '../../projections/breakers/table.ts';
import { MAX_PAGE } from '../../projections/page-size.ts';
import { getCallHealth } from '../../projections/task-attempts/call-health.ts';
import type { Reads } from './reads.ts';

/** An agent is healthy from this share of successful calls on, and up to this average time (requirements 1.1). */
const HEALTHY_SUCCESS_RATE = 0.7;
const HEALTHY_AVERAGE_MS = 5_000;

/** Agents, and breakers, in one answer: 100 rows are read for each agent. */
export const MAX_SUMMARISED = MAX_PAGE;

export const HealthSummaryInput = z.strictObject({
  pool: PoolId.optional(),
  limit: z.int().min(1).max(MAX_SUMMARISED).default(100),
});

/** Of the newest 100 calls of an agent. */
export type ServiceHealth = {
  readonly agentId: string;
  readonly isHealthy: boolean;
  readonly successCount: number;
  readonly errorCount: number;
  readonly totalRequests: number;
  readonly successRate: number;
  readonly averageResponseMs: number | null;
};

export type HealthSummary = {
  readonly degradationMode: boolean;
  readonly circuitBreakers: readonly BreakerRow[];
  readonly serviceHealth: readonly ServiceHealth[];
};

const STATUSES = ['active', 'warming', 'draining'] as const;

const serviceHealthOf = (
  agentId: string,
  succeeded = 0,
  failed = 0,
  averageMs: number | null = null,
): ServiceHealth => {
  const totalRequests = succeeded + failed;
  const successRate = totalRequests === 0 ? 1 : succeeded / totalRequests;
  return {
    agentId,
    isHealthy: successRate >= HEALTHY_SUCCESS_RATE && (averageMs ?? 0) <= HEALTHY_AVERAGE_MS,
    successCount: succeeded,
    errorCount: failed,
    totalRequests,
    successRate,
    averageResponseMs: averageMs,
  };
};

/** Breakers of agents that are registered, and have not registered again since the change. */
const currentBreakers = async (reads: Reads, rows: readonly BreakerRow[]): Promise<BreakerRow[]> => {
  const current = await Promise.all(
    rows.map(async (row) => {
      const agent = await reads.agents.load(row.agentId);
      const counts =
        agent !== null &&
        agent.status !== 'deregistered' &&
        Date.parse(row.changedAt) >= Date.parse(agent.registeredAt);
      return counts ? [row] : [];
    }),
  );
  return current.flat();
};

/**
 * Which breakers are open, and how the newest calls of each agent went.
 *
 * Errors: `AppError` `BAD_USER_INPUT`, and those of reading.
 */
export const healthSummary = async (reads: Reads, input: unknown): Promise<HealthSummary> => {
  const { pool, limit } = parseInput(HealthSummaryInput, input);
  const [breakers, agents] = await Promise.all([
    reads.of(listBreakers(reads.pool, reads.tenant, pool, limit)).then((rows) => currentBreakers(reads, rows)),
    listAgents(reads.pool, reads.tenant, { statuses: STATUSES, pool }, { first: limit }),
  ]);
  reads.reflected(agents.position);
  const agentIds = agents.edges.map(({ node }) => node.agentId).sort();
  const health = await reads.of(getCallHealth(reads.pool, reads.tenant, agentIds));
  const known = new Map(health.map((calls) => [calls.agentId, calls]));
  return {
    degradationMode: breakers.some(({ state }) => state !== 'closed'),
    circuitBreakers: breakers,
    serviceHealth: agentIds.map((agentId) => {
      const calls = known.get(agentId);
      return serviceHealthOf(agentId, calls?.succeeded, calls?.failed, calls?.averageMs);
    }),
  };
};
