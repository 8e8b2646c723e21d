import { binaryEvent, jsonEvent } from '@eventstore/db-client';
import { describe, expect, it } from 'vitest';
import { bytes, type Fields, message, varint } from './proto.ts';
import { type EventToSend, MAX_I64, MAX_U64, RawStreams, read } from './raw-streams.ts';
import { collect, event, events, eventually, startNode } from './support.ts';

const start = async () => {
  const { node, client } = await startNode();
  return { client, raw: new RawStreams(node.port) };
};

const withFive = async () => {
  const started = await start();
  await started.raw.append('BatchAppend', 's', 'no_stream', five());
  return started;
};

const five = (): EventToSend[] => Array.from({ length: 5 }, () => ({ type: 'Counted', data: '{}' }));
const recorded = (answer: Fields) => answer.message(1)?.message(1) as Fields;
const revisions = (messages: Fields[]) => messages.map((answer) => Number(recorded(answer).number(3) ?? 0n));
const common = [read.noFilter, read.textIds];

describe('a Read call', () => {
  const window = varint(3, 32);
  const filter = read.filter(message(2, bytes(2, 'Counted')), window, varint(5, 1));
  const combinations: [what: string, options: Buffer[], status: number][] = [
    ['of a stream', [read.stream('s'), read.count(), read.noFilter], 0],
    ['of a stream backwards', [read.stream('s', read.end), read.count(), read.backwards, read.noFilter], 0],
    ['of $all', [read.all(), read.count(), read.noFilter], 0],
    ['of $all backwards', [read.all(read.allEnd), read.count(), read.backwards, read.noFilter], 0],
    ['of $all with a filter', [read.all(), read.count(), filter], 0],
    ['of $all backwards with a filter', [read.all(read.allEnd), read.count(), read.backwards, filter], 0],
    [
      'of $all with a filter that has no interval',
      [read.all(), read.count(), read.filter(message(1, bytes(2, 's')), window)],
      0,
    ],
    ['with nothing', [], 3],
    ['without a stream or $all', [read.count(), read.noFilter], 3],
    ['without a count', [read.stream('s'), read.noFilter], 3],
    ['with a count of 0', [read.stream('s'), read.count(0), read.noFilter], 3],
    ['without a filter option', [read.stream('s'), read.count()], 3],
    ['of a stream with a filter', [read.stream('s'), read.count(), filter], 3],
    ['in a third direction', [read.stream('s'), read.count(), varint(3, 2), read.noFilter], 3],
    ['that subscribes to a stream with a filter', [read.stream('s'), read.subscription, filter], 3],
    ['that subscribes backwards', [read.stream('s'), read.subscription, read.backwards, read.noFilter], 3],
    ['that subscribes to $all backwards', [read.all(), read.subscription, read.backwards, read.noFilter], 3],
    ['of a stream without a name', [read.stream(''), read.count(), read.noFilter], 3],
    ['with a filter on nothing', [read.all(), read.count(), read.filter(window, varint(5, 1))], 3],
    [
      'with a filter without a window',
      [read.all(), read.count(), read.filter(message(2, bytes(2, 'C')), varint(5, 1))],
      3,
    ],
    [
      'that subscribes without an interval',
      [read.all(), read.subscription, read.filter(message(2, bytes(2, 'C')), window)],
      3,
    ],
    ['of a stream forwards from the end', [read.stream('s', read.end), read.count(), read.noFilter], 2],
    ['from a revision beyond 2^63-1', [read.stream('s', read.revision(MAX_I64 + 1n)), read.count(), read.noFilter], 2],
    ['from a commit before its prepare', [read.all(read.position(5n, 6n)), read.count(), read.noFilter], 2],
    ['from a prepare at the end only', [read.all(read.position(5n, MAX_U64)), read.count(), read.noFilter], 2],
    ['from a position beyond 2^63-1', [read.all(read.position(MAX_I64 + 1n)), read.count(), read.noFilter], 2],
  ];

  it.each(combinations)('%s ends as on the real server', async (_, options, status) => {
    const { raw } = await withFive();
    expect(await raw.read(...options, read.textIds)).toMatchObject({ status });
  });

  it('uses the last member of each oneof', async () => {
    const { raw } = await withFive();
    const subscribedAndCounted = [read.subscription, read.count(2)];
    const { messages } = await raw.read(read.all(), read.stream('s'), ...subscribedAndCounted, filter, ...common);
    expect(revisions(messages)).toEqual([0, 1]);
  });

  it('fails without a request, with half of one, and with two', async () => {
    const { raw } = await withFive();
    expect(await raw.call('Read').end().ended).toMatchObject({ 'grpc-status': '13' });
    const half = raw.call('Read');
    half.stream.end(Buffer.from([0, 0, 0]));
    expect(await half.ended).toMatchObject({ 'grpc-status': '13' });
    const request = message(1, read.stream('none'), read.subscription, ...common);
    const twice = raw.call('Read').send(request).send(request);
    expect(await twice.ended).toMatchObject({ 'grpc-status': '13' });
  });

  it('is ended at its deadline', async () => {
    const { raw } = await withFive();
    const request = message(1, read.all(), read.subscription, ...common);
    const call = raw.call('Read', { 'grpc-timeout': '150m' }).send(request);
    expect(await call.ended).toMatchObject({ 'grpc-status': '4' });
    const patient = raw.call('Read', { 'grpc-timeout': '99999999H' }).send(request);
    await eventually(() => patient.messages.length > 5);
  });

  it.each([
    ['from revision 2^63-1', read.revision(MAX_I64), []],
    ['from 2^64-1 backwards', read.revision(MAX_U64), [4, 3, 2, 1, 0]],
    ['from beyond the head backwards', read.revision(99n), [4, 3, 2, 1, 0]],
    ['from the start backwards', read.start, [0]],
    ['from 2 backwards', read.revision(2n), [2, 1, 0]],
  ] as const)('of a stream %s delivers %j', async (what, from, expected) => {
    const { raw } = await withFive();
    const direction = what.includes('backwards') ? [read.backwards] : [];
    const { messages, status } = await raw.read(read.stream('s', from), read.count(), ...direction, ...common);
    expect(status).toBe(0);
    expect(revisions(messages)).toEqual(expected);
  });

  it('of $all accepts positions without an event, in both directions', async () => {
    const { raw } = await withFive();
    const { messages } = await raw.read(read.stream('s'), read.count(), ...common);
    const positions = messages.map((answer) => answer.message(1)?.number(3) as bigint);
    const from = async (position: bigint, ...rest: Buffer[]) =>
      revisions((await raw.read(read.all(read.position(position)), read.count(2), ...rest, ...common)).messages);
    const third = positions[2] as bigint;
    expect(await from(third)).toEqual([2, 3]);
    expect(await from(third + 1n)).toEqual([3, 4]);
    expect(await from(third - 1n)).toEqual([2, 3]);
    expect(await from(third, read.backwards)).toEqual([1, 0]);
    expect(await from(third + 1n, read.backwards)).toEqual([2, 1]);
    expect(await from(MAX_I64)).toEqual([]);
    expect(await from(MAX_U64)).toEqual([]);
    expect(await from(MAX_I64, read.backwards)).toEqual([4, 3]);
    expect(await from(0n, read.backwards)).toEqual([]);
    const filtered = await raw.read(read.all(), read.count(), filter, read.textIds);
    expect(revisions(filtered.messages)).toEqual([0, 1, 2, 3, 4]);
  });

  it('returns an event with every field, the same however it is reached', async () => {
    const { raw } = await start();
    const id = 'f0a1b2c3-0000-4000-8000-00000000000a';
    const before = BigInt(Date.now()) * 10_000n;
    await raw.append('Append', 's', 'any', [{ id, type: 'T', data: 'D', metadata: 'M' }]);
    const { messages } = await raw.read(read.stream('s'), read.count(), ...common);
    const fields = recorded(messages[0] as Fields);
    const position = messages[0]?.message(1)?.number(3);
    expect(fields.present).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([fields.message(1)?.text(2), fields.message(2)?.text(3), fields.text(7), fields.text(8)]).toEqual([
      id,
      's',
      'M',
      'D',
    ]);
    expect([fields.number(3), fields.number(4), fields.number(5)]).toEqual([0n, position, position]);
    const system = new Map(fields.messages(6).map((entry) => [entry.text(1), entry.text(2)]));
    const created = BigInt(system.get('created') as string);
    expect(created >= before && created <= BigInt(Date.now()) * 10_000n).toBe(true);
    const all = await raw.read(read.all(read.position(position as bigint)), read.count(1), ...common);
    expect(all.messages[0]?.bytes(1)).toEqual(messages[0]?.bytes(1));
  });
});

