import type { EventStore } from '../store/event-store.ts';
import type { NodeWrites } from './node-writes.ts';
import type { GroupKey } from './settings.ts';

export const checkpointStreamOf = ({ stream, group }: GroupKey): string =>
  `$persistentsubscription-${stream}::${group}-checkpoint`;

export const parkedStreamOf = ({ stream, group }: GroupKey): string =>
  `$persistentsubscription-${stream}::${group}-parked`;

/** Deletes what a group has stored, if it has. */
export const removeGroupStreams = async (store: EventStore, writes: NodeWrites, key: GroupKey): Promise<void> => {
  const names = [checkpointStreamOf(key), parkedStreamOf(key)].filter((name) => store.readableRange(name));
  await Promise.all(names.map((name) => writes.delete(name)));
};
