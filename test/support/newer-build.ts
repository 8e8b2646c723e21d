import type { Json } from '../../src/domain/json.ts';
import { headAfter } from '../../src/eventstore/codec.ts';
import type { EventStore } from '../../src/eventstore/event-store.ts';
import { seal } from '../../src/eventstore/provenance.ts';

/** Appends an event as a newer build may write it: of any type and schema version. */
export const appendFromNewerBuild = async (
  store: EventStore,
  stream: string,
  { type, schemaVersion = 1, data }: { readonly type: string; readonly schemaVersion?: number; readonly data: Json },
): Promise<void> => {
  const [last] = await store.readStream(stream, { direction: 'backwards', limit: 1 });
  const head = last ? { revision: last.revision, hash: last.metadata.hash } : headAfter([]);
  const commandId = `newer-${stream}-${head.revision}`;
  const metadata = {
    tenant: /-([^.]+)\./.exec(stream)?.[1] ?? '',
    commandId,
    $correlationId: commandId,
    $causationId: commandId,
    actor: 'newer build',
    at: '2026-03-01T12:00:00.000Z',
    schemaVersion,
  };
  const event = seal(stream, head, { id: commandId, type, data, metadata });
  await store.append(stream, [event], { expectedRevision: head.revision });
};
