import { connect as connectHttp2 } from 'node:http2';
import persistent from '@eventstore/db-client/generated/persistent_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { confirmed, streamSettings, watch } from './persistent-support.ts';
import { RawCall } from './raw-client.ts';
import { event, events, eventually, startNode } from './support.ts';

const { Empty, StreamIdentifier, UUID } = shared;
const SERVICE = '/event_store.client.persistent_subscriptions.PersistentSubscriptions';

const start = async () => {
  const { node, client } = await startNode();
  const session = connectHttp2(`http://127.0.0.1:${node.port}`);
  session.on('error', () => {});
  onTestFinished(() => session.destroy());
  const call = (method: string) =>
    new RawCall(
      session.request({
        ':method': 'POST',
        ':path': `${SERVICE}/${method}`,
        'content-type': 'application/grpc',
        te: 'trailers',
      }),
    );
  return { node, client, call };
};

const identifier = (name: string) => {
  const message = new StreamIdentifier();
  message.setStreamName(Buffer.from(name).toString('base64'));
  return message;
};

type Creation = {
  readonly strategy?: string;
  readonly number?: 0 | 1 | 2;
  /** Names the stream as newer clients do. */
  readonly modern?: boolean;
};

const createRequest = ({ strategy, number, modern }: Creation) => {
  const settings = new persistent.CreateReq.Settings();
  settings.setReadBatchSize(20);
  settings.setHistoryBufferSize(500);
  settings.setLiveBufferSize(500);
  settings.setMessageTimeoutTicks('300000000');
  settings.setCheckpointAfterTicks('20000000');
  if (number !== undefined) settings.setNamedConsumerStrategy(number);
  if (strategy !== undefined) settings.setConsumerStrategy(strategy);
  const options = new persistent.CreateReq.Options();
  options.setGroupName('g');
  options.setSettings(settings);
  if (modern) {
    const stream = new persistent.CreateReq.StreamOptions();
    stream.setStreamIdentifier(identifier('order-1'));
    stream.setRevision('2');
    options.setStream(stream);
  } else options.setStreamIdentifier(identifier('order-1'));
  const request = new persistent.CreateReq();
  request.setOptions(options);
  return request;
};

const readRequest = (bufferSize: number, ids: 'text' | 'structured' = 'text') => {
  const uuids = new persistent.ReadReq.Options.UUIDOption();
  if (ids === 'text') uuids.setString(new Empty());
  else uuids.setStructured(new Empty());
  const options = new persistent.ReadReq.Options();
  options.setStreamIdentifier(identifier('order-1'));
  options.setGroupName('g');
  options.setBufferSize(bufferSize);
  options.setUuidOption(uuids);
  const request = new persistent.ReadReq();
  request.setOptions(options);
  return request;
};

const nackRequest = (id: string, action: number) => {
  const uuid = new UUID();
  uuid.setString(id);
  const nack = new persistent.ReadReq.Nack();
  nack.addIds(uuid);
  nack.setAction(action as never);
  const request = new persistent.ReadReq();
  request.setNack(nack);
  return request;
};

const eventOf = (message: Buffer | undefined) => persistent.ReadResp.deserializeBinary(message as Buffer).getEvent();

describe('the strategy', () => {
  it.each([
    [{ number: 0 }, 'DispatchToSingle'],
    [{ number: 1 }, 'RoundRobin'],
    [{ number: 2 }, 'Pinned'],
    [{ strategy: 'PinnedByCorrelation' }, 'PinnedByCorrelation'],
    [{ strategy: 'RoundRobin', number: 2 }, 'RoundRobin'],
    [{ strategy: '', number: 2 }, 'Pinned'],
  ] as const)('%o is %s', async (creation, expected) => {
    const { client, call } = await start();
    expect(await call('Create').send(createRequest(creation)).end().ended).toMatchObject({ 'grpc-status': '0' });
    const { settings } = await client.getPersistentSubscriptionToStreamInfo('order-1', 'g');
    expect(settings).toMatchObject({ consumerStrategyName: expected, messageTimeout: 30_000, checkPointAfter: 2_000 });
  });

  it('that does not exist is refused', async () => {
    const { call } = await start();
    const ended = await call('Create')
      .send(createRequest({ strategy: 'Nearest' }))
      .end().ended;
    expect(ended).toMatchObject({
      'grpc-status': '13',
      exception: 'persistent-subscription-failed',
      'stream-name': 'order-1',
      'group-name': 'g',
      reason: 'consumer strategy Nearest does not exist',
    });
  });

  it('PinnedByCorrelation keeps correlated events together, whatever their streams', async () => {
    const { client, call } = await start();
    await call('Create')
      .send(createRequest({ strategy: 'PinnedByCorrelation' }))
      .end().ended;
    const clients = [0, 1].map(() => {
      const subscription = client.subscribeToPersistentSubscriptionToStream('order-1', 'g', { bufferSize: 100 });
      return { subscription, ...watch(subscription) };
    });
    await Promise.all(clients.map(({ subscription }) => confirmed(subscription)));
    const correlated = Array.from({ length: 60 }, (_, n) => ({
      ...event(n),
      metadata: { $correlationId: `flow-${n % 20}` },
    }));
    await client.appendToStream('order-1', correlated);
    await eventually(() => clients.reduce((sum, { delivered }) => sum + delivered.length, 0) === 60);
    const flows = clients.map(({ delivered }) => new Set(delivered.map(({ event }) => (event?.data.n as number) % 20)));
    expect(flows.reduce((sum, { size }) => sum + size, 0)).toBe(20);
    expect(flows.every(({ size }) => size > 0)).toBe(true);
  });
});

