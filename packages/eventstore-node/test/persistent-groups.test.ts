import {
  BACKWARDS,
  END,
  type EventStoreDBClient,
  jsonEvent,
  PersistentSubscriptionDoesNotExistError,
  PersistentSubscriptionDroppedError,
  PersistentSubscriptionExistsError,
  PersistentSubscriptionFailedError,
  PersistentSubscriptionMaximumSubscribersReachedError,
  START,
  UNBOUNDED,
} from '@eventstore/db-client';
import { describe, expect, it } from 'vitest';
import { ack, allSettings, confirmed, nack, numbersOf, streamSettings, take, watch } from './persistent-support.ts';
import { collect, connect, event, events, startNode } from './support.ts';

const ODD = {
  resolveLinkTos: true,
  extraStatistics: true,
  messageTimeout: 12_345,
  maxRetryCount: 7,
  checkPointAfter: 345,
  checkPointLowerBound: 3,
  checkPointUpperBound: 33,
  maxSubscriberCount: 9,
  liveBufferSize: 77,
  readBatchSize: 11,
  historyBufferSize: 222,
  consumerStrategyName: 'Pinned',
} as const;

const withGroup = async () => {
  const { node, client } = await startNode();
  await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings());
  return { node, client };
};

const failureOf = (attempt: Promise<unknown>) =>
  attempt.then(
    () => undefined,
    (error) => error,
  );

describe('settings', () => {
  it.each([START, END, 3n] as const)(
    'of a group to a stream from %s are reported as they were given',
    async (startFrom) => {
      const { client } = await startNode();
      await client.createPersistentSubscriptionToStream('order-1', 'g', { ...ODD, startFrom });
      const info = await client.getPersistentSubscriptionToStreamInfo('order-1', 'g');
      expect(info.settings).toEqual({ ...ODD, startFrom });
      expect(info).toMatchObject({ eventSource: 'order-1', groupName: 'g', connections: [] });
    },
  );

  it.each([START, END, 'a position'] as const)(
    'of a group to all from %s are told as they were given',
    async (from) => {
      const { client } = await startNode();
      const { position } = await client.appendToStream('order-1', event(0));
      const startFrom = from === START || from === END ? from : position!;
      await client.createPersistentSubscriptionToAll('g', { ...ODD, startFrom });
      const info = await client.getPersistentSubscriptionToAllInfo('g');
      expect(info.settings).toEqual({ ...ODD, startFrom });
      expect(info).toMatchObject({ eventSource: '$all', groupName: 'g' });
    },
  );

  it('without a client limit are reported as such', async () => {
    const { client } = await withGroup();
    const { settings } = await client.getPersistentSubscriptionToStreamInfo('order-1', 'g');
    expect(settings).toEqual(streamSettings({ maxSubscriberCount: UNBOUNDED }));
  });

  it('are replaced by an update', async () => {
    const { client } = await withGroup();
    await client.updatePersistentSubscriptionToStream('order-1', 'g', { ...ODD, startFrom: 2n });
    const info = await client.getPersistentSubscriptionToStreamInfo('order-1', 'g');
    expect(info.settings).toEqual({ ...ODD, startFrom: 2n });
  });
});

