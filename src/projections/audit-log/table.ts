import { defineTable } from '../projector.ts';

/** One event of the log: who did what, when and why. What exactly is in the log, by stream and revision. */
export type AuditRow = {
  tenant: string;
  position: bigint;
  stream: string;
  revision: bigint;
  eventId: string;
  type: string;
  /** What the event itself names. The tasks of a batch of assignments are in the assignments of the same position. */
  taskId: string | null;
  agentId: string | null;
  actor: string;
  commandId: string;
  correlationId: string;
  causationId: string;
  at: string;
  /** Hash of the event, a link of its stream's chain. */
  hash: string;
};

export const auditLogTable = defineTable<AuditRow>()({
  name: 'audit_log',
  key: ['tenant', 'position'],
  columns: {
    tenant: 'text',
    position: 'bigint',
    stream: 'text',
    revision: 'bigint',
    eventId: 'uuid',
    type: 'text',
    taskId: 'text',
    agentId: 'text',
    actor: 'text',
    commandId: 'text',
    correlationId: 'text',
    causationId: 'text',
    at: 'timestamptz',
    hash: 'text',
  },
});
