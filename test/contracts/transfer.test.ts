import { randomBytes, randomUUID } from 'node:crypto';
import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { binaryEvent, type EventStoreDBClient, FORWARDS, jsonEvent, START } from '@eventstore/db-client';
import { startEventStoreNode } from 'baton-eventstore-node';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  collect,
  connect,
  event,
  events,
  startNode,
  temporaryFolder,
} from '../../packages/eventstore-node/test/support.ts';
import { exportStreams } from '../../src/eventstore/transfer/export-streams.ts';
import { importStreams } from '../../src/eventstore/transfer/import-streams.ts';
import { readAllRaw } from '../../src/eventstore/transfer/raw-read.ts';
import { runHere, startCli } from '../support/cli-process.ts';

const EVERYTHING = { streams: [], includeSystem: false };
const NOW = '2026-01-31T12:00:00.000Z';

const exported = async (client: EventStoreDBClient, file: string, selection = EVERYTHING as Selection) =>
  exportStreams(client, { file, selection, now: NOW });

type Selection = Parameters<typeof exportStreams>[1]['selection'];

const newFile = async () => join(await temporaryFolder(), 'export.ndjson');

const linesOf = (file: string) =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** All that readers can tell of the user's streams, in log order. */
async function contentOf(client: EventStoreDBClient) {
  const all = await collect(readAllRaw(client, undefined));
  return all
    .filter(({ stream }) => !stream.startsWith('$'))
    .map(({ stream, revision, id, type, isJson, data, metadata }) => ({
      stream,
      revision,
      id,
      type,
      isJson,
      data: Buffer.from(data).toString('base64'),
      metadata: Buffer.from(metadata).toString('base64'),
    }));
}

const WHOLE = { problems: [], renumbered: [], tornLine: false, complete: true };

/** Streams of every kind, interleaved. */
async function fill(client: EventStoreDBClient): Promise<void> {
  for (let n = 0; n < 4; n++) {
    await client.appendToStream('order-1', events(3, n));
    await client.appendToStream('Bestellung ü/日本 🚀', event(n));
    await client.appendToStream('raw', binaryEvent({ type: 'Bytes', data: randomBytes(50), metadata: randomBytes(5) }));
  }
  await client.appendToStream('large', jsonEvent({ type: 'Large', data: { text: 'x'.repeat(900_000) } }));
  await client.appendToStream('large', binaryEvent({ type: 'Large', data: randomBytes(1_000_000) }));
  await client.appendToStream('empty', binaryEvent({ type: 'Nothing', data: new Uint8Array(0) }));
  await client.setStreamMetadata('order-1', { maxCount: 5, acl: { readRoles: ['clerk'], writeRoles: ['$admins'] } });
  await client.setStreamMetadata('order-1', { maxCount: 6, acl: { readRoles: ['clerk'] }, custom: 'kept' });
  await client.appendToStream('truncated', events(10));
  await client.setStreamMetadata('truncated', { truncateBefore: 7 });
  await client.appendToStream('deleted', events(3));
  await client.deleteStream('deleted');
  await client.appendToStream('reborn', events(3));
  await client.deleteStream('reborn');
  await client.appendToStream('reborn', events(2));
  await client.appendToStream('gone', events(3));
  await client.tombstoneStream('gone');
  await client.setStreamMetadata('only-metadata', { maxAge: 60 });
}

async function readersView(client: EventStoreDBClient) {
  const names = ['order-1', 'Bestellung ü/日本 🚀', 'raw', 'large', 'truncated', 'deleted', 'reborn', 'gone', 'empty'];
  const view: Record<string, unknown> = {};
  for (const name of [...names, 'only-metadata']) {
    const read = await collect(client.readStream(name, { direction: FORWARDS, fromRevision: START })).catch(
      ({ type }) => type,
    );
    const metadata = await client.getStreamMetadata(name).then(
      ({ metadata }) => metadata,
      ({ type }) => type,
    );
    view[name] = [metadata, Array.isArray(read) ? read.map(({ event }) => [event?.revision, event?.id]) : read];
  }
  return view;
}

