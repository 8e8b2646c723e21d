import { END, type EventStoreDBClient, eventTypeFilter, jsonEvent, streamNameFilter } from '@eventstore/db-client';
import { describe, expect, it } from 'vitest';
import {
  type Answer,
  ack,
  allSettings,
  type Delivered,
  nack,
  numbersOf,
  streamSettings,
  take,
} from './persistent-support.ts';
import { collect, event, events, startNode } from './support.ts';

const orders = streamNameFilter({ prefixes: ['order-'] });

const infoOf = (client: EventStoreDBClient) => client.getPersistentSubscriptionToAllInfo('g');

/** `Checkpointed position` of the group, as it is stored. */
const checkpointOf = async (client: EventStoreDBClient) =>
  (await infoOf(client)).stats.lastCheckpointedEventPosition?.commit;

describe('a group to all', () => {
  it('delivers every event of every stream in log order, system events included', async () => {
    const { client } = await startNode();
    for (let n = 0; n < 10; n++) await client.appendToStream(`s-${n % 3}`, event(n));
    const before = await collect(client.readAll());
    await client.createPersistentSubscriptionToAll('g', allSettings());
    const subscription = client.subscribeToPersistentSubscriptionToAll('g');
    const delivered = await take(subscription, before.length);
    expect(delivered.map(({ event }) => event?.id)).toEqual(before.map(({ event }) => event?.id));
    expect(delivered.map(({ commitPosition }) => commitPosition)).toEqual(
      before.map(({ event }) => event?.position?.commit),
    );
    await client.appendToStream('later', event(11));
    const [config, metadata, live] = await take(subscription, 3);
    expect([config?.event?.streamId, metadata?.event?.streamId]).toEqual([
      '$$$persistentSubscriptionConfig',
      '$persistentSubscriptionConfig',
    ]);
    expect(live?.event?.data.n).toBe(11);
  });

  it('from the end delivers events after its creation, but not the creation itself', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(3));
    await client.createPersistentSubscriptionToAll('g', allSettings({ startFrom: END }));
    await client.appendToStream('order-1', events(3, 3));
    const subscription = client.subscribeToPersistentSubscriptionToAll('g');
    expect(numbersOf(await take(subscription, 3))).toEqual([3, 4, 5]);
  });

  it('from a position starts with the event at that position', async () => {
    const { client } = await startNode();
    const positions = [];
    for (let n = 0; n < 4; n++) positions.push((await client.appendToStream('order-1', event(n))).position!);
    await client.createPersistentSubscriptionToAll('g', allSettings({ startFrom: positions[2]! }));
    const subscription = client.subscribeToPersistentSubscriptionToAll('g');
    expect(numbersOf(await take(subscription, 2))).toEqual([2, 3]);
  });

  it('does not see its own checkpoints and parked messages', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(30));
    const quick = { checkPointLowerBound: 1, checkPointUpperBound: 1, checkPointAfter: 1 };
    await client.createPersistentSubscriptionToAll('g', allSettings(quick));
    const subscription = client.subscribeToPersistentSubscriptionToAll('g', { bufferSize: 1 });
    const delivered: Delivered[] = [];
    const answer: Answer = (sub, one, n) => (n === 5 ? nack('park')(sub, one, n) : ack(sub, one, n));
    delivered.push(...(await take(subscription, 33, answer)));
    await client.appendToStream('later', event(99));
    while (delivered.at(-1)?.event?.streamId !== 'later') delivered.push(...(await take(subscription, 1)));
    const names = new Set(delivered.map(({ event }) => event?.streamId));
    expect([...names].filter((name) => name?.startsWith('$persistentsubscription-$all'))).toEqual([]);
    expect((await infoOf(client)).stats.parkedMessageCount).toBe(1n);
  });
});

