import { describe, expect, it, onTestFinished } from 'vitest';
import { EventIndex } from '../index/event-index.ts';
import { MemoryLog } from '../storage/memory-log.ts';
import { Committer } from '../store/committer.ts';
import { EventStore } from '../store/event-store.ts';
import { nodeEvent } from '../store/proposed-event.ts';
import { NodeWrites } from './node-writes.ts';
import { AllSource, type GroupSource, StreamSource } from './sources.ts';

const storeWith = async (count: number, bytes: number): Promise<EventStore> => {
  const store = new EventStore(new MemoryLog(), new EventIndex());
  const committer = new Committer(store, Date.now);
  onTestFinished(() => committer.stop());
  const writes = new NodeWrites(committer);
  for (let n = 0; n < count; n++) await writes.append('s', nodeEvent('T', Buffer.alloc(bytes), false));
  return store;
};

const SOURCES: readonly [string, (store: EventStore) => GroupSource][] = [
  ['$all', (store) => new AllSource(store, 0, undefined)],
  ['a stream', (store) => new StreamSource(store, 's', -1, Date.now)],
];

describe.each(SOURCES)('a cursor over %s', (_, open) => {
  it('returns to an event that could not be taken', async () => {
    const source = open(await storeWith(3, 10));
    const taken: number[] = [];
    const read = (failAt: number) =>
      source.read(10, true, {
        add: (_record, _place, ordinal) => {
          if (ordinal === failAt) throw new Error('not now');
          taken.push(ordinal);
        },
        passOver: () => {},
      });
    expect(() => read(1)).toThrow('not now');
    read(-1);
    expect(taken).toEqual([0, 1, 2]);
  });
});

it('large events that are filtered out are examined a few MB at a time', async () => {
  const store = await storeWith(10, 1024 * 1024);
  const source = new AllSource(store, 0, () => false);
  let passed = 0;
  const read = () => source.read(10, true, { add: () => {}, passOver: () => passed++ });
  read();
  expect(passed).toBe(4);
  while (source.hasMore) read();
  expect(passed).toBe(10);
});
