import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FlakyLog } from '../../test/flaky-log.ts';
import { EventIndex } from '../index/event-index.ts';
import { type Log, LogFailure } from '../storage/log.ts';
import { MemoryLog } from '../storage/memory-log.ts';
import { SegmentLog } from '../storage/segment-log.ts';
import type { Expected } from './append-rules.ts';
import { Committer } from './committer.ts';
import { openDataFolder } from './data-folder.ts';
import { EventStore } from './event-store.ts';
import type { ExpectedState, MultiOutcome, Outcome, StreamChange } from './operations.ts';
import { nodeEvent } from './proposed-event.ts';
import { recover } from './recovery.ts';
import { verifyDataFolder } from './verify.ts';

const NOW = 1_700_000_000_000;

const build = (log: Log, index = new EventIndex(), now = () => NOW) => {
  const store = new EventStore(log, index);
  const committer = new Committer(store, now);
  onTestFinished(() => committer.stop());
  const submit = (streamName: string, expected: Expected, count: number, kind: StreamChange['kind'] = 'append') =>
    new Promise<Outcome>((settle) =>
      committer.submit({
        kind,
        streamName,
        nameBytes: Buffer.from(streamName),
        expected,
        events: Array.from({ length: count }, (_, n) => nodeEvent('T', Buffer.from(`{"n":${n}}`), true)),
        bytes: 100 * count,
        deadlineMs: Number.POSITIVE_INFINITY,
        settle,
      }),
    );
  /** One event for each name, in this order. */
  const submitAll = (names: readonly string[], expected: ExpectedState = 'any') => {
    const streams = [...new Set(names)].map((streamName) => ({
      streamName,
      nameBytes: Buffer.from(streamName),
      expected,
    }));
    const records = names.map((name) => ({
      stream: streams.findIndex(({ streamName }) => streamName === name),
      event: nodeEvent('T', Buffer.from('{}'), true),
    }));
    const { promise, resolve: settle } = withResolvers<MultiOutcome>();
    committer.submit({
      kind: 'multiAppend',
      streams,
      records,
      bytes: 100,
      deadlineMs: Number.POSITIVE_INFINITY,
      settle,
    });
    return promise;
  };
  return { store, committer, submit, submitAll };
};

const withResolvers = <T>() => {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
};

describe('a group that cannot be written', () => {
  it('fails all its appends and leaves nothing behind, and the next may succeed', async () => {
    const log = new FlakyLog();
    const { store, submit } = build(log);
    await submit('a', 'no_stream', 2);
    await submit('$$a', 'any', 1);
    log.failure = new LogFailure('full', 'disk full: no space');
    const failed = await Promise.all([
      submit('a', 1n, 3),
      submit('b', 'no_stream', 1),
      submit('b', 5n, 1),
      submit('c', 'any', 0, 'tombstone'),
    ]);

    expect(failed).toEqual(Array(4).fill({ kind: 'failed', cause: 'full', message: 'disk full: no space' }));
    expect(store.index.count).toBe(3);
    expect(store.isTombstoned('c')).toBe(false);
    expect(store.readableRange('b')).toBeUndefined();
    log.failure = undefined;
    expect(await submit('a', 1n, 1)).toMatchObject({ kind: 'done', revision: 2 });
    expect(await submit('b', 'no_stream', 1)).toMatchObject({ kind: 'done', revision: 0 });
    expect(await submit('c', 'no_stream', 1)).toMatchObject({ kind: 'done', revision: 0 });
    expect(store.record(3).revision).toBe(2);
  });
});

