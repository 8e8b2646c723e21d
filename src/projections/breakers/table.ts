import type { BreakerCause, BreakerState } from '../../domain/resilience/circuit.ts';
import { bigint, defineTable, integer, nullable, type RowOf, tenant, text, timestamptz } from '../define-table.ts';

/** The breaker of an agent for a capability, since its last change; those that never changed are not in it. A later registration closes it. */
export const breakersTable = defineTable({
  name: 'breakers',
  columns: {
    tenant: tenant(),
    agentId: text(),
    capability: text(),
    pool: text(),
    state: text<BreakerState>(),
    cause: text<BreakerCause>(),
    /** Failed calls that led to the change, and of how many. */
    failures: integer(),
    calls: integer(),
    changedAt: timestamptz(),
    /** While it is open: when it lets one call through. */
    nextTryAt: nullable(timestamptz()),
    position: bigint(),
  },
  key: ['tenant', 'agentId', 'capability'],
  indexes: { state: { on: ['tenant', 'state', 'agentId', 'capability'] } },
});

export type BreakerRow = RowOf<typeof breakersTable>;
