import {
  copyFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { EventIndex } from '../index/event-index.ts';
import { writeSnapshot } from '../index/snapshot.ts';
import { GROUP_HEADER } from '../storage/group.ts';
import { DamagedLog } from '../storage/log.ts';
import { SegmentLog } from '../storage/segment-log.ts';
import { Committer } from './committer.ts';
import { openDataFolder } from './data-folder.ts';
import { EventStore } from './event-store.ts';
import type { Outcome, StreamChange } from './operations.ts';
import { nodeEvent } from './proposed-event.ts';
import { verifyDataFolder } from './verify.ts';

/** A log of several small files: a file is closed at this size. */
const SEGMENT_SIZE = 1_500;

type Stored = {
  readonly position: number;
  readonly size: number;
  readonly stream: string;
  readonly id: string;
};

let pristine: string;
let stored: Stored[];

beforeAll(async () => {
  pristine = mkdtempSync(join(tmpdir(), 'eventstore-verify-'));
  await (await openDataFolder(pristine)).close();
  const log = SegmentLog.open(pristine, SEGMENT_SIZE);
  const index = new EventIndex();
  const store = new EventStore(log, index);
  const committer = new Committer(store, () => 1_700_000_000_000);
  for (let n = 0; n < 16; n++) await append(committer, `order-${n % 3}`, 1 + (n % 3));
  await append(committer, '$$order-1', 1, '{"$maxCount":5}');
  await submit(committer, { kind: 'tombstone', streamName: 'order-2', events: [] });
  await append(committer, 'order-0', 2);
  await committer.stop();
  stored = Array.from({ length: index.visible }, (_, ordinal) => {
    const { position, size, streamName, id } = store.record(ordinal);
    return { position, size, stream: streamName, id };
  });
  await writeSnapshot(pristine, index, log.end);
  await log.close();
});
afterAll(() => rmSync(pristine, { recursive: true }));

const append = (committer: Committer, streamName: string, count: number, data = '{"amount":12}'): Promise<Outcome> => {
  const events = Array.from({ length: count }, () => nodeEvent('OrderPlaced', Buffer.from(data), true));
  return submit(committer, { kind: 'append', streamName, events });
};

const submit = (
  committer: Committer,
  operation: Pick<StreamChange, 'kind' | 'streamName' | 'events'>,
): Promise<Outcome> => {
  const nameBytes = Buffer.from(operation.streamName);
  const more = { nameBytes, expected: 'any', bytes: 500, deadlineMs: Number.POSITIVE_INFINITY } as const;
  return new Promise((settle) => committer.submit({ ...operation, ...more, settle }));
};

/** A copy of the folder, with or without its index snapshot. */
const copyOf = (folder: string, snapshot: 'with' | 'without'): string => {
  const copy = mkdtempSync(join(tmpdir(), 'eventstore-verify-'));
  cpSync(folder, copy, { recursive: true });
  if (snapshot === 'without') unlinkSync(join(copy, 'index.snapshot'));
  return copy;
};

const damagedCopy = (snapshot: 'with' | 'without', damage: (segments: string[]) => void): string => {
  const folder = copyOf(pristine, snapshot);
  onTestFinished(() => rmSync(folder, { recursive: true }));
  damage(segmentsOf(folder));
  return folder;
};

const segmentsOf = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.startsWith('segment-'))
    .toSorted()
    .map((name) => join(folder, name));

const flip = (path: string, at: number, mask = 0x10): void => {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] as number) ^ mask;
  writeFileSync(path, bytes);
};

const contentsOf = (folder: string) =>
  readdirSync(folder).map((name) => [name, readFileSync(join(folder, name)), statSync(join(folder, name)).mtimeMs]);