describe('a link', () => {
  const link = (data: string) => binaryEvent({ type: '$>', data: Buffer.from(data) });

  it.each([
    '0@target@1',
    '9007199254740993@target',
    '9223372036854775807@target',
    '3@target',
    '0@',
    '0@none',
    '0@$$none',
  ])('with the address %s points to nothing or to that event', async (address) => {
    const { client } = await start();
    await client.appendToStream('target', events(2));
    await client.appendToStream('target@1', event(7));
    await client.appendToStream('links', link(address));
    const [resolved] = await collect(client.readStream('links', { resolveLinkTos: true }));
    if (address === '0@target@1') expect(resolved?.event).toMatchObject({ streamId: 'target@1', data: { n: 7 } });
    else if (address === '0@') expect(resolved).toMatchObject({ event: { type: '$>' } });
    else {
      expect(resolved?.event).toBeUndefined();
      expect(resolved?.link).toMatchObject({ streamId: 'links' });
    }
  });

  it.each(['', '@target', 'x@target', '1.5@target', '9223372036854775808@target', 'no address'])(
    'with %j as its address is an event like any other',
    async (address) => {
      const { client } = await start();
      await client.appendToStream('links', link(address));
      const [resolved] = await collect(client.readStream('links', { resolveLinkTos: true }));
      expect(resolved?.event).toMatchObject({ type: '$>', streamId: 'links' });
      expect(resolved?.link).toBeUndefined();
    },
  );

  it('to a link is resolved only one step', async () => {
    const { client } = await start();
    await client.appendToStream('target', events(1));
    await client.appendToStream('links', [link('0@target'), link('0@links')]);
    const [, second] = await collect(client.readStream('links', { resolveLinkTos: true }));
    expect(second).toMatchObject({ event: { type: '$>', revision: 0n }, link: { revision: 1n } });
  });

  it('to an expired event, or to an old version of metadata, comes without an event', async () => {
    const { client } = await start();
    await client.appendToStream('target', events(1));
    await client.setStreamMetadata('target', { maxAge: 1 });
    await client.setStreamMetadata('other', { maxCount: 1 });
    await client.setStreamMetadata('other', { maxCount: 2 });
    await client.appendToStream('links', [link('0@target'), link('0@$$other'), link('1@$$other')]);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const resolved = await collect(client.readStream('links', { resolveLinkTos: true }));
    expect(resolved.map(({ event: target }) => target?.revision)).toEqual([undefined, undefined, 1n]);
  });
});