describe('an export and its import', () => {
  it('create the same streams elsewhere, in the same order, and only once', async () => {
    const source = (await startNode()).client;
    await fill(source);
    const file = await newFile();
    const written = await exported(source, file);
    const before = await contentOf(source);
    expect(written).toMatchObject({ complete: true, resumedAt: undefined, bytes: statSync(file).size });

    const target = (await startNode()).client;
    const first = await importStreams(target, { file });
    const count = before.filter(({ type }) => type !== '$streamDeleted').length;
    expect(first).toEqual({
      ...WHOLE,
      events: count,
      written: count,
      present: 0,
      streams: 10,
      metadata: { written: 5, present: 0 },
      tombstones: { written: 1, present: 0 },
    });
    const view = await readersView(source);
    expect(await readersView(target)).toEqual(view);
    const after = await contentOf(target);
    const events = (content: typeof before) => content.filter(({ type }) => type !== '$streamDeleted');
    expect(events(after)).toEqual(events(before));
    expect(after.length).toBe(before.length);

    const second = await importStreams(target, { file });
    expect(second).toMatchObject({
      ...WHOLE,
      written: 0,
      present: count - 3, // of the tombstoned stream nothing can be asked any more
      metadata: { written: 0, present: 5 },
      tombstones: { written: 0, present: 1 },
    });
    expect(await contentOf(target)).toEqual(after);
    expect(await readersView(target)).toEqual(view);
  });

  it('keep every byte, even of JSON that JavaScript would write differently', async () => {
    const source = (await startNode()).client;
    const target = (await startNode()).client;
    await source.appendToStream('s', [jsonEvent({ type: 'Small', data: { a: 1 } })]);
    const file = await newFile();
    await exported(source, file);
    const [header, small] = linesOf(file);
    expect(header).toEqual({
      format: 'baton-eventstore-export',
      version: 1,
      exportedAt: NOW,
      streams: [],
      includeSystem: false,
    });
    expect(small).toMatchObject({ stream: 's', revision: '0', contentType: 'application/json', data: { a: 1 } });
    const odd = Buffer.from('{ "n": 12345678901234567890 , "n": 1.0 }');
    const line = { ...small, revision: '1', id: randomUUID(), data: undefined, dataBase64: odd.toString('base64') };
    appendFileSync(file, `${JSON.stringify(line)}\n`);
    await importStreams(target, { file });
    expect((await contentOf(target))[1]).toMatchObject({ isJson: true, data: odd.toString('base64') });
    const again = await newFile();
    await exported(target, again);
    expect(linesOf(again)[2]).toMatchObject({ dataBase64: odd.toString('base64'), contentType: 'application/json' });
  });

  it('cover only the chosen streams, each with its metadata', async () => {
    const source = (await startNode()).client;
    await fill(source);
    const streamsIn = (file: string) => [...new Set(linesOf(file).map(({ stream }) => stream))].filter(Boolean);
    const some = await newFile();
    await exported(source, some, { streams: ['order-*', 'rebor?', 'raw'], includeSystem: false });
    expect(streamsIn(some)).toEqual(['order-1', 'raw', '$$order-1']);
    const system = await newFile();
    await source.appendToStream('$mine', event(1));
    await exported(source, system, { streams: ['$*'], includeSystem: true });
    expect(streamsIn(system)).toEqual(['$mine']);
  });

  it('move 20,000 events in seconds', async () => {
    const source = (await startNode()).client;
    for (let n = 0; n < 40; n++)
      await Promise.all(Array.from({ length: 10 }, (_, s) => source.appendToStream(`s-${s}`, events(50, n * 50))));
    const file = await newFile();
    expect(await exported(source, file)).toMatchObject({ events: 20_000, streams: 10 });
    const target = (await startNode()).client;
    expect(await importStreams(target, { file })).toMatchObject({ ...WHOLE, written: 20_000, present: 0 });
    expect(await importStreams(target, { file })).toMatchObject({ ...WHOLE, written: 0, present: 20_000 });
    expect(await contentOf(target)).toEqual(await contentOf(source));
  }, 120_000);
});

