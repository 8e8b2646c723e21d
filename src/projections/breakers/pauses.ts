import { bigint, defineTable, type RowOf, tenant, text, timestamptz } from '../define-table.ts';

/** The last pause that an agent asked for. A later registration ends it. */
export const pausesTable = defineTable({
  name: 'agent_pauses',
  columns: {
    tenant: tenant(),
    agentId: text(),
    askedAt: timestamptz(),
    endsAt: timestamptz(),
    position: bigint(),
  },
  key: ['tenant', 'agentId'],
});

export type PauseRow = RowOf<typeof pausesTable>;