describe('an existing group', () => {
  it('cannot be created again', async () => {
    const { client } = await withGroup();
    const failure = await failureOf(client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings()));
    expect(failure).toBeInstanceOf(PersistentSubscriptionExistsError);
    expect(failure).toMatchObject({ streamName: 'order-1', groupName: 'g' });
  });

  it('is created once when two ask for it at the same time', async () => {
    const { client } = await startNode();
    const attempts = Array.from({ length: 5 }, () =>
      failureOf(client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings())),
    );
    const failures = (await Promise.all(attempts)).filter((failure) => failure !== undefined);
    expect(failures.map((failure) => failure.constructor)).toEqual(Array(4).fill(PersistentSubscriptionExistsError));
  });

  it('may have the same name as a group of another stream', async () => {
    const { client } = await withGroup();
    await client.createPersistentSubscriptionToStream('order-2', 'g', streamSettings());
    await client.createPersistentSubscriptionToAll('g', allSettings());
    expect(await client.listAllPersistentSubscriptions()).toHaveLength(3);
  });

  it('accepts clients up to its limit', async () => {
    const { client } = await startNode();
    await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings({ maxSubscriberCount: 1 }));
    const first = client.subscribeToPersistentSubscriptionToStream('order-1', 'g');
    await confirmed(first);
    const failure = await watch(client.subscribeToPersistentSubscriptionToStream('order-1', 'g')).ended;
    expect(failure).toBeInstanceOf(PersistentSubscriptionMaximumSubscribersReachedError);
    expect(failure).toMatchObject({ streamName: 'order-1', groupName: 'g' });
    await first.unsubscribe();
    await expect
      .poll(async () => (await client.getPersistentSubscriptionToStreamInfo('order-1', 'g')).connections.length)
      .toBe(0);
    await confirmed(client.subscribeToPersistentSubscriptionToStream('order-1', 'g'));
  });

  it('is confirmed under its name', async () => {
    const { client } = await withGroup();
    const subscription = client.subscribeToPersistentSubscriptionToStream('order-1', 'g');
    await confirmed(subscription);
    expect(subscription.id).toBe('order-1::g');
  });
});

describe('a missing group', () => {
  const subscribe = (client: EventStoreDBClient) =>
    watch(client.subscribeToPersistentSubscriptionToStream('order-1', 'g')).ended.then((failure) => {
      throw failure;
    });

  it.each([
    ['updated', (c: EventStoreDBClient) => c.updatePersistentSubscriptionToStream('order-1', 'g', streamSettings())],
    ['deleted', (c: EventStoreDBClient) => c.deletePersistentSubscriptionToStream('order-1', 'g')],
    ['asked about', (c: EventStoreDBClient) => c.getPersistentSubscriptionToStreamInfo('order-1', 'g')],
    ['replayed', (c: EventStoreDBClient) => c.replayParkedMessagesToStream('order-1', 'g')],
    ['connected to', subscribe],
  ])('cannot be %s', async (_, use) => {
    const { client } = await startNode();
    const failure = await failureOf(use(client));
    expect(failure).toBeInstanceOf(PersistentSubscriptionDoesNotExistError);
    expect(failure).toMatchObject({ streamName: 'order-1', groupName: 'g' });
    expect(failure.message).toContain('Subscription group g on stream order-1 does not exist.');
  });

  it('makes listing a stream without groups fail', async () => {
    const { client } = await withGroup();
    const failure = await failureOf(client.listPersistentSubscriptionsToStream('order-2'));
    expect(failure).toBeInstanceOf(PersistentSubscriptionDoesNotExistError);
    expect(failure.message).toContain('Subscription group  on stream order-2 does not exist.');
    const all = await failureOf(client.listPersistentSubscriptionsToAll());
    expect(all).toBeInstanceOf(PersistentSubscriptionDoesNotExistError);
  });

  it('makes the list of all groups empty, not an error', async () => {
    const { client } = await startNode();
    expect(await client.listAllPersistentSubscriptions()).toEqual([]);
  });
});

describe('meaningless settings', () => {
  it.each([
    ['a batch as large as the buffer', { readBatchSize: 20, historyBufferSize: 20 }],
    ['a batch larger than the buffer', { readBatchSize: 21, historyBufferSize: 20 }],
  ])('are refused: %s', async (_, overrides) => {
    const { client } = await withGroup();
    const failures = await Promise.all(
      [
        client.createPersistentSubscriptionToStream('order-2', 'g', streamSettings(overrides)),
        client.createPersistentSubscriptionToAll('g', allSettings(overrides)),
        client.updatePersistentSubscriptionToStream('order-1', 'g', streamSettings(overrides)),
      ].map(failureOf),
    );
    for (const failure of failures) expect(failure).toBeInstanceOf(PersistentSubscriptionFailedError);
  });

  it.each([
    ['an empty stream name', '', 'g'],
    ['an empty group name', 'order-1', ''],
    ['$all as if it were a stream', '$all', 'g'],
  ])('are refused: %s', async (_, stream, group) => {
    const { client } = await startNode();
    const failure = await failureOf(client.createPersistentSubscriptionToStream(stream, group, streamSettings()));
    expect(failure).toBeInstanceOf(PersistentSubscriptionFailedError);
    expect(failure).toMatchObject({ streamName: stream, groupName: group });
  });

  it('are refused: a start beyond the end of the log', async () => {
    const { client } = await startNode();
    const startFrom = { commit: 10n ** 9n, prepare: 10n ** 9n };
    const failure = await failureOf(client.createPersistentSubscriptionToAll('g', allSettings({ startFrom })));
    expect(failure).toBeInstanceOf(PersistentSubscriptionFailedError);
    expect(failure.reason).toContain('beyond');
  });
});

