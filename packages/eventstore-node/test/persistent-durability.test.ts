import type { EventStoreDBClient } from '@eventstore/db-client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startEventStoreNode } from '../src/index.ts';
import { ack, allSettings, confirmed, nack, numbersOf, streamSettings, take, watch } from './persistent-support.ts';
import { collect, connect, event, events, kill, spawnOn, temporaryFolder } from './support.ts';

/** Checkpoints at once. */
const QUICK = { checkPointLowerBound: 1, checkPointUpperBound: 1, checkPointAfter: 1 };

const processOn = async (dataDir: string) => {
  const node = await spawnOn(dataDir);
  return { kill: () => kill(node), client: connect(node.connectionString) };
};

const startOn = async (dataDir: string) => {
  const node = await startEventStoreNode({ dataDir });
  onTestFinished(() => node.stop());
  return { node, client: connect(node.connectionString) };
};

const subscribe = (client: EventStoreDBClient, bufferSize = 10) => {
  const subscription = client.subscribeToPersistentSubscriptionToStream('order-1', 'g', { bufferSize });
  subscription.on('error', () => {});
  return subscription;
};

const infoOf = (client: EventStoreDBClient) => client.getPersistentSubscriptionToStreamInfo('order-1', 'g');

describe('a node that is stopped', () => {
  it('ends its clients with UNAVAILABLE and has stored their progress', async () => {
    const folder = await temporaryFolder();
    const first = await startOn(folder);
    await first.client.appendToStream('order-1', events(6));
    await first.client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings());
    const subscription = subscribe(first.client, 1);
    const { ended } = watch(subscription);
    await take(subscription, 4, (sub, one, n) => (n < 3 ? ack(sub, one, n) : undefined));
    await first.node.stop();
    expect(await ended).toMatchObject({ code: 14 });

    const second = await startOn(folder);
    expect(numbersOf(await take(subscribe(second.client), 3))).toEqual([3, 4, 5]);
    expect((await infoOf(second.client)).stats.lastCheckpointedEventRevision).toBe(2n);
  });

  it('keeps settings, filters and parked messages', async () => {
    const folder = await temporaryFolder();
    const filter = {
      filterOn: 'streamName',
      prefixes: ['order-'],
      maxSearchWindow: 32,
      checkpointInterval: 1,
    } as const;
    const first = await startOn(folder);
    await first.client.appendToStream('other', events(3));
    await first.client.appendToStream('order-1', events(3));
    await first.client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings(QUICK));
    await first.client.createPersistentSubscriptionToAll('a', allSettings(), {
      filter: { ...filter, prefixes: [...filter.prefixes] },
    });
    await take(subscribe(first.client), 3, (sub, one, n) => (n === 1 ? nack('park') : ack)(sub, one, n));
    await expect.poll(async () => (await infoOf(first.client)).stats.parkedMessageCount).toBe(1n);
    await first.node.stop();

    const { client } = await startOn(folder);
    const info = await infoOf(client);
    expect(info.settings).toEqual(streamSettings(QUICK));
    expect(info.stats.parkedMessageCount).toBe(1n);
    await client.replayParkedMessagesToStream('order-1', 'g');
    expect(numbersOf(await take(subscribe(client), 1))).toEqual([1]);
    const all = client.subscribeToPersistentSubscriptionToAll('a');
    expect((await take(all, 3)).map(({ event }) => event?.streamId)).toEqual(['order-1', 'order-1', 'order-1']);
  });

  it('knows after the restart where the end was when a group was created', async () => {
    const folder = await temporaryFolder();
    const first = await startOn(folder);
    await first.client.appendToStream('order-1', events(3));
    await first.client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings({ startFrom: 'end' }));
    await first.client.createPersistentSubscriptionToAll('a', allSettings({ startFrom: 'end' }));
    await first.client.appendToStream('order-1', events(2, 3));
    await first.node.stop();

    const second = await startOn(folder);
    await second.client.appendToStream('order-1', event(5));
    expect(numbersOf(await take(subscribe(second.client), 3))).toEqual([3, 4, 5]);
    const delivered = await take(second.client.subscribeToPersistentSubscriptionToAll('a'), 3);
    expect(numbersOf(delivered)).toEqual([3, 4, 5]);
  });

  it('does not bring back a deleted group', async () => {
    const folder = await temporaryFolder();
    const first = await startOn(folder);
    await first.client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings());
    await first.client.createPersistentSubscriptionToStream('order-1', 'h', streamSettings());
    await first.client.deletePersistentSubscriptionToStream('order-1', 'g');
    await first.node.stop();
    const { client } = await startOn(folder);
    const names = (await client.listAllPersistentSubscriptions()).map(({ groupName }) => groupName);
    expect(names).toEqual(['h']);
  });
});

describe('a node that is killed', () => {
  it('loses no event of a group, and repeats only those after the stored checkpoint', async () => {
    const folder = await temporaryFolder();
    const handled: number[] = [];
    let stored = 0n;
    for (let round = 0; round < 3; round++) {
      const { client, kill } = await processOn(folder);
      if (round === 0) {
        await client.appendToStream('order-1', events(300));
        await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings(QUICK));
      }
      const subscription = subscribe(client);
      await confirmed(subscription);
      const { delivered } = watch(subscription);
      await take(subscription, 60);
      stored = (await infoOf(client)).stats.lastCheckpointedEventRevision ?? -1n;
      await kill();
      handled.push(...(numbersOf(delivered) as number[]));
    }
    const { client } = await processOn(folder);
    const rest = await take(subscribe(client, 1), 1, () => {});
    expect(rest[0]?.event?.revision).toBeLessThanOrEqual(BigInt(new Set(handled).size));
    expect(rest[0]?.event?.revision).toBeGreaterThan(stored);
    expect([...new Set(handled)].toSorted((a, b) => a - b)).toEqual(Array.from(new Set(handled), (_, n) => n));
  }, 60_000);

  it('keeps every message whose parking moved a checkpoint', async () => {
    const folder = await temporaryFolder();
    const first = await processOn(folder);
    await first.client.appendToStream('order-1', events(50));
    await first.client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings(QUICK));
    await take(subscribe(first.client), 50, nack('park'));
    await first.kill();
    const { client } = await processOn(folder);
    const { parkedMessageCount, lastCheckpointedEventRevision = -1n } = (await infoOf(client)).stats;
    expect(parkedMessageCount).toBeGreaterThan(lastCheckpointedEventRevision);
    const parked = await collect(client.readStream('$persistentsubscription-order-1::g-parked'));
    expect(parked.length).toBe(Number(parkedMessageCount));
  }, 30_000);
});
