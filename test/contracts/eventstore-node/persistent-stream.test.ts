import { describe, expect, it } from 'vitest';
import { numbersOf, streamSettings, take } from './persistent-support.ts';
import { events, startNode } from './support.ts';

describe('a group to a stream', () => {
  it('delivers what is there and what comes, in order, and once what is acknowledged', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(5));
    await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings());
    const subscription = client.subscribeToPersistentSubscriptionToStream('order-1', 'g');
    expect(numbersOf(await take(subscription, 5))).toEqual([0, 1, 2, 3, 4]);
    await client.appendToStream('order-1', events(20, 5));
    const live = await take(subscription, 20);
    expect(numbersOf(live)).toEqual(Array.from({ length: 20 }, (_, i) => i + 5));
    expect(live.every(({ retryCount, link }) => retryCount === 0 && link === undefined)).toBe(true);
    await subscription.unsubscribe();
  });
});
