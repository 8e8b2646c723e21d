import { BREAKER_CAUSES, BREAKER_STATES } from '../../../domain/resilience/circuit.ts';
import type { BreakerRow } from '../../../projections/breakers/table.ts';
import { type HealthSummary, healthSummary, MAX_SUMMARISED, type ServiceHealth } from '../../reads/health-summary.ts';
import type { Builder } from '../kit/builder.ts';
import { withoutNulls } from '../kit/command-field.ts';
import { AT_LEAST } from '../kit/connection.ts';
import { enumValues } from '../kit/enums.ts';

const addCircuitBreaker = (builder: Builder) => {
  const BreakerState = builder.enumType('BreakerState', { values: enumValues(BREAKER_STATES) });
  const BreakerCause = builder.enumType('BreakerCause', { values: enumValues(BREAKER_CAUSES) });
  return builder.objectRef<BreakerRow>('CircuitBreaker').implement({
    description: 'The breaker of an agent for a capability. One that has never opened is closed, and not shown.',
    fields: (t) => ({
      agentId: t.exposeID('agentId'),
      capability: t.exposeString('capability'),
      pool: t.exposeString('pool'),
      state: t.expose('state', { type: BreakerState }),
      failureCount: t.exposeInt('failures', { description: 'Failed calls that led to the state.' }),
      calls: t.exposeInt('calls', { description: 'Of so many.' }),
      cause: t.expose('cause', { type: BreakerCause }),
      changedAt: t.expose('changedAt', { type: 'DateTime' }),
      nextTryAt: t.expose('nextTryAt', {
        type: 'DateTime',
        nullable: true,
        description: 'While it is open: when it lets one call through.',
      }),
    }),
  });
};

const addServiceHealth = (builder: Builder) =>
  builder.objectRef<ServiceHealth>('ServiceHealth').implement({
    description: 'How the newest 100 calls of an agent went; calls that Baton ended, or never made, do not count.',
    fields: (t) => ({
      agentId: t.exposeID('agentId'),
      isHealthy: t.exposeBoolean('isHealthy', {
        description: 'At least 0.7 of them succeeded, in at most 5 s on average. True before the first call.',
      }),
      successCount: t.exposeInt('successCount'),
      errorCount: t.exposeInt('errorCount'),
      totalRequests: t.exposeInt('totalRequests'),
      successRate: t.exposeFloat('successRate', { description: '0 to 1; 1 before the first call.' }),
      averageResponseMs: t.exposeFloat('averageResponseMs', {
        nullable: true,
        description: 'Of those that succeeded.',
      }),
    }),
  });

export const addHealthSummary = (builder: Builder): void => {
  const CircuitBreaker = addCircuitBreaker(builder);
  const Service = addServiceHealth(builder);
  const Summary = builder.objectRef<HealthSummary>('HealthSummary').implement({
    fields: (t) => ({
      degradationMode: t.exposeBoolean('degradationMode', { description: 'A breaker is open or half open.' }),
      circuitBreakers: t.field({
        type: [CircuitBreaker],
        description: 'Those that are not closed first.',
        resolve: ({ circuitBreakers }) => circuitBreakers,
      }),
      serviceHealth: t.field({
        type: [Service],
        description: 'By id; of more agents than `limit` those that registered last.',
        resolve: ({ serviceHealth }) => serviceHealth,
      }),
    }),
  });
  builder.queryField('healthSummary', (t) =>
    t.field({
      type: Summary,
      description: 'Which agents are kept from work by their breakers, and how the newest calls of each went.',
      args: {
        pool: t.arg.string(),
        limit: t.arg.int({ description: `Agents and breakers shown, 1 to ${MAX_SUMMARISED}; default: 100.` }),
        atLeast: t.arg(AT_LEAST),
      },
      resolve: (_, { atLeast, ...input }, { reads }) => {
        reads.atLeast(atLeast);
        return healthSummary(reads, withoutNulls(input));
      },
    }),
  );
};