describe('an export that is continued', () => {
  it('adds new events, and drops a torn line', async () => {
    const source = (await startNode()).client;
    await source.appendToStream('order-1', events(20));
    const file = await newFile();
    await exported(source, file);
    const whole = readFileSync(file);
    for (const cut of [1, 30, 200, whole.length - 50]) {
      writeFileSync(file, whole);
      truncateSync(file, whole.length - cut);
      await exported(source, file);
      expect(linesOf(file).slice(1)).toEqual(
        whole
          .toString()
          .trimEnd()
          .split('\n')
          .slice(1)
          .map((line) => JSON.parse(line)),
      );
    }
    await source.appendToStream('order-2', events(2));
    expect(await exported(source, file)).toMatchObject({ events: 2, streams: 1, resumedAt: expect.any(BigInt) });
    expect(await exported(source, file)).toMatchObject({ events: 0 });
    expect(linesOf(file)).toHaveLength(23);
  });

  it('records how far the log was read even if nothing at its end was chosen', async () => {
    const source = (await startNode()).client;
    await source.appendToStream('order-1', events(2));
    await source.appendToStream('other', events(2));
    const file = await newFile();
    const selection = { streams: ['order-*'], includeSystem: false };
    const { position } = await exported(source, file, selection);
    expect(linesOf(file).at(-1)).toEqual({ checkpoint: String(position) });
    await source.appendToStream('order-1', events(1));
    expect(await exported(source, file, selection)).toMatchObject({ events: 1, resumedAt: position });
    const target = (await startNode()).client;
    expect(await importStreams(target, { file })).toMatchObject({ ...WHOLE, written: 3 });
  });

  it('is refused for another file, other streams or another log', async () => {
    const source = (await startNode()).client;
    await source.appendToStream('order-1', events(2));
    const file = await newFile();
    await exported(source, file);
    await expect(exported(source, file, { streams: ['x'], includeSystem: false })).rejects.toThrow(
      'started with --all',
    );
    const other = (await startNode()).client;
    await other.appendToStream('order-1', events(3));
    await expect(exported(other, file)).rejects.toThrow('exported from another log');
    const orders = { streams: ['order-*'], includeSystem: false };
    const chosen = await newFile();
    await source.appendToStream('other', events(1));
    await exported(source, chosen, orders);
    expect(linesOf(chosen).at(-1)).toHaveProperty('checkpoint');
    await expect(exported((await startNode()).client, chosen, orders)).rejects.toThrow('this one ends at');
    await other.appendToStream('other', events(9));
    await expect(exported(other, chosen, orders)).rejects.toThrow('exported from another log');
    const letter = await newFile();
    writeFileSync(letter, 'Dear Sir or Madam,\n');
    await expect(exported(source, letter)).rejects.toThrow('is not an export');
    expect(readFileSync(letter, 'utf8')).toBe('Dear Sir or Madam,\n');
    await expect(importStreams(other, { file: letter })).rejects.toThrow('is not an export');
  });
});

