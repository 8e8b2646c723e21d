import type { EventStore } from './event-store.ts';
import type { GroupWriter } from './group-writer.ts';
import { decideMultiAppend } from './multi-append-rules.ts';
import type { ExpectedStream, MultiAppend, MultiOutcome } from './operations.ts';

/**
 * Decides an append to several streams and puts its events into the group. A group is in the log as a whole or not at
 * all, so that no crash can separate them.
 */
export const decideMultiAppendIn = (store: EventStore, group: GroupWriter, append: MultiAppend): MultiOutcome => {
  const { streams, records } = append;
  const ids: string[][] = streams.map(() => []);
  for (const { stream, event } of records) ids[stream]?.push(event.id);
  const touched = streams.map(({ streamName, expected }, i) => ({
    facts: group.factsOf(streamName),
    expected,
    ids: ids[i] as string[],
  }));
  const decision = decideMultiAppend(touched);
  if (decision.kind === 'violated') return decision;
  if (decision.kind === 'write') return write(group, append);
  const { lastRevisions } = decision;
  const positions = lastRevisions.map((revision, i) => positionOf(store, streams[i] as ExpectedStream, revision));
  return { kind: 'done', revisions: lastRevisions, position: Math.max(...positions) };
};

const write = (group: GroupWriter, { streams, records }: MultiAppend): MultiOutcome => {
  const revivals = revivalsOf(group, streams, new Set(records.map(({ stream }) => stream)));
  const revisions = streams.map(() => -1);
  let position = 0;
  for (const { stream, event } of records) {
    const { streamName, nameBytes } = streams[stream] as ExpectedStream;
    const revision = group.lastRevision(streamName) + 1;
    position = group.write(streamName, nameBytes, event, revision);
    revisions[stream] = revision;
  }
  for (const revive of revivals) revive();
  return { kind: 'done', revisions, position };
};

/** One for each soft-deleted stream, even if both it and its metadata are written. */
const revivalsOf = (
  group: GroupWriter,
  streams: readonly ExpectedStream[],
  written: ReadonlySet<number>,
): readonly (() => void)[] => {
  const revivals = new Map<string, () => void>();
  for (const stream of written) {
    const revival = group.revival((streams[stream] as ExpectedStream).streamName);
    if (revival) revivals.set(revival.target, revival.revive);
  }
  return [...revivals.values()];
};

/** Of an event that was written before; -1 for none. */
const positionOf = ({ index }: EventStore, { streamName }: ExpectedStream, revision: number): number => {
  const stream = index.find(streamName);
  return stream === undefined || revision < 0 ? -1 : index.positions.get(index.ordinal(stream, revision));
};