describe('under a connected client', () => {
  it.each([
    ['deleted', (c: EventStoreDBClient) => c.deletePersistentSubscriptionToStream('order-1', 'g')],
    ['updated', (c: EventStoreDBClient) => c.updatePersistentSubscriptionToStream('order-1', 'g', streamSettings())],
    ['restarted', (c: EventStoreDBClient) => c.restartPersistentSubscriptionSubsystem()],
  ])('a group that is %s drops the client', async (_, change) => {
    const { node, client } = await withGroup();
    const subscription = client.subscribeToPersistentSubscriptionToStream('order-1', 'g');
    const { ended } = watch(subscription);
    await confirmed(subscription);
    await change(connect(node.connectionString));
    const failure = await ended;
    expect(failure).toBeInstanceOf(PersistentSubscriptionDroppedError);
    expect(failure).toMatchObject({ streamName: 'order-1', groupName: 'g' });
  });

  it('an update keeps the progress of the group, and its parked messages', async () => {
    const { client } = await withGroup();
    await client.appendToStream('order-1', events(6));
    const first = client.subscribeToPersistentSubscriptionToStream('order-1', 'g', { bufferSize: 1 });
    await take(first, 3, (sub, one, n) => (n === 1 ? nack('park') : ack)(sub, one, n));
    first.on('error', () => {});
    await eventuallyTaken(client, 3);
    await client.updatePersistentSubscriptionToStream('order-1', 'g', streamSettings({ maxRetryCount: 1 }));
    const second = client.subscribeToPersistentSubscriptionToStream('order-1', 'g');
    expect(numbersOf(await take(second, 3))).toEqual([3, 4, 5]);
    expect((await client.getPersistentSubscriptionToStreamInfo('order-1', 'g')).stats.parkedMessageCount).toBe(1n);
  });

  it('a restart continues from the progress of the group', async () => {
    const { client } = await withGroup();
    await client.appendToStream('order-1', events(6));
    const first = client.subscribeToPersistentSubscriptionToStream('order-1', 'g', { bufferSize: 1 });
    await take(first, 3);
    first.on('error', () => {});
    await eventuallyTaken(client, 3);
    await client.restartPersistentSubscriptionSubsystem();
    const second = client.subscribeToPersistentSubscriptionToStream('order-1', 'g');
    expect(numbersOf(await take(second, 3))).toEqual([3, 4, 5]);
  });

  /** The node has taken the answers to the first `count` events when it has sent the next. */
  const eventuallyTaken = (client: EventStoreDBClient, count: number) =>
    expect
      .poll(async () => (await client.getPersistentSubscriptionToStreamInfo('order-1', 'g')).stats.totalItems)
      .toBeGreaterThan(BigInt(count));
});

describe('a group that was deleted', () => {
  it('and created again starts fresh, with nothing parked', async () => {
    const { client } = await withGroup();
    await client.appendToStream('order-1', events(3));
    const first = client.subscribeToPersistentSubscriptionToStream('order-1', 'g');
    await take(first, 3, (sub, one, n) => (n === 0 ? nack('park') : ack)(sub, one, n));
    first.on('error', () => {});
    await client.updatePersistentSubscriptionToStream('order-1', 'g', streamSettings());
    await client.deletePersistentSubscriptionToStream('order-1', 'g');
    await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings());
    const { stats } = await client.getPersistentSubscriptionToStreamInfo('order-1', 'g');
    expect(stats).toMatchObject({ parkedMessageCount: 0n, lastCheckpointedEventRevision: undefined });
    const second = client.subscribeToPersistentSubscriptionToStream('order-1', 'g');
    expect(numbersOf(await take(second, 3))).toEqual([0, 1, 2]);
  });

  it('leaves the stream without groups', async () => {
    const { client } = await withGroup();
    await client.deletePersistentSubscriptionToStream('order-1', 'g');
    expect(await client.listAllPersistentSubscriptions()).toEqual([]);
  });
});

