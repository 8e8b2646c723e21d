import type { EventStore } from '../store/event-store.ts';
import { ALL, type GroupConfig } from './settings.ts';

/** The place before the first event a group without a checkpoint is about. */
export const placeBeforeStart = (store: EventStore, { settings, stream, endPosition }: GroupConfig): number => {
  const { startFrom } = settings;
  const isAll = stream === ALL;
  if (startFrom === 'start') return isAll ? 0 : -1;
  if (startFrom !== 'end') return startFrom - 1;
  return isAll ? endPosition : lastRevisionAt(store, stream, endPosition);
};

/** The revision the stream had reached at a position of the log. */
const lastRevisionAt = ({ index }: EventStore, streamName: string, position: number): number => {
  const stream = index.find(streamName);
  if (stream === undefined) return -1;
  const eventsBefore = index.positions.countUpTo(position);
  let low = 0;
  let high = index.size(stream);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (index.ordinal(stream, middle) < eventsBefore) low = middle + 1;
    else high = middle;
  }
  return low - 1;
};
