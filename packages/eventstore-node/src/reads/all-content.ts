import type { StoredRecord } from '../storage/record.ts';

/** Streams that are never part of $all. */
export const isHiddenFromAll = (record: StoredRecord): boolean => {
  if (!record.isSystem) return false;
  const name = record.streamName;
  if (name === '$epoch-information') return true;
  return (
    name.startsWith('$persistentsubscription-$all::') && (name.endsWith('-checkpoint') || name.endsWith('-parked'))
  );
};
