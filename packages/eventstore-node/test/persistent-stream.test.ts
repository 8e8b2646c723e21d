import { END, jsonEvent } from '@eventstore/db-client';
import { describe, expect, it } from 'vitest';
import { ack, confirmed, linkTo, nack, numbersOf, streamSettings, take, watch } from './persistent-support.ts';
import { event, events, eventually, startNode } from './support.ts';

type Overrides = Parameters<typeof streamSettings>[0];

/** A group `g` to `order-1`, which has five events, and a subscription to it. */
const withGroup = async (overrides: Overrides = {}, bufferSize = 10) => {
  const { node, client } = await startNode();
  await client.appendToStream('order-1', events(5));
  await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings(overrides));
  const subscribe = (size = bufferSize) =>
    client.subscribeToPersistentSubscriptionToStream('order-1', 'g', { bufferSize: size });
  return { node, client, subscribe, subscription: subscribe() };
};

describe('a group to a stream', () => {
  it('delivers existing and new events in order, and acknowledged ones only once', async () => {
    const { client, subscription } = await withGroup();
    expect(numbersOf(await take(subscription, 5))).toEqual([0, 1, 2, 3, 4]);
    await client.appendToStream('order-1', events(20, 5));
    const live = await take(subscription, 20);
    expect(numbersOf(live)).toEqual(Array.from({ length: 20 }, (_, i) => i + 5));
    expect(live.every(({ retryCount, link }) => retryCount === 0 && link === undefined)).toBe(true);
  });

  it('shows events as a read does, including positions', async () => {
    const { client, subscription } = await withGroup();
    const delivered = await take(subscription, 5);
    for (const one of delivered) {
      for await (const { event } of client.readStream('order-1', { fromRevision: one.event!.revision, maxCount: 1 })) {
        expect(one.event).toEqual(event);
        expect(one.commitPosition).toBe(event?.position?.commit);
      }
    }
  });

  it('may be created before its stream', async () => {
    const { client } = await startNode();
    await client.createPersistentSubscriptionToStream('later', 'g', streamSettings());
    const subscription = client.subscribeToPersistentSubscriptionToStream('later', 'g');
    await confirmed(subscription);
    await client.appendToStream('later', event(7));
    expect(numbersOf(await take(subscription, 1))).toEqual([7]);
  });

  it.each([
    [3n, [3, 4]],
    [END, [5]],
    [6n, [6]],
  ] as const)('from %s begins with that event', async (startFrom, expected) => {
    const { client, subscription } = await withGroup({ startFrom });
    if (startFrom === END || startFrom === 6n) await client.appendToStream('order-1', events(2, 5));
    expect(numbersOf(await take(subscription, expected.length))).toEqual(expected);
  });

  it('from the end delivers events after its creation, even if nobody was connected', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(5));
    await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings({ startFrom: END }));
    await client.appendToStream('order-1', events(3, 5));
    const subscription = client.subscribeToPersistentSubscriptionToStream('order-1', 'g');
    expect(numbersOf(await take(subscription, 3))).toEqual([5, 6, 7]);
  });

  it('catches up over more events than it may buffer', async () => {
    const { client } = await startNode();
    await client.appendToStream('long', events(3_000));
    const small = { historyBufferSize: 20, readBatchSize: 7, liveBufferSize: 5 };
    await client.createPersistentSubscriptionToStream('long', 'g', streamSettings(small));
    const subscription = client.subscribeToPersistentSubscriptionToStream('long', 'g', { bufferSize: 13 });
    expect(numbersOf(await take(subscription, 3_000))).toEqual(Array.from({ length: 3_000 }, (_, n) => n));
    await client.appendToStream('long', events(100, 3_000));
    expect(numbersOf(await take(subscription, 100))).toEqual(Array.from({ length: 100 }, (_, n) => n + 3_000));
  });

  it('sends a client no more than its buffer size until it answers', async () => {
    const { client, subscription } = await withGroup({}, 2);
    const { delivered } = watch(subscription);
    await eventually(() => delivered.length === 2);
    await client.appendToStream('order-1', event(5));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(numbersOf(delivered)).toEqual([0, 1]);
    await subscription.ack(delivered[0] as never);
    await eventually(() => delivered.length === 3);
    expect(numbersOf(delivered)).toEqual([0, 1, 2]);
  });

  it('delivers large events', async () => {
    const { client } = await startNode();
    for (let n = 0; n < 6; n++) {
      await client.appendToStream('big', jsonEvent({ type: 'T', data: { n, pad: 'x'.repeat(900_000) } }));
    }
    await client.createPersistentSubscriptionToStream('big', 'g', streamSettings());
    const subscription = client.subscribeToPersistentSubscriptionToStream('big', 'g');
    expect(numbersOf(await take(subscription, 6))).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('delivers two events with one id, one after the other', async () => {
    const { client } = await startNode();
    const id = '11111111-2222-3333-4444-555555555555';
    await client.appendToStream('twice', event(0, id), { expectedRevision: 'no_stream' });
    await client.appendToStream('twice', event(1, id), { expectedRevision: 0n });
    await client.createPersistentSubscriptionToStream('twice', 'g', streamSettings());
    const subscription = client.subscribeToPersistentSubscriptionToStream('twice', 'g');
    expect(numbersOf(await take(subscription, 2))).toEqual([0, 1]);
  });
});

