import {
  type AllStreamSubscription,
  binaryEvent,
  END,
  type EventStoreDBClient,
  eventTypeFilter,
  excludeSystemEvents,
  jsonEvent,
  type Position,
  START,
  StreamDeletedError,
  type StreamSubscription,
  streamNameFilter,
} from '@eventstore/db-client';
import { describe, expect, it } from 'vitest';
import { collect, dataOf, event, events, eventually, type Received, startNode, until } from './support.ts';

const numbers = (received: Received[]) => received.map(({ event }) => event?.data.n);

/** What a subscription says beside its events, in order. */
const record = (subscription: StreamSubscription | AllStreamSubscription) => {
  const log: (string | number)[] = [];
  subscription.on('confirmation', () => log.push('confirmed'));
  subscription.on('caughtUp', () => log.push('caughtUp'));
  subscription.on('data', (resolved: unknown) => log.push((resolved as Received).event?.data.n ?? -1));
  subscription.on('error', (error: Error) => log.push(error.constructor.name));
  subscription.on('end', () => log.push('end'));
  return log;
};

describe('a subscription to a stream', () => {
  it('delivers history, reports once that it has caught up, then delivers live events', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(3));
    await client.appendToStream('order-2', events(3));
    const subscription = client.subscribeToStream('order-1', { fromRevision: START });
    const log = record(subscription);
    await eventually(() => log.includes('caughtUp'));
    await client.appendToStream('order-1', events(2, 3));
    await client.appendToStream('order-2', event(9));
    await client.appendToStream('order-1', event(5));
    await eventually(() => log.includes(5));

    expect(log).toEqual(['confirmed', 0, 1, 2, 'caughtUp', 3, 4, 5]);
    await subscription.unsubscribe();
    await eventually(() => log.includes('end'));
    expect(log.filter((entry) => typeof entry === 'string')).toEqual(['confirmed', 'caughtUp', 'end']);
  });

  it.each([
    { fromRevision: 1n, expected: [2, 3, 4] },
    { fromRevision: END, expected: [3, 4] },
    { fromRevision: 3n, expected: [4] },
  ] as const)('from $fromRevision starts behind that', async ({ fromRevision, expected }) => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(3));
    const subscription = client.subscribeToStream('order-1', { fromRevision });
    const log = record(subscription);
    await eventually(() => log.includes('caughtUp'));
    await client.appendToStream('order-1', events(2, 3));
    await eventually(() => log.includes(4));
    expect(log.filter((entry) => typeof entry === 'number')).toEqual(expected);
    await subscription.unsubscribe();
  });

  it('waits for a stream that does not exist yet', async () => {
    const { client } = await startNode();
    const subscription = client.subscribeToStream('later', { fromRevision: START });
    const log = record(subscription);
    await eventually(() => log.includes('caughtUp'));
    await client.appendToStream('later', events(2));
    await eventually(() => log.includes(1));
    expect(log).toEqual(['confirmed', 'caughtUp', 0, 1]);
    await subscription.unsubscribe();
  });

  it('ends when the stream is tombstoned', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', event(0));
    const log = record(client.subscribeToStream('order-1', { fromRevision: START }));
    await eventually(() => log.includes('caughtUp'));
    await client.tombstoneStream('order-1');
    await eventually(() => log.includes(StreamDeletedError.name));
    expect(log).toEqual(['confirmed', 0, 'caughtUp', -1, StreamDeletedError.name]);
    const late = record(client.subscribeToStream('order-1', { fromRevision: START }));
    await eventually(() => late.includes(StreamDeletedError.name));
  });

  it('shows the history that a read would show, and every live event', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(5));
    await client.setStreamMetadata('order-1', { maxCount: 2 });
    const subscription = client.subscribeToStream('order-1', { fromRevision: START });
    const log = record(subscription);
    await eventually(() => log.includes('caughtUp'));
    await client.appendToStream('order-1', events(4, 5));
    await eventually(() => log.includes(8));
    expect(log).toEqual(['confirmed', 3, 4, 'caughtUp', 5, 6, 7, 8]);
    await subscription.unsubscribe();
  });

  it('continues after a soft delete with the next append', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(2));
    const subscription = client.subscribeToStream('order-1', { fromRevision: START });
    const log = record(subscription);
    await eventually(() => log.includes('caughtUp'));
    await client.deleteStream('order-1');
    await client.appendToStream('order-1', event(2));
    await eventually(() => log.includes(2));
    expect(log).toEqual(['confirmed', 0, 1, 'caughtUp', 2]);
    await subscription.unsubscribe();
  });
});