/** What a node that starts on the folder would serve; undefined for an event it refuses to; a string if it does not start. */
const served = async (folder: string): Promise<(string | undefined)[] | 'refused'> => {
  let opened: Awaited<ReturnType<typeof openDataFolder>>;
  try {
    opened = await openDataFolder(folder);
  } catch (error) {
    expect(error).toBeInstanceOf(DamagedLog);
    return 'refused';
  }
  const store = new EventStore(opened.log, opened.index);
  const ids = Array.from({ length: opened.index.visible }, (_, ordinal) => {
    try {
      return store.record(ordinal).id;
    } catch (error) {
      expect(error).toBeInstanceOf(DamagedLog);
      return undefined;
    }
  });
  await opened.close();
  return ids;
};

describe('a folder that is intact', () => {
  it('is reported as intact, with counts, and left unchanged', async () => {
    const before = contentsOf(pristine);
    const progress: number[] = [];
    const found = await verifyDataFolder(pristine, (done, all) => progress.push(done / all));
    const segments = segmentsOf(pristine);
    expect(segments.length).toBeGreaterThan(4);
    expect(found).toMatchObject({
      segments: segments.length,
      bytes: segments.reduce((sum, path) => sum + statSync(path).size, 0),
      groups: 19,
      events: stored.length,
      streams: 4,
      tombstones: 1,
      unreadableMetadata: 0,
      snapshot: 'agrees',
      tornTail: undefined,
      problems: [],
      lostEvents: [],
    });
    expect(progress.at(-1)).toBe(1);
    expect(contentsOf(pristine)).toEqual(before);
  });

  it('needs no snapshot to be verified', async () => {
    const folder = damagedCopy('without', () => {});
    expect(await verifyDataFolder(folder)).toMatchObject({ snapshot: 'none', problemCount: 0, events: stored.length });
  });

  it('is not examined while a node uses it', async () => {
    const folder = copyOf(pristine, 'with');
    const opened = await openDataFolder(folder);
    await expect(verifyDataFolder(folder)).rejects.toThrow(`in use by process ${process.pid}`);
    await opened.close();
    rmSync(folder, { recursive: true });
  });

  it('is told apart from a folder that holds no log', async () => {
    const empty = mkdtempSync(join(tmpdir(), 'eventstore-verify-'));
    await expect(verifyDataFolder(join(empty, 'none'))).rejects.toThrow('does not exist');
    await expect(verifyDataFolder(empty)).rejects.toThrow('holds no log');
    rmSync(empty, { recursive: true });
  });
});

describe('a flipped byte', () => {
  /** Bytes 28 to 31 of a group header are not used. */
  const isUnused = (bytes: Buffer, at: number): boolean => {
    for (let back = 28; back < GROUP_HEADER; back++) {
      if (at >= back && bytes.toString('latin1', at - back, at - back + 8) === 'BTNGRP01') return true;
    }
    return false;
  };

  it('anywhere in the log is reported, and no node serves the damaged event', async () => {
    const segments = segmentsOf(pristine);
    const sizes = segments.map((path) => statSync(path).size);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(total - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.constantFrom('with' as const, 'without' as const),
        async (position, mask, snapshot) => {
          const folder = copyOf(pristine, snapshot);
          const which = sizes.findIndex(
            (_, i) => position < sizes.slice(0, i + 1).reduce((sum, size) => sum + size, 0),
          );
          const path = segmentsOf(folder)[which] as string;
          const at = position - sizes.slice(0, which).reduce((sum, size) => sum + size, 0);
          const unused = isUnused(readFileSync(path), at);
          flip(path, at, mask);

          const found = await verifyDataFolder(folder);
          if (unused) expect(found.problemCount).toBe(0);
          else if (found.tornTail === undefined) {
            const [first] = found.problems;
            expect(first?.position).toBeLessThanOrEqual(position);
            expect((first?.position ?? 0) + (first?.bytes ?? 0)).toBeGreaterThan(position);
            expect(path.endsWith(first?.file ?? '?')).toBe(true);
          } else {
            expect(found.tornTail.position).toBeLessThanOrEqual(position);
            expect([snapshot, which]).toEqual(['without', segments.length - 1]);
          }

          const ids = await served(folder);
          if (found.problemCount > 0 && snapshot === 'without') expect(ids).toBe('refused');
          if (ids !== 'refused') {
            const hit = stored.findLastIndex(
              (event) => event.position <= position && position < event.position + event.size,
            );
            const good = stored.map(({ id }, ordinal) => (ordinal === hit ? undefined : id));
            expect(ids).toEqual(found.tornTail === undefined ? good : good.slice(0, ids.length));
          }
          rmSync(folder, { recursive: true });
        },
      ),
      { numRuns: 80 },
    );
  }, 60_000);

  it('is reported with the event it hit if the snapshot knows it, and with the events around it', async () => {
    const hit = stored[7] as Stored;
    const folder = damagedCopy('with', (segments) => {
      const path = segments.findLast((name) => baseOf(name) <= hit.position) as string;
      flip(path, hit.position - baseOf(path) + 60);
    });
    const found = await verifyDataFolder(folder);
    expect(found.problems[0]).toMatchObject({ position: hit.position, message: 'the record is damaged' });
    expect(found.lostEvents).toEqual([{ stream: hit.stream, revision: expect.any(Number), position: hit.position }]);
    expect(found.events).toBe(stored.length - 1);
    expect(found.snapshot).toBe('agrees');
    expect(found.problems.slice(1).map(({ message }) => message)).toEqual([
      `revision ${found.lostEvents[0]?.revision} is missing`,
    ]);
  });
});