describe('a message that is returned', () => {
  it('comes again in order, one message per answer, even if the answers arrive together', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(40));
    await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings());
    const subscription = client.subscribeToPersistentSubscriptionToStream('order-1', 'g', { bufferSize: 10 });
    const delivered = await take(subscription, 24, (sub, one) =>
      (one.retryCount === 0 && (one.event?.data.n as number) % 4 === 0 ? nack('retry') : ack)(sub, one, 0),
    );
    const order = delivered.map(({ event, retryCount }) => `${event?.data.n}${"'".repeat(retryCount)}`);
    const given = "0 1 2 3 4 5 6 7 8 9 0' 10 11 12 4' 13 14 15 8' 16 17 18 19 12'";
    expect(order.join(' ')).toBe(given); // that of EventStoreDB 23.10.6
  });

  it('comes again before new ones, with a higher retry count', async () => {
    const { subscription } = await withGroup({}, 1);
    const delivered = await take(subscription, 6, (sub, one, n) => (n < 1 ? nack('retry') : ack)(sub, one, n));
    expect(delivered.map(({ event, retryCount }) => [event?.data.n, retryCount])).toEqual([
      [0, 0],
      [0, 1],
      [1, 0],
      [2, 0],
      [3, 0],
      [4, 0],
    ]);
  });

  it('is dropped if the action is skip', async () => {
    const { client, subscription } = await withGroup();
    await take(subscription, 5, nack('skip'));
    await client.appendToStream('order-1', event(5));
    expect(numbersOf(await take(subscription, 1))).toEqual([5]);
  });

  it('comes again when it is not answered in time, and is parked when that happens too often', async () => {
    const { client, subscription } = await withGroup({ messageTimeout: 300, maxRetryCount: 1 });
    const { delivered } = watch(subscription);
    await eventually(() => delivered.length === 10);
    expect(delivered.map(({ retryCount }) => retryCount)).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
    await expect.poll(() => parkedCount(client), { timeout: 5_000 }).toBe(5n);
  });

  it.each(['unsubscribes', 'vanishes'])(
    'by a client that %s goes to another, with a higher retry count',
    async (how) => {
      const { client, subscribe, subscription } = await withGroup();
      await take(subscription, 5, (sub, one, n) => (n < 2 ? ack(sub, one, n) : undefined));
      if (how === 'unsubscribes') await subscription.unsubscribe();
      else subscription.destroy();
      if (how === 'vanishes') await subscription.unsubscribe().catch(() => {});
      const delivered = await take(subscribe(), 3);
      expect(delivered.map(({ event, retryCount }) => [event?.data.n, retryCount])).toEqual([
        [2, 1],
        [3, 1],
        [4, 1],
      ]);
      expect((await client.getPersistentSubscriptionToStreamInfo('order-1', 'g')).connections).toHaveLength(1);
    },
  );

  const parkedCount = async (client: Awaited<ReturnType<typeof startNode>>['client']) =>
    (await client.getPersistentSubscriptionToStreamInfo('order-1', 'g')).stats.parkedMessageCount;
});

describe('links', () => {
  const withLinks = async (resolveLinkTos: boolean) => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(3));
    await client.appendToStream('links', [linkTo('order-1', 2), linkTo('gone', 0), linkTo('order-1', 0)]);
    await client.createPersistentSubscriptionToStream('links', 'g', streamSettings({ resolveLinkTos }));
    const subscription = client.subscribeToPersistentSubscriptionToStream('links', 'g', { bufferSize: 1 });
    return { client, delivered: await take(subscription, 3) };
  };

  it('are resolved if the group is set to, and acknowledged by their own id', async () => {
    const { delivered } = await withLinks(true);
    expect(
      delivered.map(({ event, link }) => [event?.streamId, event?.data.n, link?.streamId, link?.revision]),
    ).toEqual([
      ['order-1', 2, 'links', 0n],
      [undefined, undefined, 'links', 1n],
      ['order-1', 0, 'links', 2n],
    ]);
  });

  it('are events like any other if it is not', async () => {
    const { delivered } = await withLinks(false);
    expect(delivered.map(({ event, link }) => [event?.streamId, event?.type, link])).toEqual(
      Array.from({ length: 3 }, () => ['links', '$>', undefined]),
    );
  });
});