describe('metadata', () => {
  const numbers = async (raw: RawStreams) =>
    revisions((await raw.read(read.stream('s'), read.count(), ...common)).messages);
  const set = (raw: RawStreams, data: string, contentType = 'application/json') =>
    raw.append('Append', '$$s', 'any', [{ type: 'whatever', data, contentType }]);

  it.each([
    ['{"$maxCount":2}', [3, 4]],
    ['{"$maxCount":99}', [0, 1, 2, 3, 4]],
    ['{"$tb":3}', [3, 4]],
    ['{"$tb":5}', []],
    ['{"$tb":9223372036854775806}', []],
    ['{"$tb":2,"$maxCount":4}', [2, 3, 4]],
    ['{"$tb":4,"custom":{"$tb":0},"x":1.5}', [4]],
    ['{"$maxCount":"2"}', [0, 1, 2, 3, 4]],
    ['{"$maxCount":2.0}', [0, 1, 2, 3, 4]],
    ['{"$maxCount":0}', [0, 1, 2, 3, 4]],
    ['{"$tb":-1}', [0, 1, 2, 3, 4]],
    ['{"$tb":"9223372036854775807"}', [0, 1, 2, 3, 4]],
    ['{"$tb":9223372036854776000}', [0, 1, 2, 3, 4]],
    ['{"$tb":3', [0, 1, 2, 3, 4]],
    ['[{"$tb":3}]', [0, 1, 2, 3, 4]],
    ['', [0, 1, 2, 3, 4]],
  ])('%s leaves %j readable', async (json, expected) => {
    const { raw } = await withFive();
    await set(raw, json);
    expect(await numbers(raw)).toEqual(expected);
  });

  it('counts only if the event is marked as JSON, whatever its type', async () => {
    const { raw } = await withFive();
    await set(raw, '{"$tb":3}', 'application/octet-stream');
    expect(await numbers(raw)).toEqual([0, 1, 2, 3, 4]);
  });

  it('with 2^63-1 as $tb deletes the stream, and any later metadata brings it back', async () => {
    const { raw } = await withFive();
    await set(raw, '{"$tb":9223372036854775807}');
    const gone = await raw.read(read.stream('s'), read.count(), ...common);
    expect(gone.messages.map((answer) => answer.present)).toEqual([[4]]);
    expect(gone).toMatchObject({ status: 0 });
    await set(raw, '{"keep":12345678901234567890}');
    expect(await numbers(raw)).toEqual([]);
    const { messages } = await raw.read(read.stream('$$s'), read.count(), ...common);
    expect(recorded(messages[0] as Fields).text(8)).toBe('{"keep":12345678901234567890,"$tb":5}');
    expect(await raw.append('Append', 's', 4n, [{}])).toMatchObject({ done: 5n });
    expect(await numbers(raw)).toEqual([5]);
  });

  it('comes back through the client with everything that the client can set', async () => {
    const { client } = await start();
    const metadata = {
      maxCount: 10,
      maxAge: 3_600,
      truncateBefore: 2,
      cacheControl: 60,
      acl: {
        readRoles: ['a', 'b'],
        writeRoles: ['c'],
        deleteRoles: ['d'],
        metaReadRoles: ['e'],
        metaWriteRoles: ['f'],
      },
      custom: { deep: [1, 'ü', null, { x: true }] },
      text: 'x',
    };
    await client.setStreamMetadata('s', metadata as never, { expectedRevision: 'no_stream' });
    expect(await client.getStreamMetadata('s')).toMatchObject({ streamName: 's', metadata });
    await expect(client.setStreamMetadata('s', {}, { expectedRevision: 'no_stream' })).rejects.toMatchObject({
      streamName: '$$s',
      actualVersion: 0n,
    });
    await client.setStreamMetadata('s', { other: 1 } as never, { expectedRevision: 0n });
    expect((await client.getStreamMetadata('s')).metadata).toEqual({ other: 1 });
  });

  it('of a metastream has no effect on it', async () => {
    const { client, raw } = await start();
    await client.setStreamMetadata('s', { maxCount: 1 });
    await client.setStreamMetadata('s', { maxCount: 2 });
    await client.setStreamMetadata('$$s', { truncateBefore: 9 });
    expect(await raw.delete('Delete', '$$s', 'any')).toMatchObject({ done: expect.anything() });
    expect(await collect(client.readStream('$$s'))).toMatchObject([{ event: { revision: 1n } }]);
    expect(await collect(client.readStream('$$$$s'))).toMatchObject([{ event: { revision: 1n } }]);
    expect(await raw.append('Append', '$$s', 'stream_exists', [])).toMatchObject({ done: 1n });
    expect(
      await client.appendToStream('$$s', jsonEvent({ type: '$metadata', data: {} }), { expectedRevision: 1n }),
    ).toMatchObject({ nextExpectedRevision: 2n });
    expect(await collect(client.readStream('$$$$s'))).toMatchObject([{ event: { revision: 1n } }]); // nothing to bring back
  });

  it('of a system stream is kept in a stream with three $', async () => {
    const { client } = await start();
    await client.appendToStream('$x', events(3));
    await client.setStreamMetadata('$x', { maxCount: 1 });
    expect(await collect(client.readStream('$$$x'))).toHaveLength(1);
    expect(await collect(client.readStream('$x'))).toMatchObject([{ event: { revision: 2n } }]);
  });
});