describe('an import that meets', () => {
  it('other events reports the first of them and leaves that stream alone, before and after it', async () => {
    const source = (await startNode()).client;
    const target = (await startNode()).client;
    const mine = events(12);
    await source.appendToStream('same', mine);
    await source.appendToStream('fine', events(2));
    await source.appendToStream('same', events(3));
    await target.appendToStream('same', [...mine.slice(0, 5), ...events(2, 70)]);
    const before = await collect(target.readStream('same'));
    const file = await newFile();
    await exported(source, file);
    const imported = await importStreams(target, { file });
    expect(imported).toMatchObject({ written: 2, events: 17 });
    expect(imported.problems).toEqual([
      {
        kind: 'conflict',
        stream: 'same',
        revision: 5n,
        fileId: mine[5]?.id,
        targetId: before[5]?.event?.id,
        message: 'the target has another event there',
      },
    ]);
    expect(await collect(target.readStream('same'))).toEqual(before);
  });

  it('other metadata, more events before a tombstone, or a tombstone reports it', async () => {
    const source = (await startNode()).client;
    const target = (await startNode()).client;
    const [a, b, c] = [events(2), events(2), events(2)];
    await source.appendToStream('a', a);
    await source.setStreamMetadata('a', { maxCount: 5 });
    await source.appendToStream('b', b);
    await source.tombstoneStream('b');
    await source.appendToStream('c', c);
    await target.setStreamMetadata('a', { maxCount: 7 });
    await target.appendToStream('b', [...b, event(3)]);
    await target.tombstoneStream('c');
    const file = await newFile();
    await exported(source, file);
    const { problems } = await importStreams(target, { file });
    expect(problems.map(({ kind, stream, message }) => [kind, stream, message])).toEqual([
      ['conflict', '$$a', 'the target has other metadata'],
      ['conflict', 'b', 'the target has more events than the tombstoned stream had'],
      ['conflict', 'c', 'the target’s stream was tombstoned'],
    ]);
    expect((await target.getStreamMetadata('a')).metadata).toEqual({ maxCount: 7 });
  });

  it('other events where the export has only a tombstone leaves them unchanged', async () => {
    const source = (await startNode()).client;
    await source.appendToStream('gone', events(2));
    await source.tombstoneStream('gone');
    const file = await newFile();
    await exported(source, file);
    // What a cluster's export looks like when a scavenge took the events.
    const [header, , , tombstone] = readFileSync(file, 'utf8').split('\n');
    writeFileSync(file, `${header}\n${tombstone}\n`);
    const target = (await startNode()).client;
    await target.appendToStream('gone', events(3));
    expect((await importStreams(target, { file })).problems).toMatchObject([{ kind: 'conflict', stream: 'gone' }]);
    expect(await collect(target.readStream('gone'))).toHaveLength(3);
    const empty = (await startNode()).client;
    for (const tombstones of [
      { written: 1, present: 0 },
      { written: 0, present: 1 },
    ])
      expect(await importStreams(empty, { file })).toMatchObject({ ...WHOLE, tombstones });
  });

  it('a stream that was deleted there reports that the events have other revisions', async () => {
    const source = (await startNode()).client;
    const target = (await startNode()).client;
    await source.appendToStream('s', events(2));
    await target.appendToStream('s', events(3));
    await target.deleteStream('s');
    const file = await newFile();
    await exported(source, file);
    expect(await importStreams(target, { file })).toMatchObject({
      written: 0,
      problems: [
        { kind: 'conflict', stream: 's', revision: 0n, message: expect.stringContaining('revisions 3 to 4 there') },
      ],
    });
    expect((await importStreams(target, { file })).problems).toMatchObject([{ kind: 'conflict', stream: 's' }]);
  });

  it('a stream whose beginning was scavenged gives it lower revisions, and reports that', async () => {
    const source = (await startNode()).client;
    await source.appendToStream('old', events(10));
    await source.setStreamMetadata('old', { truncateBefore: 6 });
    const file = await newFile();
    await exported(source, file);
    // What a cluster's export looks like when its first four events are gone.
    const [header, ...rest] = readFileSync(file, 'utf8').trimEnd().split('\n');
    writeFileSync(file, `${[header, ...rest.slice(4)].join('\n')}\n`);
    const target = (await startNode()).client;
    for (const written of [6, 0]) {
      expect(await importStreams(target, { file })).toMatchObject({
        written,
        problems: [],
        renumbered: [{ stream: 'old', by: 4n }],
      });
    }
    expect((await target.getStreamMetadata('old')).metadata).toEqual({ truncateBefore: 2 });
    const ids = async (client: EventStoreDBClient) => (await collect(client.readStream('old'))).map((e) => e.event?.id);
    expect(await ids(target)).toEqual(await ids(source));
  });

  it('an export that continued after a deletion continues as well', async () => {
    const source = (await startNode()).client;
    const target = (await startNode()).client;
    await source.appendToStream('s', events(3));
    await source.setStreamMetadata('s', { maxCount: 9 });
    await source.deleteStream('s');
    const file = await newFile();
    await exported(source, file);
    await importStreams(target, { file });
    await source.appendToStream('s', events(2));
    await source.setStreamMetadata('s', { maxCount: 1 });
    await exported(source, file);
    expect(await importStreams(target, { file })).toMatchObject({ ...WHOLE, written: 2, present: 3 });
    expect(await contentOf(target)).toEqual(await contentOf(source));
    expect((await target.getStreamMetadata('s')).metadata).toEqual({ maxCount: 1 });
    expect(await importStreams(target, { file })).toMatchObject({ ...WHOLE, written: 0, metadata: { written: 0 } });
  });

  it('a torn last line skips it; a bad line in the middle is refused with its number', async () => {
    const source = (await startNode()).client;
    await source.appendToStream('s', events(5));
    const file = await newFile();
    await exported(source, file);
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.slice(0, -40));
    const target = (await startNode()).client;
    expect(await importStreams(target, { file })).toMatchObject({ written: 4, tornLine: true, problems: [] });
    writeFileSync(file, text);
    expect(await importStreams(target, { file })).toMatchObject({ written: 1, present: 4, tornLine: false });
    writeFileSync(file, text.replace('"revision":"1"', '"revision":"one"'));
    await expect(importStreams(target, { file })).rejects.toThrow(/line 3: is not an event: revision/);
  });
});