describe('an append to several streams', () => {
  it('counts what was decided before it in the same group, and is counted by what comes after', async () => {
    const { store, submit, submitAll } = build(new FlakyLog());
    const outcomes = await Promise.all([
      submit('a', 'no_stream', 2),
      submitAll(['a', 'b', 'a']),
      submitAll(['c', 'a'], 'no_stream'),
      submit('b', 0n, 1),
    ]);
    expect(outcomes).toMatchObject([
      { kind: 'done', revision: 1 },
      { kind: 'done', revisions: [3, 0] },
      { kind: 'violated', violations: [{ stream: 1, lastRevision: 3, state: 'present' }] },
      { kind: 'done', revision: 1 },
    ]);
    expect(store.index.find('c')).toBeUndefined();
  });

  it('leaves nothing behind when its group cannot be written', async () => {
    const log = new FlakyLog();
    const { store, submit, submitAll } = build(log);
    await submit('a', 'no_stream', 1);
    await submit('a', 'any', 0, 'delete');
    log.failure = new LogFailure('full', 'disk full: no space');
    expect(await submitAll(['a', 'b', 'a'])).toEqual({ kind: 'failed', cause: 'full', message: 'disk full: no space' });
    expect([store.index.count, store.metadata('a').softDeleted]).toEqual([2, true]);
    log.failure = undefined;
    expect(await submitAll(['b', 'a'])).toMatchObject({ kind: 'done', revisions: [0, 1] });
    expect(store.metadata('a')).toMatchObject({ softDeleted: false, truncateBefore: 1 });
  });

  it.each([
    ['the stream', ['a'], { $tb: 2 }],
    ['its metadata', ['$$a'], { $tb: 2 }],
    ['both', ['a', '$$a'], { $tb: 2 }],
    ['both, metadata first', ['$$a', 'a', '$$a'], { $tb: 2 }],
  ])('brings a deleted stream back once: %s', async (_, names, metadata) => {
    const { store, submit, submitAll } = build(new FlakyLog());
    await submit('a', 'no_stream', 2);
    await submit('a', 'any', 0, 'delete');
    const before = store.index.count;
    await submitAll(names);
    expect(store.index.count).toBe(before + names.length + 1);
    const newest = store.record(store.index.count - 1);
    expect([newest.streamName, JSON.parse(newest.data.toString())]).toEqual(['$$a', metadata]);
  });
});

describe('a group that is being flushed', () => {
  it('is invisible to readers until it is durable, but counts for later decisions', async () => {
    const log = new FlakyLog();
    const { store, submit } = build(log);
    await submit('a', 'no_stream', 1);
    let open = () => {};
    log.gate = new Promise((resolve) => {
      open = resolve;
    });
    const first = submit('a', 0n, 2);
    const sameGroup = submit('a', 2n, 1);
    const loser = submit('a', 0n, 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(store.readableRange('a')).toMatchObject({ last: 0 });
    expect(store.index.visible).toBe(1);
    open();
    expect(await first).toMatchObject({ revision: 2 });
    expect(await sameGroup).toMatchObject({ revision: 3 });
    expect(await loser).toEqual({ kind: 'wrongExpectedVersion', current: 3 });
    expect(store.readableRange('a')).toMatchObject({ last: 3 });
  });

  it('lets nobody wait beyond the deadline, even if the flush hangs', async () => {
    const log = new FlakyLog();
    let now = NOW;
    const { committer } = build(log, new EventIndex(), () => now);
    let open = () => {};
    log.gate = new Promise((resolve) => {
      open = resolve;
    });
    const outcomes: Outcome[] = [];
    const submit = (deadlineMs: number) =>
      committer.submit({
        kind: 'append',
        streamName: 'a',
        nameBytes: Buffer.from('a'),
        expected: 'any',
        events: [nodeEvent('T', Buffer.from('{}'), true)],
        bytes: 100,
        deadlineMs,
        settle: (outcome) => outcomes.push(outcome),
      });
    submit(NOW + 1_000);
    submit(NOW - 1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    submit(NOW + 1_000);
    submit(NOW + 10_000);
    now += 2_000;
    await expect.poll(() => outcomes).toEqual(Array(3).fill({ kind: 'timedOut' }));
    open();
    await committer.stop();
    expect(outcomes.slice(3)).toMatchObject([{ kind: 'done', revision: 1 }]);
  });
});

describe('stopping', () => {
  it('commits appends that have arrived and refuses later ones', async () => {
    const { committer, submit } = build(new MemoryLog());
    const before = submit('a', 'any', 1);
    const stopped = committer.stop();
    expect(await submit('a', 'any', 1)).toMatchObject({ kind: 'failed', cause: 'stopping' });
    expect(await before).toMatchObject({ kind: 'done' });
    await stopped;
  });
});

describe('a log that was not closed', () => {
  it('continues after its last group, and has no preallocated space once it is closed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'eventstore-node-'));
    const killed = `${folder}-killed`;
    onTestFinished(() => {
      for (const path of [folder, killed]) rmSync(path, { recursive: true });
    });
    const opened = await openDataFolder(folder);
    await build(opened.log, opened.index).submit('s', 'any', 1);
    const { end } = opened.log;
    cpSync(folder, killed, { recursive: true });
    await opened.close();
    expect([sizeOf(folder), sizeOf(killed) > end]).toEqual([end, true]);

    const again = await openDataFolder(killed);
    expect([again.log.end, again.index.visible]).toEqual([end, 1]);
    await build(again.log, again.index).submit('s', 'any', 1);
    const newEnd = again.log.end;
    await again.close();
    expect(sizeOf(killed)).toBe(newEnd);
  });
});

const sizeOf = (folder: string): number =>
  readdirSync(folder)
    .filter((name) => name.startsWith('segment-'))
    .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);