const baseOf = (path: string): number => Number(/segment-(\d+)\.log$/.exec(path)?.[1]);

describe('a log that was truncated', () => {
  it('at any byte of its last file is reported as torn, or as lacking what the snapshot knows', async () => {
    const last = segmentsOf(pristine).at(-1) as string;
    const size = statSync(last).size;
    for (let length = 0; length < size; length += 29) {
      for (const snapshot of ['with', 'without'] as const) {
        const folder = copyOf(pristine, snapshot);
        truncateSync(segmentsOf(folder).at(-1) as string, length);
        const found = await verifyDataFolder(folder);
        const ids = await served(folder);
        if (snapshot === 'with') {
          expect(found.problems.at(-1)).toMatchObject({ message: 'the log ends here, but more of it was durable' });
          expect(found.lostEvents.length).toBe(stored.length - found.events);
          expect(ids).toBe('refused');
        } else {
          expect(found.problems).toEqual([]);
          expect(ids).toEqual(stored.slice(0, found.events).map(({ id }) => id));
        }
        rmSync(folder, { recursive: true });
      }
    }
  }, 60_000);

  it('at the end of an earlier file is reported as damaged there', async () => {
    const folder = damagedCopy('without', ([first]) =>
      truncateSync(first as string, statSync(first as string).size - 5),
    );
    const found = await verifyDataFolder(folder);
    expect(found.problems.map(({ message }) => message)).toContain('no file contains the log from here on');
    expect(await served(folder)).toBe('refused');
  });

  it('and continues with zeros is intact, because a node preallocates space', async () => {
    const folder = damagedCopy('without', (segments) =>
      writeFileSync(segments.at(-1) as string, Buffer.alloc(4_096), { flag: 'a' }),
    );
    expect(await verifyDataFolder(folder)).toMatchObject({ problemCount: 0, tornTail: undefined });
    expect(await served(folder)).toHaveLength(stored.length);
  });

  it('within an interrupted write, with preallocated space behind it, is reported with the length of that write', async () => {
    const folder = damagedCopy('without', (segments) =>
      writeFileSync(segments.at(-1) as string, Buffer.concat([Buffer.from('BTNGRP01 torn'), Buffer.alloc(4_096)]), {
        flag: 'a',
      }),
    );
    expect(await verifyDataFolder(folder)).toMatchObject({ problemCount: 0, tornTail: { bytes: 13 } });
    expect(await served(folder)).toHaveLength(stored.length);
  });
});