describe('the commands', () => {
  it('that are killed repeatedly end with the same streams, without duplicates', async () => {
    const source = await startEventStoreNode();
    const target = await startEventStoreNode();
    onTestFinished(async () => void (await Promise.all([source.stop(), target.stop()])));
    const client = connect(source.connectionString);
    for (let n = 0; n < 30; n++)
      await Promise.all(Array.from({ length: 10 }, (_, s) => client.appendToStream(`s-${s}`, events(20, n * 20))));
    await client.setStreamMetadata('s-1', { maxCount: 50 });
    const file = await newFile();
    const killed = async (args: string[], isFar: () => boolean | Promise<boolean>): Promise<string | null> => {
      const child = startCli(args, {});
      const ended = new Promise((resolve) => child.once('close', resolve));
      while (child.exitCode === null && !(await isFar())) await new Promise((resolve) => setTimeout(resolve, 2));
      child.kill('SIGKILL');
      await ended;
      return child.signalCode;
    };
    const out = ['eventstore', 'export', '--from', source.connectionString, '--to', file, '--all'];
    const sizeOf = () => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    await killed(out, () => sizeOf() > 500_000);
    truncateSync(file, Math.max(0, sizeOf() - 33)); // as if the machine had gone down
    expect((await runHere(out, {})).code).toBe(0);

    const into = ['eventstore', 'import', '--from', file, '--to', target.connectionString];
    const reader = connect(target.connectionString);
    const arrived = async () => {
      const newest = await collect(
        reader.readStream('s-0', { direction: 'backwards', fromRevision: 'end', maxCount: 1 }),
      );
      return Number(newest[0]?.event?.revision ?? 0n) * 10;
    };
    for (const far of [200, 3_000])
      expect(await killed(into, async () => (await arrived().catch(() => 0)) > far)).toBe('SIGKILL');
    const { code, out: report } = await runHere([...into, '--json'], {});
    expect(code).toBe(0);
    const { written, present, events: all } = JSON.parse(report);
    expect([written + present, all]).toEqual([6_000, 6_000]);
    expect(await contentOf(reader)).toEqual(await contentOf(client));
  }, 120_000);

  it('explain a conflict, and exit with 4', async () => {
    const source = (await startNode()).node;
    const target = (await startNode()).node;
    const [mine, theirs] = [event(1), event(1)];
    await connect(source.connectionString).appendToStream('order-1', mine);
    await connect(target.connectionString).appendToStream('order-1', theirs);
    const file = await newFile();
    const out = await runHere(
      ['eventstore', 'export', '--from', source.connectionString, '--to', file, '--all', '--json'],
      {},
    );
    expect(JSON.parse(out.out)).toMatchObject({ events: 1, streams: 1, complete: true, resumedAt: null });
    const into = await runHere(['eventstore', 'import', '--from', file, '--to', target.connectionString], {});
    expect(into.code).toBe(4);
    expect(into.out).toContain(
      `CONFLICT  order-1 at revision 0: the target has another event there (${mine.id} in the file, ${theirs.id} in the target)`,
    );
  });

  it.each([
    [['export', '--from', 'esdb://127.0.0.1:1?tls=false', '--to', '/tmp/x', '--all'], 3, /cannot be reached/],
    [['export', '--from', 'http://127.0.0.1:1', '--to', '/tmp/x', '--all'], 2, /expected an esdb/],
    [['export', '--from', 'esdb://a:b@c', '--to', '/tmp/x'], 2, /--streams PATTERN… or --all/],
    [['import', '--from', '/nowhere/x', '--to', 'esdb://127.0.0.1:1?tls=false'], 3, /cannot be reached/],
    [['import', '--from', '/nowhere/x', '--to', 'NODE'], 1, /\/nowhere\/x cannot be used: ENOENT/],
    [['import', '--from', '/tmp', '--to', 'NODE'], 1, /\/tmp: is a folder/],
    [['export', '--from', 'NODE', '--to', '/tmp', '--all'], 1, /\/tmp cannot be used: EISDIR/],
    [['export', '--from', 'NODE', '--to', '/dev/null', '--all'], 1, /\/dev\/null: is not a regular file/],
  ])('refuse what is impossible: %j', async (args, code, message) => {
    const { connectionString } = (await startNode()).node;
    const ended = await runHere(['eventstore', ...args.map((text) => text.replace('NODE', connectionString))], {});
    expect(ended).toMatchObject({ code, out: '' });
    expect(ended.err).toMatch(message);
  });
});