describe('statistics', () => {
  it('count sent, in-flight and waiting messages, and name the client', async () => {
    const { node } = await startNode();
    const client = connect(`${node.connectionString}&connectionName=warehouse`);
    await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings({ extraStatistics: true }));
    await client.appendToStream('order-1', events(10));
    const subscription = client.subscribeToPersistentSubscriptionToStream('order-1', 'g', { bufferSize: 4 });
    await take(subscription, 5, (sub, one, n) => (n < 3 ? ack(sub, one, n) : undefined));
    await expect
      .poll(() => statsOf(client))
      .toMatchObject({
        totalItems: 7n,
        totalInFlightMessages: 4,
        outstandingMessagesCount: 4,
        liveBufferCount: 3n,
        readBufferCount: 0,
        retryBufferCount: 0,
        parkedMessageCount: 0n,
        lastKnownEventRevision: 9n,
      });
    const { status, connections } = await client.getPersistentSubscriptionToStreamInfo('order-1', 'g');
    expect(status).toBe('Live');
    expect(connections).toMatchObject([
      { connectionName: 'warehouse', username: 'system', totalItems: 7n, availableSlots: 0, inFlightMessages: 4 },
    ]);
    expect(connections[0]?.from).toMatch(/^127\.0\.0\.1:\d+$/);
    const measured = connections[0]?.extraStatistics;
    expect([...(measured?.keys() ?? [])]).toEqual(
      expect.arrayContaining(['mean', 'median', 'fastest', 'quintile 1', 'quintile 5', '90%', '99.9%', 'highest']),
    );
  });

  it('report how far a group is behind', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(50));
    const small = { readBatchSize: 5, historyBufferSize: 20, liveBufferSize: 5 };
    await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings(small));
    await expect.poll(() => statsOf(client)).toMatchObject({ readBufferCount: 20, liveBufferCount: 0n });
    const { status } = await client.getPersistentSubscriptionToStreamInfo('order-1', 'g');
    expect(status).toBe('Behind');
  });

  it('omit extra measurements unless asked for', async () => {
    const { client } = await withGroup();
    await confirmed(client.subscribeToPersistentSubscriptionToStream('order-1', 'g'));
    const { connections } = await client.getPersistentSubscriptionToStreamInfo('order-1', 'g');
    expect(connections[0]?.extraStatistics).toBeUndefined();
  });

  const statsOf = async (client: EventStoreDBClient) =>
    (await client.getPersistentSubscriptionToStreamInfo('order-1', 'g')).stats;
});

describe('the list of groups', () => {
  it('is kept as JSON in the log, the newest first', async () => {
    const { client } = await withGroup();
    await client.createPersistentSubscriptionToAll('h', allSettings());
    const config = await collect(
      client.readStream('$persistentSubscriptionConfig', { direction: BACKWARDS, fromRevision: END }),
    );
    expect(config[0]?.event).toMatchObject({
      type: '$PersistentConfig',
      data: {
        entries: [
          { stream: 'order-1', group: 'g' },
          { stream: '$all', group: 'h' },
        ],
      },
    });
  });

  it('survives what other programs write to its stream', async () => {
    const { client } = await withGroup();
    await client.appendToStream(
      '$persistentSubscriptionConfig',
      jsonEvent({ type: '$PersistentConfig', data: { entries: [{ stream: 'x' }] } }),
    );
    await client.restartPersistentSubscriptionSubsystem();
    expect(await client.listPersistentSubscriptionsToStream('order-1')).toHaveLength(1);
  });
});
