import type { RoutingReason } from '../../domain/pool/events.ts';
import {
  bigint,
  defineTable,
  double,
  integer,
  json,
  type RowOf,
  tenant,
  text,
  timestamptz,
  uuid,
} from '../define-table.ts';

/** Every decision of a pool's writer, with its reason. A decision that came too late has no effect: see the task's attempts. */
export const assignmentsTable = defineTable({
  name: 'assignments',
  columns: {
    tenant: tenant(),
    taskId: uuid(),
    attempt: integer(),
    /** Shared by the assignments of one tick. */
    position: bigint(),
    pool: text(),
    agentId: text(),
    assignedAt: timestamptz(),
    expiresAt: timestamptz(),
    waitedMs: double(),
    strategy: text(),
    reason: json<RoutingReason>(),
  },
  key: ['tenant', 'taskId', 'attempt', 'position'],
  indexes: {
    newest: { on: ['tenant', 'position DESC', 'taskId DESC'] },
    agent: { on: ['tenant', 'agentId', 'position DESC', 'taskId DESC'] },
  },
});

export type AssignmentRow = RowOf<typeof assignmentsTable>;
