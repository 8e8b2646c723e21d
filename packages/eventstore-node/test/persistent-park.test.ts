import { type EventStoreDBClient, PersistentSubscriptionFailedError, streamNameFilter } from '@eventstore/db-client';
import { describe, expect, it } from 'vitest';
import { ack, allSettings, linkTo, nack, numbersOf, streamSettings, take } from './persistent-support.ts';
import { collect, events, startNode } from './support.ts';

const PARKED = '$persistentsubscription-order-1::g-parked';

/** A group `g` to `order-1`, of whose events the first `count` are parked. */
const withParked = async (count: number, overrides: Parameters<typeof streamSettings>[0] = {}) => {
  const { client } = await startNode();
  await client.appendToStream('order-1', events(count));
  await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings(overrides));
  const subscription = client.subscribeToPersistentSubscriptionToStream('order-1', 'g', { bufferSize: 20 });
  await take(subscription, count, nack('park'));
  await expect.poll(() => parkedCount(client)).toBe(BigInt(count));
  return { client, subscription };
};

const parkedCount = async (client: EventStoreDBClient) =>
  (await client.getPersistentSubscriptionToStreamInfo('order-1', 'g')).stats.parkedMessageCount;

const truncatedBefore = async (client: EventStoreDBClient) =>
  (await client.getStreamMetadata(PARKED)).metadata?.truncateBefore;

describe('a parked message', () => {
  it('is a link in the parked stream with the time and the reason', async () => {
    const { client } = await withParked(2);
    const parked = await collect(client.readStream(PARKED));
    expect(parked.map(({ event }) => [event?.type, Buffer.from(event?.data as Uint8Array).toString()])).toEqual([
      ['$>', '0@order-1'],
      ['$>', '1@order-1'],
    ]);
    const metadata = parked[1]?.event?.metadata as { added: string };
    expect(metadata).toMatchObject({
      reason: "Client explicitly NAK'ed message.\nasked to park",
      subscriptionEventNumber: 1,
    });
    expect(Math.abs(Date.parse(metadata.added) - Date.now())).toBeLessThan(60_000);
    const resolved = await collect(client.readStream(PARKED, { resolveLinkTos: true }));
    expect(numbersOf(resolved as never)).toEqual([0, 1]);
  });

  it('does not come again by itself', async () => {
    const { client, subscription } = await withParked(2);
    await client.appendToStream('order-1', events(1, 2));
    expect(numbersOf(await take(subscription, 1))).toEqual([2]);
  });

  it('is the result of too many retries', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(1));
    await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings({ maxRetryCount: 2 }));
    const subscription = client.subscribeToPersistentSubscriptionToStream('order-1', 'g');
    const delivered = await take(subscription, 3, nack('retry'));
    expect(delivered.map(({ retryCount }) => retryCount)).toEqual([0, 1, 2]);
    await expect.poll(() => parkedCount(client)).toBe(1n);
  });
});