describe('a subscription to $all', () => {
  it('from a position starts after it', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(3));
    const { position } = await client.appendToStream('order-1', event(3));
    await client.appendToStream('order-1', events(2, 4));
    const subscription = client.subscribeToAll({ fromPosition: position as Position });
    expect(numbers(await until(subscription, (received) => received.length === 2))).toEqual([4, 5]);
  });

  it('from the end delivers only new events', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(3));
    const subscription = client.subscribeToAll({ fromPosition: END });
    const log = record(subscription);
    await eventually(() => log.includes('caughtUp'));
    await client.appendToStream('order-1', event(3));
    await eventually(() => log.includes(3));
    expect(log).toEqual(['confirmed', 'caughtUp', 3]);
    await subscription.unsubscribe();
  });

  it.each([0, 50, 400])(
    'neither loses nor repeats an event at the switch to live, %i events in',
    async (start) => {
      const { client } = await startNode();
      await client.appendToStream('history', events(500));
      const from = (await collect(client.readAll()))[start]?.event?.position as Position;
      const total = 500 + 20 * 60;
      const writers = Array.from({ length: 20 }, async (_, w) => {
        for (let i = 0; i < 60; i++) await client.appendToStream(`live-${w}`, event(500 + w * 60 + i));
      });
      const subscriptions = Array.from({ length: 5 }, async (_, i) => {
        await new Promise((resolve) => setTimeout(resolve, i * 15));
        const subscription = client.subscribeToAll({ fromPosition: from, filter: excludeSystemEvents() });
        return until(subscription, (received) => received.length >= total - start);
      });
      await Promise.all(writers);
      for (const received of await Promise.all(subscriptions)) {
        const positions = received.map(({ commitPosition }) => commitPosition as bigint);
        expect(positions.every((position, i) => i === 0 || position > (positions[i - 1] as bigint))).toBe(true);
        expect(new Set(numbers(received)).size).toBe(total - start);
      }
    },
    60_000,
  );

  it('reports exactly once that it has caught up, whatever is appended meanwhile', async () => {
    const { client } = await startNode();
    await client.appendToStream('history', events(2_000));
    let appending = true;
    const writer = (async () => {
      for (let n = 2_000; appending; n++) await client.appendToStream('live', event(n));
    })();
    for (let round = 0; round < 5; round++) {
      const subscription = client.subscribeToAll({ fromPosition: START });
      const log = record(subscription);
      await eventually(() => log.length > 2_300);
      expect(log.filter((entry) => entry === 'caughtUp')).toHaveLength(1);
      expect(log.indexOf('caughtUp')).toBeGreaterThan(2_000);
      await subscription.unsubscribe();
    }
    appending = false;
    await writer;
  }, 60_000);

  it('waits for a slow reader without losing events or delaying others', async () => {
    const { client } = await startNode();
    const slow = client.subscribeToAll({ fromPosition: START, filter: excludeSystemEvents() });
    const fast = client.subscribeToAll({ fromPosition: START, filter: excludeSystemEvents() });
    const pad = 'x'.repeat(20_000);
    const quick = until(fast, (received) => received.length === 600);
    const slowly: number[] = [];
    const slowReader = (async () => {
      for await (const { event } of slow) {
        if (slowly.length < 20) await new Promise((resolve) => setTimeout(resolve, 20));
        if (slowly.push(dataOf<{ n: number }>(event).n) === 600) break;
      }
    })();
    for (let n = 0; n < 600; n++) await client.appendToStream('big', jsonEvent({ type: 'T', data: { n, pad } }));
    expect(numbers(await quick)).toEqual(Array.from({ length: 600 }, (_, n) => n));
    await slowReader;
    expect(slowly).toEqual(Array.from({ length: 600 }, (_, n) => n));
  }, 60_000);

  it('resolves links', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(2));
    await client.appendToStream('links', binaryEvent({ type: '$>', data: Buffer.from('1@order-1') }));
    const filter = streamNameFilter({ prefixes: ['links'] });
    const subscription = client.subscribeToAll({ fromPosition: START, resolveLinkTos: true, filter });
    const [resolved] = await until(subscription, (received) => received.length === 1);
    expect(resolved).toMatchObject({
      event: { streamId: 'order-1', revision: 1n },
      link: { streamId: 'links', revision: 0n },
    });
  });
});

