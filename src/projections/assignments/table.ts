import type { RoutingReason } from '../../domain/pool/events.ts';
import { defineTable } from '../projector.ts';

/** A decision of a pool's writer, with its reason. It may have come too late to have an effect: see the task's attempts. */
export type AssignmentRow = {
  tenant: string;
  taskId: string;
  attempt: number;
  /** Shared by the assignments of one tick. */
  position: bigint;
  pool: string;
  agentId: string;
  assignedAt: string;
  expiresAt: string;
  waitedMs: number;
  strategy: string;
  reason: RoutingReason;
};

export const assignmentsTable = defineTable<AssignmentRow>()({
  name: 'assignments',
  key: ['tenant', 'taskId', 'attempt', 'position'],
  columns: {
    tenant: 'text',
    taskId: 'uuid',
    attempt: 'integer',
    position: 'bigint',
    pool: 'text',
    agentId: 'text',
    assignedAt: 'timestamptz',
    expiresAt: 'timestamptz',
    waitedMs: 'double precision',
    strategy: 'text',
    reason: 'jsonb',
  },
});
