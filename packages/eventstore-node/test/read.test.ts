import {
  BACKWARDS,
  binaryEvent,
  END,
  FORWARDS,
  jsonEvent,
  NO_STREAM,
  START,
  StreamNotFoundError,
} from '@eventstore/db-client';
import { describe, expect, it } from 'vitest';
import { collect, connect, dataOf, event, events, startNode } from './support.ts';

const numbers = (resolved: { event?: unknown }[]) =>
  resolved.map(({ event }) => (event as { data: { n: number } }).data.n);

const withFive = async () => {
  const { node, client } = await startNode();
  await client.appendToStream('order-1', events(5));
  return { node, client };
};

const linkTo = (stream: string, revision: number) =>
  binaryEvent({ type: '$>', data: Buffer.from(`${revision}@${stream}`) });

describe('reading a stream', () => {
  it.each([
    { options: {}, expected: [0, 1, 2, 3, 4] },
    { options: { fromRevision: 3n }, expected: [3, 4] },
    { options: { fromRevision: 9n }, expected: [] },
    { options: { maxCount: 2 }, expected: [0, 1] },
    { options: { fromRevision: 1n, maxCount: 2 }, expected: [1, 2] },
    { options: { direction: BACKWARDS, fromRevision: END }, expected: [4, 3, 2, 1, 0] },
    { options: { direction: BACKWARDS, fromRevision: END, maxCount: 1 }, expected: [4] },
    { options: { direction: BACKWARDS, fromRevision: 2n }, expected: [2, 1, 0] },
    { options: { direction: BACKWARDS, fromRevision: 99n, maxCount: 2 }, expected: [4, 3] },
    { options: { direction: BACKWARDS, fromRevision: START }, expected: [0] },
  ] as const)('with $options delivers $expected', async ({ options, expected }) => {
    const { client } = await withFive();
    expect(numbers(await collect(client.readStream('order-1', options)))).toEqual(expected);
  });

  it('that never existed fails with its name', async () => {
    const { client } = await startNode();
    const failure = await collect(client.readStream('nowhere')).catch((e) => e);
    expect(failure).toBeInstanceOf(StreamNotFoundError);
    expect(failure.streamName).toBe('nowhere');
  });

  it('that has only metadata fails the same way', async () => {
    const { client } = await startNode();
    await client.setStreamMetadata('order-1', { maxCount: 3 });
    await expect(collect(client.readStream('order-1'))).rejects.toBeInstanceOf(StreamNotFoundError);
  });

  it('may be cancelled at any event, many times over', async () => {
    const { client } = await startNode();
    await client.appendToStream('long', events(3_000));
    for (let i = 0; i < 200; i++) {
      for await (const { event } of client.readStream('long')) if (event?.revision === 5n) break;
    }
    expect(await collect(client.readStream('long'))).toHaveLength(3_000);
  });

  it('of many streams that do not exist does not break the connection', async () => {
    const { client } = await startNode();
    const read = (n: number) => collect(client.readStream(`none-${n}`)).catch((e) => e);
    const failures = await Promise.all(Array.from({ length: 2_500 }, (_, n) => read(n)));
    expect(failures.every((failure) => failure instanceof StreamNotFoundError)).toBe(true);
  }, 60_000);

  it('delivers large events complete and in order', async () => {
    const { client } = await startNode();
    const pads = [10, 200_000, 1, 900_000, 70_000];
    for (const length of pads)
      await client.appendToStream('big', jsonEvent({ type: 'T', data: { pad: 'é'.repeat(length / 2) } }));
    const lengths = (await collect(client.readStream('big'))).map(
      ({ event }) => dataOf<{ pad: string }>(event).pad.length,
    );
    expect(lengths).toEqual(pads.map((length) => Math.trunc(length / 2)));
  });
});

describe('reading $all', () => {
  it('returns system events of a new node before the first user event', async () => {
    const { client } = await startNode();
    const fresh = await collect(client.readAll());
    expect(fresh.length).toBeGreaterThan(0);
    expect(fresh.every(({ event }) => event?.type.startsWith('$'))).toBe(true);
  });

  it('from a position is inclusive forwards and exclusive backwards', async () => {
    const { client } = await withFive();
    const all = await collect(client.readAll());
    const third = all.find(({ event }) => event?.streamId === 'order-1' && event.revision === 2n)?.event?.position;
    const fromThird = { fromPosition: third as { commit: bigint; prepare: bigint } };

    expect(numbers(await collect(client.readAll(fromThird)))).toEqual([2, 3, 4]);
    const back = await collect(client.readAll({ direction: BACKWARDS, ...fromThird, maxCount: 2 }));
    expect(numbers(back)).toEqual([1, 0]);
  });

  it.each([
    { options: { direction: BACKWARDS, fromPosition: END, maxCount: 2 }, expected: [4, 3] },
    { options: { direction: FORWARDS, fromPosition: END }, expected: [] },
    { options: { direction: BACKWARDS, fromPosition: START }, expected: [] },
  ] as const)('with $options delivers $expected', async ({ options, expected }) => {
    const { client } = await withFive();
    expect(numbers(await collect(client.readAll(options)))).toEqual(expected);
  });

  it('returns increasing positions, the same as reads of streams', async () => {
    const { client } = await startNode();
    for (let n = 0; n < 20; n++) await client.appendToStream(`s-${n % 3}`, events(3));
    const positions = (await collect(client.readAll())).map(({ event }) => event?.position?.commit as bigint);
    expect(positions).toEqual(positions.toSorted((a, b) => (a < b ? -1 : 1)));
    expect(new Set(positions).size).toBe(positions.length);
    const ofStream = (await collect(client.readStream('s-1'))).map(({ event }) => event?.position?.commit);
    expect(positions).toEqual(expect.arrayContaining(ofStream));
  });

  it('returns the same events backwards over more than one chunk', async () => {
    const { client } = await startNode();
    for (let n = 0; n < 30; n++) await client.appendToStream(`s-${n % 7}`, events(100));
    const forwards = await collect(client.readAll());
    const backwards = await collect(client.readAll({ direction: BACKWARDS, fromPosition: END }));
    expect(backwards.toReversed()).toEqual(forwards);
  });
});