describe('stream metadata', () => {
  it('hides history from a group, as from a reader', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(10));
    await client.setStreamMetadata('order-1', { truncateBefore: 4, maxCount: 5 });
    await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings());
    const subscription = client.subscribeToPersistentSubscriptionToStream('order-1', 'g');
    expect(numbersOf(await take(subscription, 5))).toEqual([5, 6, 7, 8, 9]);
  });

  it('does not hide live events', async () => {
    const { client, subscription } = await withGroup();
    await take(subscription, 5);
    await client.setStreamMetadata('order-1', { maxCount: 1 });
    await client.appendToStream('order-1', events(4, 5));
    expect(numbersOf(await take(subscription, 4))).toEqual([5, 6, 7, 8]);
  });

  it('hides events that it lets expire', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(3));
    await client.setStreamMetadata('order-1', { maxAge: 1 });
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await client.appendToStream('order-1', event(3));
    await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings());
    const subscription = client.subscribeToPersistentSubscriptionToStream('order-1', 'g');
    expect(numbersOf(await take(subscription, 1))).toEqual([3]);
  });
});

describe('a stream that is deleted', () => {
  it('and written to again continues in the group', async () => {
    const { client, subscription } = await withGroup();
    await take(subscription, 5);
    await client.deleteStream('order-1');
    await client.appendToStream('order-1', events(2, 5));
    expect(numbersOf(await take(subscription, 2))).toEqual([5, 6]);
  });

  it('no longer shows a group its old events', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(5));
    await client.deleteStream('order-1');
    await client.appendToStream('order-1', events(2, 5));
    await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings());
    const subscription = client.subscribeToPersistentSubscriptionToStream('order-1', 'g');
    expect(numbersOf(await take(subscription, 2))).toEqual([5, 6]);
  });

  it('permanently ends with its tombstone for connected clients', async () => {
    const { client, subscription } = await withGroup();
    await take(subscription, 5);
    await client.tombstoneStream('order-1');
    const [last] = await take(subscription, 1);
    expect(last?.event?.type).toBe('$streamDeleted');
  });
});

describe('several clients', () => {
  const distribution = async (consumerStrategyName: 'RoundRobin' | 'DispatchToSingle' | 'Pinned', sizes: number[]) => {
    const { client } = await startNode();
    await client.createPersistentSubscriptionToStream('links', 'g', {
      ...streamSettings({ resolveLinkTos: true }),
      consumerStrategyName,
    });
    const watched = sizes.map((bufferSize) => {
      const subscription = client.subscribeToPersistentSubscriptionToStream('links', 'g', { bufferSize });
      return { subscription, ...watch(subscription) };
    });
    await Promise.all(watched.map(({ subscription }) => confirmed(subscription)));
    return { client, watched };
  };

  it('get events in turn with RoundRobin', async () => {
    const { client, watched } = await distribution('RoundRobin', [5, 5]);
    await client.appendToStream('links', events(6));
    await eventually(() => watched.every(({ delivered }) => delivered.length === 3));
    expect(watched.map(({ delivered }) => numbersOf(delivered)?.map((n) => (n as number) % 2))).toEqual(
      expect.arrayContaining([
        [0, 0, 0],
        [1, 1, 1],
      ]),
    );
  });

  it('are filled one after the other with DispatchToSingle', async () => {
    const { client, watched } = await distribution('DispatchToSingle', [4, 4]);
    await client.appendToStream('links', events(6));
    await eventually(() => watched.reduce((sum, { delivered }) => sum + delivered.length, 0) === 6);
    expect(watched.map(({ delivered }) => numbersOf(delivered))).toEqual(
      expect.arrayContaining([
        [0, 1, 2, 3],
        [4, 5],
      ]),
    );
  });

  it('each get their own streams with Pinned, wherever the links to those are', async () => {
    const { client, watched } = await distribution('Pinned', [100, 100]);
    for (let n = 0; n < 30; n++) {
      await client.appendToStream(`order-${n % 10}`, event(n));
      await client.appendToStream('links', linkTo(`order-${n % 10}`, Math.trunc(n / 10)));
    }
    await eventually(() => watched.reduce((sum, { delivered }) => sum + delivered.length, 0) === 30);
    const streams = watched.map(({ delivered }) => new Set(delivered.map(({ event }) => event?.streamId)));
    expect(streams.map(({ size }) => size).reduce((sum, size) => sum + size)).toBe(10);
    expect(streams.every(({ size }) => size > 0)).toBe(true);
  });
});
