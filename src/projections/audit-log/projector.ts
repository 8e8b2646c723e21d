import type { Json } from '../../domain/json.ts';
import { instant } from '../instant.ts';
import type { Projector } from '../projector.ts';
import { auditLogTable } from './table.ts';

const textAt = (data: Json, name: string): string | null => {
  const value = data !== null && typeof data === 'object' ? (data as { [key: string]: Json })[name] : undefined;
  return typeof value === 'string' ? value : null;
};

/** Reads events as stored, whatever their type and schema version, so that no event is missing. */
export const auditLogProjector = {
  name: 'audit_log',
  version: 1,
  tables: [auditLogTable],
  on: {},
  onAny: ({ data, metadata, ...event }, fold) =>
    fold.put(auditLogTable, {
      tenant: metadata.tenant,
      position: event.position,
      stream: event.stream,
      revision: event.revision,
      eventId: event.id,
      type: event.type,
      taskId: textAt(data, 'taskId'),
      agentId: textAt(data, 'agentId'),
      actor: metadata.actor,
      commandId: metadata.commandId,
      correlationId: metadata.$correlationId,
      causationId: metadata.$causationId,
      at: instant(metadata.at),
      hash: metadata.hash,
    }),
} as const satisfies Projector;