describe('deleting', () => {
  const STATES = ['any', 'no_stream', 'stream_exists', 0n, 4n, 9n] as const;

  it.each(['Delete', 'Tombstone'] as const)('by %s follows the rules of appends', async (rpc) => {
    const { raw } = await start();
    const outcomes: Record<string, string[]> = { missing: [], five: [], deleted: [], tombstoned: [] };
    for (const [state, list] of Object.entries(outcomes)) {
      for (const expected of STATES) {
        const stream = `${state}-${expected}`;
        if (state !== 'missing') await raw.append('Append', stream, 'any', five());
        if (state === 'deleted') await raw.delete('Delete', stream, 'any');
        if (state === 'tombstoned') await raw.delete('Tombstone', stream, 'any');
        const outcome = await raw.delete(rpc, stream, expected);
        list.push(Object.keys(outcome)[0] as string);
        if ('wrong' in outcome) expect(outcome).toEqual({ wrong: state === 'missing' ? -1n : 4n, expected });
      }
    }
    const [d, w, x] = ['done', 'wrong', 'deleted'];
    expect(outcomes).toEqual({
      missing: rpc === 'Delete' ? [w, w, w, w, w, w] : [d, d, w, w, w, w],
      five: [d, w, d, w, d, w],
      deleted: [d, d, x, w, d, w],
      tombstoned: [x, x, x, x, x, x],
    });
  });

  it('without an expected revision, or without a stream, is refused', async () => {
    const { raw } = await withFive();
    expect(await raw.delete('Delete', 's', undefined)).toMatchObject({ failed: 3 });
    expect(await raw.delete('Tombstone', '', 'any')).toMatchObject({ failed: 2 });
    expect(await raw.delete('Delete', '$$', 'any')).toMatchObject({ failed: 2 });
    expect(await raw.call('Delete').end().ended).toMatchObject({ 'grpc-status': '13' });
  });

  it('a stream whose metastream is tombstoned is refused', async () => {
    const { raw } = await withFive();
    await raw.delete('Tombstone', '$$s', 'any');
    expect(await raw.delete('Delete', 's', 'any')).toEqual({ deleted: 's' });
    expect(await raw.append('Append', 's', 4n, [{}])).toMatchObject({ done: 5n });
  });

  it.each([' lead', 'trail ', ' ', 'a\nb', 'a\0b', '✓'.repeat(20_000), 'x'.repeat(60_000)])(
    'a stream named %.8j twice reports to the client that it is deleted',
    async (name) => {
      const { client } = await start();
      await client.appendToStream(name, event(0));
      await client.tombstoneStream(name);
      await expect(client.tombstoneStream(name)).rejects.toMatchObject({ type: 'stream-deleted' });
      await expect(collect(client.readStream(name))).rejects.toMatchObject({ type: 'stream-deleted' });
    },
  );
});

describe('$all', () => {
  it('contains every event of every stream, except those of persistent subscriptions to $all', async () => {
    const { client, raw } = await start();
    const hidden = [
      '$epoch-information',
      '$persistentsubscription-$all::g-checkpoint',
      '$persistentsubscription-$all::g-parked',
    ];
    const shown = ['$epoch', '$persistentsubscription-s::g-parked', '$persistentsubscription-$all::g', '$$s', '$', 's'];
    for (const stream of [...hidden, ...shown]) await raw.append('Append', stream, 'any', [{}]);
    const names = async (events_: AsyncIterable<{ event?: { streamId: string } | undefined }>) =>
      (await collect(events_)).map(({ event: found }) => found?.streamId).filter((name) => !name?.startsWith('$baton'));
    expect(await names(client.readAll())).toEqual(shown);
    expect(await names(client.readAll({ direction: 'backwards', fromPosition: 'end' }))).toEqual(shown.toReversed());
    for (const stream of hidden) expect(await collect(client.readStream(stream))).toHaveLength(1);
  });
});