describe('a filtered group to all', () => {
  it.each([
    ['stream names', orders, [1, 3, 5, 7, 9]],
    ['stream names by expression', streamNameFilter({ regex: '^or.*1$' }), [1, 3, 5, 7, 9]],
    ['event types', eventTypeFilter({ prefixes: ['Odd'] }), [1, 3, 5, 7, 9]],
    ['event types by expression', eventTypeFilter({ regex: 'dd$' }), [1, 3, 5, 7, 9]],
  ] as const)('delivers what matches by %s', async (_, filter, expected) => {
    const { client } = await startNode();
    for (let n = 0; n < 10; n++) {
      const odd = n % 2 === 1;
      await client.appendToStream(odd ? 'order-1' : 'other', jsonEvent({ type: odd ? 'Odd' : 'Even', data: { n } }));
    }
    await client.createPersistentSubscriptionToAll('g', allSettings(), { filter });
    const subscription = client.subscribeToPersistentSubscriptionToAll('g');
    expect(numbersOf(await take(subscription, 5))).toEqual(expected);
    await expect.poll(async () => (await infoOf(client)).stats.totalInFlightMessages).toBe(0);
    await client.updatePersistentSubscriptionToAll('g', allSettings());
    subscription.on('error', () => {});
    await client.appendToStream('elsewhere', event(0));
    await client.appendToStream('order-1', jsonEvent({ type: 'Odd', data: { n: 11 } }));
    const after = client.subscribeToPersistentSubscriptionToAll('g');
    expect(numbersOf(await take(after, 1))).toEqual([11]);
  });

  it('moves its checkpoint past events that do not match, without a client', async () => {
    const { client } = await startNode();
    const quick = { checkPointLowerBound: 1, checkPointUpperBound: 500, checkPointAfter: 1 };
    await client.createPersistentSubscriptionToAll('g', allSettings(quick), { filter: orders });
    const { position } = await client.appendToStream('other', events(3_000));
    await expect
      .poll(() => checkpointOf(client), { timeout: 5_000 })
      .toBeGreaterThanOrEqual(position?.commit as bigint);
  });

  it('does not move it past an event that was not answered', async () => {
    const { client } = await startNode();
    const quick = { checkPointLowerBound: 1, checkPointUpperBound: 1, checkPointAfter: 1 };
    await client.createPersistentSubscriptionToAll('g', allSettings(quick), { filter: orders });
    const { position } = await client.appendToStream('other', event(0));
    await client.appendToStream('order-1', event(1));
    await client.appendToStream('other', events(100));
    await expect.poll(() => checkpointOf(client), { timeout: 5_000 }).toBe(position?.commit);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(await checkpointOf(client)).toBe(position?.commit);
  });

  it('writes no checkpoints because of its own checkpoints', async () => {
    const { client } = await startNode();
    const quick = { checkPointLowerBound: 1, checkPointUpperBound: 1, checkPointAfter: 1 };
    for (const group of ['g', 'h']) {
      await client.createPersistentSubscriptionToAll(group, allSettings(quick), { filter: orders });
    }
    await client.appendToStream('other', events(10));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const count = async () => (await collect(client.readAll())).length;
    const before = await count();
    const stored = await checkpointOf(client);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(await count()).toBe(before);
    expect(await checkpointOf(client)).toBe(stored);
  });
});

describe('lists', () => {
  it('tell groups apart by their stream', async () => {
    const { client } = await startNode();
    await client.createPersistentSubscriptionToStream('order-1', 'a', streamSettings());
    await client.createPersistentSubscriptionToStream('order-1', 'b', streamSettings());
    await client.createPersistentSubscriptionToAll('c', allSettings());
    const names = (infos: { eventSource: string; groupName: string }[]) =>
      infos.map(({ eventSource, groupName }) => `${eventSource} ${groupName}`);
    expect(names(await client.listPersistentSubscriptionsToStream('order-1'))).toEqual(['order-1 a', 'order-1 b']);
    expect(names(await client.listPersistentSubscriptionsToAll())).toEqual(['$all c']);
    expect(names(await client.listAllPersistentSubscriptions())).toHaveLength(3);
  });
});