describe('a filter', () => {
  const filled = async () => {
    const { client } = await startNode();
    for (const [stream, type] of [
      ['order-1', 'OrderPlaced'],
      ['order-2', 'OrderShipped'],
      ['invoice-1', 'InvoiceSent'],
      ['xorder-1', 'PreOrderPlaced'],
    ] as const) {
      await client.appendToStream(stream, jsonEvent({ type, data: { n: 0 } }));
    }
    return client;
  };

  it.each([
    { filter: streamNameFilter({ prefixes: ['order-', 'invoice'] }), streams: ['order-1', 'order-2', 'invoice-1'] },
    { filter: streamNameFilter({ regex: 'order-\\d$' }), streams: ['order-1', 'order-2', 'xorder-1'] },
    { filter: eventTypeFilter({ prefixes: ['Order'] }), streams: ['order-1', 'order-2'] },
    { filter: eventTypeFilter({ regex: 'Placed$' }), streams: ['order-1', 'xorder-1'] },
    { filter: eventTypeFilter({ regex: '(?i)^orderplaced' }), streams: ['order-1'] },
    { filter: excludeSystemEvents(), streams: ['order-1', 'order-2', 'invoice-1', 'xorder-1'] },
  ])('passes only matching events ($streams)', async ({ filter, streams }) => {
    const client = await filled();
    const subscription = client.subscribeToAll({ fromPosition: START, filter });
    const received: string[] = [];
    let caughtUp = false;
    subscription.on('data', ({ event }) => received.push(event?.streamId as string));
    subscription.on('caughtUp', () => {
      caughtUp = true;
    });
    await eventually(() => caughtUp);
    expect(received).toEqual(streams);
    await subscription.unsubscribe();
  });

  it('that is not a regular expression is refused', async () => {
    const { client } = await startNode();
    const subscription = client.subscribeToAll({ fromPosition: START, filter: eventTypeFilter({ regex: '(' }) });
    await expect(until(subscription, () => false)).rejects.toMatchObject({ code: 3 });
  });

  const subscribeWithCheckpoints = (client: EventStoreDBClient, from: Position) => {
    const log: { event?: bigint; checkpoint?: bigint }[] = [];
    const filter = eventTypeFilter({
      prefixes: ['Counted'],
      maxSearchWindow: 10,
      checkpointInterval: 2,
      checkpointReached: async (_subscription, { commit }) => {
        log.push({ checkpoint: commit });
      },
    });
    const subscription = client.subscribeToAll({ fromPosition: from, filter });
    subscription.on('data', ({ commitPosition }) => log.push({ event: commitPosition as bigint }));
    return { subscription, log };
  };

  it('sends a checkpoint every window × multiplier events, matching or not, and at the end of history', async () => {
    const { client } = await startNode();
    const { position } = await client.appendToStream('order-1', event(0));
    await client.appendToStream(
      'other',
      Array.from({ length: 45 }, (_, n) => jsonEvent({ type: 'Other', data: { n } })),
    );
    const { subscription, log } = subscribeWithCheckpoints(client, position as Position);
    await eventually(() => log.length === 3);
    const others = (await collect(client.readStream('other'))).map(({ event }) => event?.position?.commit);
    expect(log).toEqual([{ checkpoint: others[19] }, { checkpoint: others[39] }, { checkpoint: others[44] }]);

    for (let n = 0; n < 40; n++) await client.appendToStream('order-1', event(n));
    await eventually(() => log.filter(({ checkpoint }) => checkpoint).length === 5);
    const live = log.slice(3);
    expect(live.findIndex(({ checkpoint }) => checkpoint)).toBe(20);
    expect(live[20]?.checkpoint).toBe(live[19]?.event);
    await subscription.unsubscribe();
  });

  it('sends checkpoints that lose nothing when resumed from', async () => {
    const { client } = await startNode();
    for (let n = 0; n < 60; n++) {
      await client.appendToStream('mixed', [event(n), jsonEvent({ type: 'Other', data: { n } })]);
    }
    const first = (await collect(client.readAll({ maxCount: 1 })))[0]?.event?.position as Position;
    const { subscription, log } = subscribeWithCheckpoints(client, first);
    await eventually(() => log.filter(({ event }) => event).length === 60);
    await subscription.unsubscribe();
    const delivered = log.map(({ event }) => event).filter((position) => position !== undefined);
    for (const [i, { checkpoint }] of log.entries()) {
      if (checkpoint === undefined) continue;
      const before = log.slice(0, i).filter(({ event }) => event !== undefined).length;
      const resumed = client.subscribeToAll({
        fromPosition: { commit: checkpoint, prepare: checkpoint },
        filter: eventTypeFilter({ prefixes: ['Counted'] }),
      });
      const rest = await until(resumed, (received) => received.length === 60 - before);
      expect(rest.map(({ commitPosition }) => commitPosition)).toEqual(delivered.slice(before));
    }
  });
});
