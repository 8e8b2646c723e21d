import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FlakyLog } from '../../test/flaky-log.ts';
import { EventIndex } from '../index/event-index.ts';
import { type Log, LogFailure } from '../storage/log.ts';
import { MemoryLog } from '../storage/memory-log.ts';
import type { Expected } from './append-rules.ts';
import { Committer } from './committer.ts';
import { openDataFolder } from './data-folder.ts';
import { nodeEvent } from './decide-operation.ts';
import { EventStore } from './event-store.ts';
import type { Operation, Outcome } from './operations.ts';

const NOW = 1_700_000_000_000;

const build = (log: Log, index = new EventIndex(), now = () => NOW) => {
  const store = new EventStore(log, index);
  const committer = new Committer(store, now);
  onTestFinished(() => committer.stop());
  const submit = (streamName: string, expected: Expected, count: number, kind: Operation['kind'] = 'append') =>
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
  return { store, committer, submit };
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
});
