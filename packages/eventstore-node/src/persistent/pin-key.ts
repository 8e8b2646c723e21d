import { ProtoReader } from '../protobuf/reader.ts';
import { linkTarget, type Renderer } from '../reads/renderer.ts';
import type { StoredRecord } from '../storage/record.ts';
import { bucketOf } from './pinned.ts';
import type { StrategyName } from './settings.ts';

const CUSTOM_METADATA_FIELD = 7;

/** The bucket a strategy binds an event by; always 0 for those that bind nothing. */
export const pinBucket = (strategy: StrategyName, renderer: Renderer, record: StoredRecord): number => {
  if (strategy !== 'Pinned' && strategy !== 'PinnedByCorrelation') return 0;
  const { event = record } = renderer.resolve(record);
  const correlation = strategy === 'PinnedByCorrelation' ? correlationId(event) : undefined;
  return bucketOf(correlation ?? sourceStream(event));
};

/** The stream an event is of; for a link the one it points to. */
const sourceStream = (record: StoredRecord): string => linkTarget(record)?.streamName ?? record.streamName;

/** `$correlationId` of the event's JSON metadata; undefined if it has none. */
const correlationId = (record: StoredRecord): string | undefined => {
  const reader = new ProtoReader(record.recordedEvent);
  while (reader.next()) if (reader.field === CUSTOM_METADATA_FIELD) return parseCorrelation(reader.text());
  return undefined;
};

const parseCorrelation = (metadata: string): string | undefined => {
  try {
    const { $correlationId: id } = JSON.parse(metadata);
    return typeof id === 'string' && id !== '' ? id : undefined;
  } catch {
    return undefined; // binary metadata, or null
  }
};
