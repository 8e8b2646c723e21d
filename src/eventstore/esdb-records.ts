import type {
  AllStreamRecordedEvent,
  ResolvedEvent,
  RecordedEvent as StreamRecordedEvent,
} from '@eventstore/db-client';
import type { Json } from '../domain/json.ts';
import type { EventMetadata, StoredEvent } from './event-store.ts';

type RecordedEvent = StreamRecordedEvent | AllStreamRecordedEvent;

/** The store's own bookkeeping, not a fact of ours. */
export const isSystemEvent = (event: Pick<RecordedEvent, 'type' | 'streamId'>): boolean =>
  event.type.startsWith('$') || event.streamId.startsWith('$');

const NO_METADATA = Object.freeze({});

/** Events that another program wrote are let through with what they have: no metadata is `{}`, data that is not JSON is `null`. */
export const toStoredEvent = (event: RecordedEvent): StoredEvent => {
  const { metadata, position } = event;
  if (position === undefined)
    throw new Error(`event ${event.revision} of stream ${event.streamId} came without position`);
  return {
    stream: event.streamId,
    revision: event.revision,
    position: position.commit,
    id: event.id,
    type: event.type,
    data: event.isJson ? (event.data as Json) : null,
    metadata: (typeof metadata === 'object' && !(metadata instanceof Uint8Array)
      ? metadata
      : NO_METADATA) as EventMetadata,
    recordedAt: event.created.toISOString(),
  };
};

export type { RecordedEvent, ResolvedEvent };
