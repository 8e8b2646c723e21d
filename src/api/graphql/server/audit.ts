import { type AuditFilter, countAuditLog, listAuditLog } from '../../../projections/audit-log/queries.ts';
import type { AuditRow } from '../../../projections/audit-log/table.ts';
import type { Builder } from '../kit/builder.ts';
import type { AddConnection } from '../kit/connection.ts';
import { addList } from '../kit/list.ts';

const addEntryType = (builder: Builder) =>
  builder.objectRef<AuditRow>('AuditEntry').implement({
    description: 'One event of the log: who did what, when and why.',
    fields: (t) => ({
      position: t.expose('position', { type: 'Position' }),
      stream: t.exposeString('stream'),
      revision: t.field({ type: 'SafeInt', resolve: ({ revision }) => revision }),
      eventId: t.exposeID('eventId'),
      type: t.exposeString('type'),
      taskId: t.exposeID('taskId', { nullable: true }),
      agentId: t.exposeID('agentId', { nullable: true }),
      actor: t.exposeString('actor'),
      commandId: t.exposeID('commandId'),
      correlationId: t.exposeString('correlationId'),
      causationId: t.exposeString('causationId'),
      at: t.expose('at', { type: 'DateTime' }),
      hash: t.exposeString('hash', { description: 'Link in the hash chain of its stream.' }),
      data: t.field({
        type: 'JSON',
        nullable: true,
        description: 'The event itself, as written; read from the log.',
        resolve: async ({ stream, revision }, _, { reads }) => (await reads.event(stream, revision))?.data,
      }),
    }),
  });

export const addAuditTrail = (builder: Builder, addConnection: AddConnection): void => {
  const AuditFilterInput = builder.inputType('AuditFilter', {
    fields: (t) => ({
      stream: t.string(),
      types: t.stringList(),
      taskId: t.id({ description: 'Events that name the task, and decisions to assign it.' }),
      agentId: t.id(),
      correlationId: t.string(),
      commandId: t.string(),
      actor: t.string(),
      from: t.field({ type: 'DateTime', description: 'Inclusive.' }),
      to: t.field({ type: 'DateTime', description: 'Exclusive.' }),
    }),
  });
  addList(builder, addConnection, {
    name: 'auditTrail',
    description: 'Newest event first.',
    of: 'Audit',
    node: addEntryType(builder),
    filter: AuditFilterInput,
    filterOf: (input) => input satisfies AuditFilter,
    list: listAuditLog,
    count: countAuditLog,
  });
};
