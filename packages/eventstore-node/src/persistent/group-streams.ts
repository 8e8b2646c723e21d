import type { EventStore } from '../store/event-store.ts';
import type { NodeWrites } from './node-writes.ts';
import type { GroupKey } from './settings.ts';

export function checkpointStreamOf({ stream, group }: GroupKey): string {
  return `$persistentsubscription-${stream}::${group}-checkpoint`;
}

export function parkedStreamOf({ stream, group }: GroupKey): string {
  return `$persistentsubscription-${stream}::${group}-parked`;
}

/** Deletes what a group has stored, if it has. */
export async function removeGroupStreams(store: EventStore, writes: NodeWrites, key: GroupKey): Promise<void> {
  const names = [checkpointStreamOf(key), parkedStreamOf(key)].filter((name) => store.readableRange(name));
  await Promise.all(names.map((name) => writes.delete(name)));
}
