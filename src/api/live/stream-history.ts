import type { EventStore, Position, Revision, StoredEvent } from '../../eventstore/event-store.ts';

/** Events per read: those of an execution may be large. */
const PAGE_EVENTS = 200;

type Reader = Pick<EventStore, 'readStream'>;

const positionAt = async (store: Reader, stream: string, revision: Revision): Promise<Position> => {
  const [event] = await store.readStream(stream, { from: revision, limit: 1 });
  if (event === undefined) throw new Error(`stream ${stream} has no event at revision ${revision}, but later ones`);
  return event.position;
};

/**
 * The first revision of a stream whose position is after `position`, or the revision of the next event if there is none. Positions grow
 * with revisions, so a binary search finds it.
 */
export const revisionAfter = async (store: Reader, stream: string, position: Position): Promise<Revision> => {
  if (position === 0n) return 0n;
  const [last] = await store.readStream(stream, { direction: 'backwards', limit: 1 });
  if (last === undefined) return 0n;
  if (last.position <= position) return last.revision + 1n;
  let low = 0n;
  let high = last.revision;
  while (low < high) {
    const middle = (low + high) / 2n;
    if ((await positionAt(store, stream, middle)) > position) high = middle;
    else low = middle + 1n;
  }
  return low;
};

/** Pages of a stream's events from a revision on up to its current end; never empty. */
export async function* eventsFrom(store: Reader, stream: string, start: Revision): AsyncGenerator<StoredEvent[], void> {
  for (let from = start; ; ) {
    const events = await store.readStream(stream, { from, limit: PAGE_EVENTS });
    const last = events.at(-1);
    if (last === undefined) return;
    yield events;
    from = last.revision + 1n;
  }
}
