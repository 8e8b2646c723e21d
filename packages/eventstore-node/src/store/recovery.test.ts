import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { EventIndex } from '../index/event-index.ts';
import type { Expected } from './append-rules.ts';
import { Committer } from './committer.ts';
import { openDataFolder } from './data-folder.ts';
import { EventStore } from './event-store.ts';
import type { Outcome, StreamChange } from './operations.ts';
import { nodeEvent } from './proposed-event.ts';

const step = fc.record({
  kind: fc.constantFrom<StreamChange['kind'] | 'metadata' | 'save'>(
    'append',
    'append',
    'append',
    'delete',
    'tombstone',
    'metadata',
    'save',
  ),
  stream: fc.constantFrom('a', 'b', 'c', 'd'),
  expected: fc.oneof(
    fc.constantFrom<Expected>('any', 'any', 'no_stream', 'stream_exists'),
    fc.bigInt({ min: 0n, max: 6n }),
  ),
  events: fc.nat(3),
});

const shapeOf = (index: EventIndex) => ({
  positions: Array.from({ length: index.visible }, (_, ordinal) => index.positions.get(ordinal)),
  streams: [...index.streams()]
    .filter(({ ordinals }) => ordinals.length > 0)
    .map(({ name, ordinals, tombstoned }) => ({ name, ordinals: [...ordinals], tombstoned }))
    .toSorted((x, y) => x.name.localeCompare(y.name)),
});

it('an index rebuilt from snapshot and log equals the original, and every event is where it says', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const path = mkdtempSync(join(tmpdir(), 'eventstore-node-'));
      const folder = await openDataFolder(path);
      const store = new EventStore(folder.log, folder.index);
      const committer = new Committer(store, () => 1_700_000_000_000);
      for (const { kind, stream, expected, events } of steps) {
        if (kind === 'save') await folder.saveIndex();
        else if (kind === 'metadata') await submit(committer, 'append', `$$${stream}`, 'any', [metadataEvent()]);
        else await submit(committer, kind, stream, expected, Array.from({ length: events }, plainEvent));
      }
      await committer.stop();
      const grown = shapeOf(folder.index);
      await folder.close();

      const again = await openDataFolder(path);
      expect(shapeOf(again.index)).toEqual(grown);
      const reopened = new EventStore(again.log, again.index);
      for (const { name, ordinals, tombstoned } of grown.streams) {
        const records = ordinals.map((ordinal) => reopened.record(ordinal));
        expect(records.every((record) => record.streamName === name)).toBe(true);
        const revisions = ordinals.map((_, i) => (tombstoned && i === ordinals.length - 1 ? 2 ** 63 : i));
        expect(records.map(({ revision }) => revision)).toEqual(revisions);
      }
      await again.close();
      rmSync(path, { recursive: true });
    }),
    { numRuns: 40 },
  );
});

const plainEvent = () => nodeEvent('T', Buffer.from('{}'), true);
const metadataEvent = () => nodeEvent('$metadata', Buffer.from('{"$maxCount":2}'), true);

const submit = (
  committer: Committer,
  kind: StreamChange['kind'],
  streamName: string,
  expected: Expected,
  events: StreamChange['events'],
): Promise<Outcome> => {
  const nameBytes = Buffer.from(streamName);
  return new Promise((settle) =>
    committer.submit({
      kind,
      streamName,
      nameBytes,
      expected,
      events,
      bytes: 100,
      deadlineMs: Number.POSITIVE_INFINITY,
      settle,
    }),
  );
};
