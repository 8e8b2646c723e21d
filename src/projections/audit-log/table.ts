import { bigint, defineTable, nullable, type RowOf, tenant, text, timestamptz, uuid } from '../define-table.ts';

/** One row per event of the log: who did what, when and why. The data of the event is in the log, by stream and revision. */
export const auditLogTable = defineTable({
  name: 'audit_log',
  columns: {
    tenant: tenant(),
    position: bigint(),
    stream: text(),
    revision: bigint(),
    eventId: uuid(),
    type: text(),
    /** As named by the event itself. The tasks of a batch of assignments are in the assignments of the same position. */
    taskId: nullable(text()),
    agentId: nullable(text()),
    actor: text(),
    commandId: text(),
    correlationId: text(),
    causationId: text(),
    at: timestamptz(),
    /** Hash of the event, a link of its stream's chain. */
    hash: text(),
  },
  key: ['tenant', 'position'],
  indexes: {
    stream: { on: ['tenant', 'stream', 'position DESC'] },
    correlation: { on: ['tenant', 'correlationId', 'position DESC'] },
    task: { on: ['tenant', 'taskId', 'position DESC'], where: 'task_id IS NOT NULL' },
    agent: { on: ['tenant', 'agentId', 'position DESC'], where: 'agent_id IS NOT NULL' },
  },
});

export type AuditRow = RowOf<typeof auditLogTable>;