describe('links', () => {
  it('are resolved on request to exactly what the stream returns', async () => {
    const { client } = await withFive();
    await client.appendToStream('links', [linkTo('order-1', 3), event(9)] as never);
    const [original] = await collect(client.readStream('order-1', { fromRevision: 3n, maxCount: 1 }));
    const [resolved, plain] = await collect(client.readStream('links', { resolveLinkTos: true }));

    expect(resolved?.event).toEqual(original?.event);
    expect(resolved?.link).toMatchObject({ streamId: 'links', revision: 0n, type: '$>' });
    expect(plain?.event).toMatchObject({ data: { n: 9 } });
    expect(plain?.link).toBeUndefined();
    const [unresolved] = await collect(client.readStream('links'));
    expect(unresolved?.event).toMatchObject({ type: '$>' });
  });

  it('to events that cannot be read come without an event', async () => {
    const { client } = await withFive();
    await client.appendToStream('gone', event(0));
    await client.tombstoneStream('gone');
    await client.setStreamMetadata('order-1', { truncateBefore: 2 });
    await client.appendToStream('links', [
      linkTo('order-1', 1),
      linkTo('order-1', 77),
      linkTo('gone', 0),
      linkTo('never', 0),
    ]);
    const resolved = await collect(client.readStream('links', { resolveLinkTos: true }));

    expect(resolved.map(({ event }) => event)).toEqual([undefined, undefined, undefined, undefined]);
    expect(resolved.map(({ link }) => link?.revision)).toEqual([0n, 1n, 2n, 3n]);
  });

  it('without an address come as plain events', async () => {
    const { client } = await startNode();
    await client.appendToStream('links', jsonEvent({ type: '$>', data: { no: 'address' } }));
    const [resolved] = await collect(client.readStream('links', { resolveLinkTos: true }));
    expect(resolved?.event).toMatchObject({ type: '$>', data: { no: 'address' } });
  });
});

describe('stream metadata', () => {
  it('comes back as it was set, and only the newest', async () => {
    const { client } = await startNode();
    expect(await client.getStreamMetadata('order-1')).toEqual({ streamName: 'order-1' });
    await client.setStreamMetadata('order-1', { maxCount: 10 });
    await client.setStreamMetadata('order-1', { maxCount: 3, maxAge: 600, custom: { a: 1 } } as never, {
      expectedRevision: 0n,
    });
    const { metadata } = await client.getStreamMetadata('order-1');

    expect(metadata).toMatchObject({ maxCount: 3, maxAge: 600, custom: { a: 1 } });
    const versions = await collect(client.readStream('$$order-1'));
    expect(versions.map(({ event }) => event?.revision)).toEqual([1n]);
  });

  it('limits what reads return, but leaves revisions and $all unchanged', async () => {
    const { client } = await withFive();
    await client.setStreamMetadata('order-1', { maxCount: 2 });
    expect(numbers(await collect(client.readStream('order-1')))).toEqual([3, 4]);
    expect(numbers(await collect(client.readStream('order-1', { direction: BACKWARDS, fromRevision: END })))).toEqual([
      4, 3,
    ]);
    await client.setStreamMetadata('order-1', { truncateBefore: 4 });
    expect(numbers(await collect(client.readStream('order-1')))).toEqual([4]);
    await client.setStreamMetadata('order-1', { truncateBefore: 5 });
    expect(await collect(client.readStream('order-1'))).toEqual([]);
    expect((await collect(client.readAll())).filter(({ event }) => event?.streamId === 'order-1')).toHaveLength(5);
    expect(await client.appendToStream('order-1', event(5), { expectedRevision: 4n })).toMatchObject({
      nextExpectedRevision: 5n,
    });
    expect(numbers(await collect(client.readStream('order-1')))).toEqual([5]);
  });

  it('lets events expire', async () => {
    const { client } = await withFive();
    await client.setStreamMetadata('order-1', { maxAge: 1 });
    expect(await collect(client.readStream('order-1', { maxCount: 3 }))).toHaveLength(3);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await client.appendToStream('order-1', event(5));
    expect(numbers(await collect(client.readStream('order-1', { maxCount: 3 })))).toEqual([5]);
  });
});

describe('connecting', () => {
  it('works through discovery, which finds this one node', async () => {
    const { node } = await startNode();
    const client = connect(`esdb+discover://127.0.0.1:${node.port}?tls=false`);
    await expect(client.appendToStream('order-1', event(0), { expectedRevision: NO_STREAM })).resolves.toBeDefined();
    const several = connect(`esdb://127.0.0.1:${node.port},127.0.0.1:${node.port}?tls=false`);
    expect(await collect(several.readStream('order-1'))).toHaveLength(1);
  });

  it('reports what is not supported', async () => {
    const { client } = await startNode();
    const failure = await client.disableProjection('none').catch((e) => e);
    expect(failure).toMatchObject({ code: 12 });
  });
});