describe('a replay', () => {
  it('brings all parked messages back, in order, as new, with the link they were parked as', async () => {
    const { client, subscription } = await withParked(5);
    await client.replayParkedMessagesToStream('order-1', 'g');
    const delivered = await take(subscription, 5);
    expect(
      delivered.map(({ event, link, retryCount }) => [
        event?.data.n,
        event?.streamId,
        link?.streamId,
        link?.revision,
        retryCount,
      ]),
    ).toEqual([0, 1, 2, 3, 4].map((n) => [n, 'order-1', PARKED, BigInt(n), 0]));
    expect(await parkedCount(client)).toBe(0n);
    await expect.poll(() => truncatedBefore(client)).toBe(5);
  });

  it('stops where it is told to, and the next one continues from there', async () => {
    const { client, subscription } = await withParked(5);
    await client.replayParkedMessagesToStream('order-1', 'g', { stopAt: 2 });
    expect(numbersOf(await take(subscription, 2))).toEqual([0, 1]);
    expect(await parkedCount(client)).toBe(3n);
    await expect.poll(() => truncatedBefore(client)).toBe(2);
    await client.replayParkedMessagesToStream('order-1', 'g');
    expect(numbersOf(await take(subscription, 3))).toEqual([2, 3, 4]);
  });

  it('may stop beyond the existing messages, and may find none', async () => {
    const { client, subscription } = await withParked(2);
    await client.replayParkedMessagesToStream('order-1', 'g', { stopAt: 99 });
    expect(numbersOf(await take(subscription, 2))).toEqual([0, 1]);
    await client.replayParkedMessagesToStream('order-1', 'g');
    expect(await parkedCount(client)).toBe(0n);
  });

  it('of more messages than a group reads at once keeps them in order', async () => {
    const { client, subscription } = await withParked(120, { readBatchSize: 7, historyBufferSize: 30 });
    await client.replayParkedMessagesToStream('order-1', 'g');
    expect(numbersOf(await take(subscription, 120))).toEqual(Array.from({ length: 120 }, (_, n) => n));
    await expect.poll(() => truncatedBefore(client)).toBe(120);
  });

  it('is refused with a negative stop position', async () => {
    const { client } = await withParked(1);
    const replay = client.replayParkedMessagesToStream('order-1', 'g', { stopAt: -1 });
    await expect(replay).rejects.toBeInstanceOf(PersistentSubscriptionFailedError);
  });

  it('parks a message that is refused again, as a link to the event itself', async () => {
    const { client, subscription } = await withParked(1);
    await client.replayParkedMessagesToStream('order-1', 'g');
    await take(subscription, 1, nack('park'));
    await expect.poll(() => parkedCount(client)).toBe(1n);
    await client.replayParkedMessagesToStream('order-1', 'g');
    const [again] = await take(subscription, 1);
    expect([again?.event?.streamId, again?.link?.revision]).toEqual(['order-1', 1n]);
  });

  it('keeps unfinished messages: only those come back when the group is restarted', async () => {
    const { client, subscription } = await withParked(4);
    subscription.on('error', () => {});
    await client.replayParkedMessagesToStream('order-1', 'g');
    await take(subscription, 4, (sub, one, n) => (n < 2 ? ack(sub, one, n) : undefined));
    await expect.poll(() => truncatedBefore(client), { timeout: 5_000 }).toBe(2);
    await client.restartPersistentSubscriptionSubsystem();
    expect(await parkedCount(client)).toBe(2n);
    await client.replayParkedMessagesToStream('order-1', 'g');
    const next = client.subscribeToPersistentSubscriptionToStream('order-1', 'g');
    expect(numbersOf(await take(next, 2))).toEqual([2, 3]);
  });

  it('of resolved links delivers the events that they point to', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(2));
    await client.appendToStream('links', [linkTo('order-1', 1), linkTo('order-1', 0)]);
    await client.createPersistentSubscriptionToStream('links', 'g', streamSettings({ resolveLinkTos: true }));
    const subscription = client.subscribeToPersistentSubscriptionToStream('links', 'g');
    await take(subscription, 2, nack('park'));
    await expect
      .poll(async () => (await client.getPersistentSubscriptionToStreamInfo('links', 'g')).stats.parkedMessageCount)
      .toBe(2n);
    await client.replayParkedMessagesToStream('links', 'g');
    expect(numbersOf(await take(subscription, 2))).toEqual([1, 0]);
  });

  it('of links that are not resolved delivers the links', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(1));
    await client.appendToStream('links', linkTo('order-1', 0));
    await client.createPersistentSubscriptionToStream('links', 'g', streamSettings());
    const subscription = client.subscribeToPersistentSubscriptionToStream('links', 'g');
    await take(subscription, 1, nack('park'));
    const parked = async () =>
      (await client.getPersistentSubscriptionToStreamInfo('links', 'g')).stats.parkedMessageCount;
    for (const revision of [0n, 1n]) {
      await expect.poll(parked).toBe(1n);
      await client.replayParkedMessagesToStream('links', 'g');
      const [replayed] = await take(subscription, 1, nack('park'));
      expect([replayed?.event?.streamId, replayed?.event?.type, replayed?.link?.revision]).toEqual([
        'links',
        '$>',
        revision,
      ]);
    }
  });

  it('of a message that points nowhere delivers the link alone', async () => {
    const { client, subscription } = await withParked(2);
    await client.setStreamMetadata('order-1', { truncateBefore: 1 });
    await client.replayParkedMessagesToStream('order-1', 'g');
    const delivered = await take(subscription, 2, nack('park'));
    expect(delivered.map(({ event, link }) => [event?.data.n, link?.streamId])).toEqual([
      [undefined, PARKED],
      [1, PARKED],
    ]);
    await expect.poll(() => parkedCount(client)).toBe(2n);
    const parked = await collect(client.readStream(PARKED));
    expect(parked.map(({ event }) => Buffer.from(event?.data as Uint8Array).toString())).toEqual([
      '0@order-1',
      '1@order-1',
    ]);
  });

  it('works for a group to $all as well', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(3));
    const filter = streamNameFilter({ prefixes: ['order-'] });
    await client.createPersistentSubscriptionToAll('g', allSettings(), { filter });
    const subscription = client.subscribeToPersistentSubscriptionToAll('g');
    await take(subscription, 3, nack('park'));
    await expect
      .poll(async () => (await client.getPersistentSubscriptionToAllInfo('g')).stats.parkedMessageCount)
      .toBe(3n);
    await client.replayParkedMessagesToAll('g', { stopAt: 2 });
    const delivered = await take(subscription, 2);
    expect(numbersOf(delivered)).toEqual([0, 1]);
    expect(delivered[0]?.link?.streamId).toBe('$persistentsubscription-$all::g-parked');
  });
});