describe('a log cut at any byte', () => {
  it('contains exactly the groups before the cut', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'eventstore-node-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const opened = await openDataFolder(folder);
    const { submit } = build(opened.log, opened.index);
    const ends = [0];
    for (let n = 0; n < 4; n++) {
      await submit(`s-${n % 2}`, 'any', n + 1);
      ends.push(opened.log.end);
    }
    await opened.close();
    const path = join(folder, readdirSync(folder).find((name) => name.startsWith('segment-')) as string);
    const whole = readFileSync(path);
    for (let cut = whole.length - 1; cut >= 0; cut -= 13) {
      writeFileSync(path, whole);
      truncateSync(path, cut);
      const again = await openDataFolder(folder);
      const groups = ends.findLastIndex((end) => end <= cut);
      expect(again.log.end).toBe(ends[groups]);
      expect(again.index.visible).toBe((groups * (groups + 1)) / 2);
      await again.close();
    }
  }, 30_000);

  it('has an append to several streams as a whole or not at all', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'eventstore-node-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const opened = await openDataFolder(folder);
    const { submit, submitAll } = build(opened.log, opened.index);
    await submit('a', 'any', 1);
    const { end } = opened.log;
    await submitAll(['a', 'b', 'c']);
    await opened.close();
    const path = join(folder, readdirSync(folder).find((name) => name.startsWith('segment-')) as string);
    const whole = readFileSync(path);
    const lastRevisions = async (bytes: number) => {
      writeFileSync(path, whole.subarray(0, bytes));
      const [log, index] = [SegmentLog.open(folder), new EventIndex()];
      recover(log, index, 0);
      await log.close();
      return ['a', 'b', 'c'].map((name) => index.lastRevision(index.find(name) ?? index.intern(name)));
    };
    const NOTHING = [0, -1, -1];
    for (let cut = end; cut < whole.length; cut += 7) expect(await lastRevisions(cut)).toEqual(NOTHING);
    expect(await lastRevisions(whole.length - 1)).toEqual(NOTHING);
    expect(await verifyDataFolder(folder)).toMatchObject({ problems: [], events: 1, tornTail: undefined });
    expect(await lastRevisions(whole.length)).toEqual([1, 0, 0]);
    expect(await verifyDataFolder(folder)).toMatchObject({ problems: [], events: 4, streams: 3 });
  }, 60_000);
});