describe('a request of a newer client', () => {
  it('gives the stream and the start in one message', async () => {
    const { client, call } = await start();
    await call('Create')
      .send(createRequest({ number: 1, modern: true }))
      .end().ended;
    const { settings } = await client.getPersistentSubscriptionToStreamInfo('order-1', 'g');
    expect(settings.startFrom).toBe(2n);
  });
});

describe('a Read call', () => {
  it('gets ids in two halves if it asks for them, and may answer with them', async () => {
    const { client, call } = await start();
    await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings());
    const appended = event(0);
    await client.appendToStream('order-1', appended);
    const read = call('Read').send(readRequest(1, 'structured'));
    await eventually(() => read.messages.length === 2);
    const id = eventOf(read.messages[1])?.getEvent()?.getId();
    const halves = [id?.getStructured()?.getMostSignificantBits(), id?.getStructured()?.getLeastSignificantBits()];
    const hex = halves.map((half) =>
      BigInt.asUintN(64, BigInt(half ?? 0))
        .toString(16)
        .padStart(16, '0'),
    );
    expect(hex.join('')).toBe(appended.id.replaceAll('-', ''));
    const ack = new persistent.ReadReq.Ack();
    ack.addIds(id);
    const request = new persistent.ReadReq();
    request.setAck(ack);
    read.send(request);
    await client.appendToStream('order-1', event(1));
    await eventually(() => read.messages.length === 3);
  });

  it.each([
    ['unknown', 0, 1],
    ['retry', 2, 1],
  ])('that answers %s gets the message again', async (_, action, retryCount) => {
    const { client, call } = await start();
    await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings());
    const appended = event(0);
    await client.appendToStream('order-1', appended);
    const read = call('Read').send(readRequest(1));
    await eventually(() => read.messages.length === 2);
    read.send(nackRequest(appended.id, action));
    await eventually(() => read.messages.length === 3);
    expect(eventOf(read.messages[1])?.hasRetryCount()).toBe(true);
    expect(eventOf(read.messages[2])?.getRetryCount()).toBe(retryCount);
  });

  it.each([
    ['answers before it has connected', () => nackRequest(event(0).id, 1), '3'],
    ['asks for a group without a name', () => new persistent.ReadReq(), '3'],
    ['is no message', () => Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]), '13'],
  ])('that %s is refused and disturbs no other', async (_, message, status) => {
    const { client, call } = await start();
    const ended = call('Read').send(message()).ended;
    expect(await ended).toMatchObject({ 'grpc-status': status });
    await expect(
      client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings()),
    ).resolves.toBeUndefined();
  });

  it('that connects twice is ended, and its messages go to others', async () => {
    const { client, call } = await start();
    await client.appendToStream('order-1', event(0));
    await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings());
    const read = call('Read').send(readRequest(1));
    await eventually(() => read.messages.length === 2);
    expect(await read.send(readRequest(1)).ended).toMatchObject({ 'grpc-status': '3' });
    const { delivered } = watch(client.subscribeToPersistentSubscriptionToStream('order-1', 'g'));
    await eventually(() => delivered.length === 1);
    expect(delivered[0]?.retryCount).toBe(1);
  });

  it('that half-closes is ended', async () => {
    const { client, call } = await start();
    await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings());
    const read = call('Read').send(readRequest(1));
    await eventually(() => read.messages.length === 1);
    expect(await read.end().ended).toMatchObject({ 'grpc-status': '0' });
    const { connections } = await client.getPersistentSubscriptionToStreamInfo('order-1', 'g');
    expect(connections).toEqual([]);
  });

  it('that reads nothing is sent no more than its connection buffers, however large its own buffer', async () => {
    const { client, call } = await start();
    for (let n = 0; n < 40; n++) {
      await client.appendToStream('order-1', { ...event(n), data: { n, pad: 'x'.repeat(400_000) } });
    }
    await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings());
    const read = call('Read');
    read.stream.pause();
    read.send(readRequest(1_000));
    const inFlight = async () =>
      (await client.getPersistentSubscriptionToStreamInfo('order-1', 'g')).stats.totalInFlightMessages;
    await expect.poll(inFlight).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await inFlight()).toBeLessThan(10);
    read.stream.resume();
    await eventually(() => read.messages.length === 41);
  });

  it('that vanishes with its connection leaves nothing behind', async () => {
    const { client, call } = await start();
    await client.appendToStream('order-1', events(3));
    await client.createPersistentSubscriptionToStream('order-1', 'g', streamSettings());
    const read = call('Read').send(readRequest(10));
    await eventually(() => read.messages.length === 4);
    read.stream.session?.destroy();
    const info = () => client.getPersistentSubscriptionToStreamInfo('order-1', 'g');
    await expect.poll(async () => (await info()).connections).toEqual([]);
    expect((await info()).stats).toMatchObject({ totalInFlightMessages: 0, retryBufferCount: 3 });
  });
});