describe('the files of a log', () => {
  it.each([
    ['the first', 0],
    ['one in the middle', 2],
  ])('that lack %s are reported', async (_, missing) => {
    for (const snapshot of ['with', 'without'] as const) {
      const base = baseOf(segmentsOf(pristine)[missing] as string);
      const folder = damagedCopy(snapshot, (segments) => unlinkSync(segments[missing] as string));
      const found = await verifyDataFolder(folder);
      expect(found.problems).toContainEqual(
        expect.objectContaining({ position: base, file: undefined, message: 'no file contains the log from here on' }),
      );
      if (snapshot === 'with') expect(found.events + found.lostEvents.length).toBe(stored.length);
      expect(await served(folder)).toBe('refused');
    }
  });

  it.each(['with', 'without'] as const)(
    'that lack the last one are reported only with a snapshot (%s)',
    async (snapshot) => {
      const folder = damagedCopy(snapshot, (segments) => unlinkSync(segments.at(-1) as string));
      // Without a snapshot nothing says that there was more.
      expect((await verifyDataFolder(folder)).problemCount).toBe(snapshot === 'with' ? 1 : 0);
    },
  );

  it('that are all missing are noticed by the snapshot', async () => {
    const folder = damagedCopy('with', (segments) => {
      for (const path of segments) unlinkSync(path);
    });
    const found = await verifyDataFolder(folder);
    expect([found.problemCount, found.events, found.lostEvents.length]).toEqual([1, 0, stored.length]);
  });

  it('that have changed places are reported', async () => {
    for (const [a, b] of [
      [0, 1],
      [-2, -1],
    ] as const) {
      const folder = damagedCopy('without', (segments) => {
        const [one, other] = [segments.at(a) as string, segments.at(b) as string];
        renameSync(one, `${one}.tmp`);
        renameSync(other, one);
        renameSync(`${one}.tmp`, other);
      });
      const found = await verifyDataFolder(folder);
      expect(found.problems.some(({ message }) => /a group of position \d+ is here/.test(message))).toBe(true);
      const before = contentsOf(folder);
      expect(await served(folder)).toBe('refused');
      expect(contentsOf(folder).map(([name, bytes]) => [name, bytes])).toEqual(
        before.map(([name, bytes]) => [name, bytes]),
      );
    }
  });

  it('that exist twice, under another name, are reported', async () => {
    const folder = damagedCopy('without', (segments) => {
      const second = segments[1] as string;
      copyFileSync(second, second.replace(/\d{16}/, String(baseOf(second) + 64).padStart(16, '0')));
    });
    const found = await verifyDataFolder(folder);
    expect(found.problems).toContainEqual(
      expect.objectContaining({
        message: expect.stringMatching(/another file already contains the log up to position \d+/),
      }),
    );
    expect(await served(folder)).toBe('refused');
  });
});

describe('an index snapshot', () => {
  it('that cannot be read does not count as damage', async () => {
    const folder = damagedCopy('with', () => {});
    flip(join(folder, 'index.snapshot'), 40);
    expect(await verifyDataFolder(folder)).toMatchObject({ snapshot: 'unreadable', problemCount: 0 });
  });

  it('of another log is reported', async () => {
    const folder = damagedCopy('without', () => {});
    const index = new EventIndex();
    for (const { position, stream } of stored)
      index.add(index.intern(position === 32 ? 'order-9' : stream), position, false);
    await writeSnapshot(folder, index, (stored.at(-1) as Stored).position);
    const found = await verifyDataFolder(folder);
    expect(found.snapshot).toBe('disagrees');
    expect(found.problems).toEqual([expect.objectContaining({ position: 32 })]);
  });
});

describe('a damaged last group of a file, with an empty file behind it', () => {
  it('was durable, so it is reported and the node refuses to start', async () => {
    const folder = damagedCopy('without', (segments) => {
      const last = segments.at(-1) as string;
      const size = statSync(last).size;
      writeFileSync(last.replace(/\d{16}/, String(baseOf(last) + size).padStart(16, '0')), '');
      flip(last, size - 3);
    });
    expect(await verifyDataFolder(folder)).toMatchObject({ problemCount: 1, tornTail: undefined });
    expect(await served(folder)).toBe('refused');
  });
});
