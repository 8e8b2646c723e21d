import { z } from 'zod';
import { AgentId, PoolId } from '../../domain/ids.ts';
import { BREAKER_CAUSES, BREAKER_STATES } from '../../domain/resilience/circuit.ts';
import type { BreakerRow } from '../../projections/breakers/table.ts';
import { healthSummary, MAX_SUMMARISED } from '../reads/health-summary.ts';
import { AT_LEAST, type Operation, operation, positionOf, QUERY_REFUSALS } from './operation.ts';

const Breaker = z.strictObject({
  agentId: AgentId,
  capability: z.string(),
  pool: PoolId,
  state: z.enum(BREAKER_STATES),
  failureCount: z.int().min(0).meta({ description: 'Failed calls that led to the state.' }),
  calls: z.int().min(0).meta({ description: 'Of so many.' }),
  cause: z.enum(BREAKER_CAUSES),
  changedAt: z.iso.datetime(),
  nextTryAt: z.iso.datetime().optional().meta({ description: 'While it is open: when it lets one call through.' }),
});

const Service = z.strictObject({
  agentId: AgentId,
  isHealthy: z.boolean(),
  successCount: z.int().min(0),
  errorCount: z.int().min(0),
  totalRequests: z.int().min(0),
  successRate: z.number().min(0).max(1),
  averageResponseMs: z.number().min(0).optional().meta({ description: 'Of the calls that succeeded.' }),
});

const Summary = z.strictObject({
  degradationMode: z.boolean().meta({ description: 'A breaker is open or half open.' }),
  circuitBreakers: z
    .array(Breaker)
    .meta({ description: 'Those that are not closed first; those that never opened are left out.' }),
  serviceHealth: z.array(Service).meta({ description: 'Of the newest 100 calls of each agent, by id.' }),
});

const breakerView = (row: BreakerRow): z.output<typeof Breaker> => {
  const { agentId, capability, pool, state, failures, calls, cause, changedAt, nextTryAt } = row;
  const next = nextTryAt === null ? {} : { nextTryAt };
  return { agentId, capability, pool, state, failureCount: failures, calls, cause, changedAt, ...next };
};

export const showHealth: Operation = operation({
  method: 'get',
  path: '/health-summary',
  id: 'healthSummary',
  summary: 'Which breakers are open, and how the newest calls of each agent went',
  query: z.strictObject({
    pool: PoolId.optional(),
    limit: z
      .string()
      .regex(/^\d{1,9}$/, `must be a whole number from 1 to ${MAX_SUMMARISED}`)
      .optional()
      .meta({ description: `Agents and breakers shown, 1 to ${MAX_SUMMARISED}; default: 100.` }),
    ...AT_LEAST,
  }),
  success: { status: 200, description: 'The summary', schema: Summary },
  refusals: QUERY_REFUSALS,
  example: {},
  async run({ reads, query }) {
    reads.atLeast(positionOf(query));
    const { pool, limit } = query;
    const asked = { ...(pool === undefined ? {} : { pool }), ...(limit === undefined ? {} : { limit: Number(limit) }) };
    const { degradationMode, circuitBreakers, serviceHealth } = await healthSummary(reads, asked);
    const services = serviceHealth.map(({ averageResponseMs, ...service }) => ({
      ...service,
      ...(averageResponseMs === null ? {} : { averageResponseMs }),
    }));
    return { body: { degradationMode, circuitBreakers: circuitBreakers.map(breakerView), serviceHealth: services } };
  },
});
