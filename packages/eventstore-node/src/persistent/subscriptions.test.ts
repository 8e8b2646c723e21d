import { describe, expect, it, onTestFinished } from 'vitest';
import { FlakyLog } from '../../test/flaky-log.ts';
import { Call } from '../grpc/call.ts';
import type { GrpcError } from '../grpc/status.ts';
import { EventIndex } from '../index/event-index.ts';
import { ProtoReader } from '../protobuf/reader.ts';
import { DamagedLog, LogFailure } from '../storage/log.ts';
import type { StoredRecord } from '../storage/record.ts';
import { Committer } from '../store/committer.ts';
import { EventStore } from '../store/event-store.ts';
import { nodeEvent } from '../store/proposed-event.ts';
import { readUuid } from '../wire/uuid.ts';
import { NodeWrites } from './node-writes.ts';
import type { GroupSettings } from './settings.ts';
import { PersistentSubscriptions } from './subscriptions.ts';

const KEY = { stream: 'order-1', group: 'g' };
const PARKED = '$persistentsubscription-order-1::g-parked';

const SETTINGS: GroupSettings = {
  resolveLinks: false,
  startFrom: 'start',
  extraStatistics: false,
  messageTimeoutMs: 0,
  maxRetryCount: 10,
  checkpointAfterMs: 0,
  minCheckpointCount: 1,
  maxCheckpointCount: 1,
  maxSubscriberCount: 0,
  liveBufferSize: 50,
  readBatchSize: 5,
  historyBufferSize: 50,
  strategy: 'RoundRobin',
};

/** The events of one stream may be damaged. */
class FlakyStore extends EventStore {
  damaged: string | undefined;

  override recordIn(run: Buffer, first: number, ordinal: number): StoredRecord {
    const record = super.recordIn(run, first, ordinal);
    if (record.streamName === this.damaged) throw new DamagedLog(record.position, 'damaged');
    return record;
  }
}

/** Takes what a client would be sent. */
class FakeCall extends Call {
  readonly ids: string[] = [];
  failure: GrpcError | undefined;
  onFailure = () => {};

  constructor() {
    super({} as never, {}, 'system');
  }

  override get peer(): string {
    return 'here:1';
  }

  override write(frames: Buffer): boolean {
    for (let at = 0; at < frames.length; at += 5 + frames.readUInt32BE(at + 1)) {
      this.#take(new ProtoReader(frames.subarray(at + 5, at + 5 + frames.readUInt32BE(at + 1))));
    }
    return true;
  }

  override fail(error: GrpcError): void {
    this.failure = error;
    this.onFailure();
  }

  /** Notes the id to acknowledge: that of the link if there is one. */
  #take(response: ProtoReader): void {
    response.next();
    if (response.field !== 1) return;
    const event = response.message();
    let id = '';
    while (event.next()) if (event.field <= 2) id = idOf(event.message());
    this.ids.push(id);
  }
}

const idOf = (recorded: ProtoReader): string => {
  recorded.next();
  return readUuid(recorded.message());
};

const start = async () => {
  const log = new FlakyLog();
  const store = new FlakyStore(log, new EventIndex());
  const committer = new Committer(store, Date.now);
  const writes = new NodeWrites(committer);
  const clock = { now: Date.now() };
  const subscriptions = new PersistentSubscriptions({ store, writes, now: () => clock.now });
  subscriptions.start();
  onTestFinished(async () => {
    log.failure = undefined;
    await subscriptions.stop();
    await committer.stop();
  });
  const append = async (n: number) => {
    const event = nodeEvent('T', Buffer.from(`{"n":${n}}`), true);
    await writes.append('order-1', event);
    return event.id;
  };
  const connect = () => {
    const call = new FakeCall();
    const request = { key: KEY, bufferSize: 10, structuredIds: false };
    return { call, connection: subscriptions.find(KEY).connect(call, request, () => true) };
  };
  return { log, store, writes, clock, subscriptions, append, connect };
};

const full = () => new LogFailure('full', 'no space left');

/** Lets everything that is under way come to rest. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 30));

describe('while no event can be written', () => {
  it('a group is not created, deleted or changed', async () => {
    const { log, subscriptions } = await start();
    await subscriptions.create({ ...KEY, settings: SETTINGS, filter: undefined }, 'me');
    log.failure = full();
    const other = { stream: 'order-2', group: 'g' };
    await expect(subscriptions.create({ ...other, settings: SETTINGS, filter: undefined }, 'me')).rejects.toThrow(
      /space/,
    );
    await expect(subscriptions.delete(KEY, 'me')).rejects.toThrow(/space/);
    const changed = { ...KEY, settings: { ...SETTINGS, maxRetryCount: 3 }, filter: undefined };
    await expect(subscriptions.update(changed, 'me')).rejects.toThrow(/space/);
    expect(subscriptions.list(undefined)).toMatchObject([{ ...KEY, settings: SETTINGS }]);
  });

  it('a message to park is delivered again, and is parked once writing works again', async () => {
    const { log, store, subscriptions, append, connect } = await start();
    await subscriptions.create({ ...KEY, settings: SETTINGS, filter: undefined }, 'me');
    const id = await append(0);
    const { call, connection } = connect();
    await settled();
    log.failure = full();
    const group = subscriptions.find(KEY);
    group.nack(connection, [id], 'park', 'bad');
    await settled();
    expect(call.ids).toEqual([id, id]);
    expect(group.info()).toMatchObject({ parked: 0, lastCheckpoint: '' });
    log.failure = undefined;
    group.nack(connection, [id], 'park', 'bad');
    await settled();
    expect(group.info()).toMatchObject({ parked: 1, lastCheckpoint: '0', inFlight: 0 });
    expect(store.readableRange(PARKED)).toMatchObject({ last: 0 });
  });

  it('a checkpoint stays where it is, and is stored once writing works again', async () => {
    const { log, subscriptions, append, connect } = await start();
    await subscriptions.create({ ...KEY, settings: SETTINGS, filter: undefined }, 'me');
    const ids = [await append(0), await append(1)];
    connect();
    await settled();
    log.failure = full();
    const group = subscriptions.find(KEY);
    group.ack(ids);
    await settled();
    expect(group.info()).toMatchObject({ lastCheckpoint: '', inFlight: 0 });
    log.failure = undefined;
    group.tick();
    await settled();
    expect(group.info().lastCheckpoint).toBe('1');
  });

  it('replayed messages that are done stay in the parked stream until it can be truncated', async () => {
    const { log, store, subscriptions, append, connect } = await start();
    await subscriptions.create({ ...KEY, settings: SETTINGS, filter: undefined }, 'me');
    const id = await append(0);
    const { call, connection } = connect();
    await settled();
    const group = subscriptions.find(KEY);
    group.nack(connection, [id], 'park', 'bad');
    await settled();
    log.failure = full();
    group.replay(undefined);
    await settled();
    group.ack(call.ids.slice(1));
    await settled();
    expect(store.metadata(PARKED).truncateBefore).toBe(0);
    log.failure = undefined;
    group.tick();
    await settled();
    expect(store.metadata(PARKED).truncateBefore).toBe(1);
  });
});

describe('a client that is dropped because its group changes', () => {
  it.each(['update', 'restart'] as const)('is served when it connects again in the same moment: %s', async (change) => {
    const { subscriptions, append, connect } = await start();
    const config = { ...KEY, settings: SETTINGS, filter: undefined };
    await subscriptions.create(config, 'me');
    const { call } = connect();
    let again: FakeCall | undefined;
    call.onFailure = () => {
      again = connect().call;
    };
    await (change === 'update' ? subscriptions.update(config, 'me') : subscriptions.restart());
    const id = await append(0);
    await settled();
    expect(call.failure).toMatchObject({ code: 1 });
    expect(again?.ids).toEqual([id]);
  });
});

describe('a group that is closed and still stores its checkpoint', () => {
  it('accepts no clients, replays nothing and parks nothing', async () => {
    const { log, store, clock, subscriptions, append, connect } = await start();
    const settings = { ...SETTINGS, maxCheckpointCount: 5, messageTimeoutMs: 1_000, maxRetryCount: 0 };
    const config = { ...KEY, settings, filter: undefined };
    await subscriptions.create(config, 'me');
    const ids = [await append(0), await append(1)];
    connect();
    await settled();
    const group = subscriptions.find(KEY);
    group.ack(ids.slice(0, 1));
    let open = () => {};
    store.wakeups.add('$persistentSubscriptionConfig', () => {
      log.gate = new Promise((resolve) => {
        open = resolve;
      });
    });
    const updated = subscriptions.update(config, 'me');
    await settled();
    expect(() => connect()).toThrow(/dropped/);
    expect(() => group.replay(undefined)).toThrow(/dropped/);
    clock.now += 2_000;
    group.tick();
    log.gate = undefined;
    open();
    await updated;
    await settled();
    expect(subscriptions.find(KEY).info()).toMatchObject({ lastCheckpoint: '0', parked: 0 });
    const { call } = connect();
    await settled();
    expect(call.ids).toEqual(ids.slice(1));
  });
});

describe('a checkpoint', () => {
  const SLOW = { ...SETTINGS, minCheckpointCount: 3, maxCheckpointCount: 5, checkpointAfterMs: 2_000 };

  const withAcked = async (count: number) => {
    const started = await start();
    const { subscriptions, append, connect } = started;
    await subscriptions.create({ ...KEY, settings: SLOW, filter: undefined }, 'me');
    const ids: string[] = [];
    for (let n = 0; n < 6; n++) ids.push(await append(n));
    connect();
    await settled();
    const group = subscriptions.find(KEY);
    group.ack(ids.slice(0, count));
    await settled();
    const tickAfter = async (ms: number) => {
      started.clock.now += ms;
      group.tick();
      await settled();
      return group.info().lastCheckpoint;
    };
    return { ...started, group, tickAfter };
  };

  it('is stored at once when the maximum number of events is done', async () => {
    const { group } = await withAcked(5);
    expect(group.info().lastCheckpoint).toBe('4');
  });

  it('is stored after a while when the minimum number of events is done', async () => {
    const { tickAfter } = await withAcked(3);
    expect(await tickAfter(1_999)).toBe('');
    expect(await tickAfter(1)).toBe('2');
  });

  it('is not stored for fewer events, however long it takes', async () => {
    const { tickAfter } = await withAcked(2);
    expect(await tickAfter(60_000)).toBe('');
  });

  it('is stored for any number when the node stops', async () => {
    const { subscriptions, group } = await withAcked(1);
    await subscriptions.stop();
    expect(group.info().lastCheckpoint).toBe('0');
  });
});

describe('a list of groups that another program wrote', () => {
  const entry = { ...KEY, settings: SETTINGS, filter: null, endPosition: 0 };

  it.each([
    ['names one twice', [entry, entry]],
    ['has half of a message', [{ ...entry, settings: { ...SETTINGS, readBatchSize: 1.5 } }]],
  ])('is skipped if it %s', async (_, entries) => {
    const { store, writes, subscriptions } = await start();
    await subscriptions.create({ ...KEY, settings: SETTINGS, filter: undefined }, 'me');
    const data = Buffer.from(JSON.stringify({ entries }));
    await writes.append('$persistentSubscriptionConfig', nodeEvent('$PersistentConfig', data, true));
    await subscriptions.restart();
    expect(subscriptions.list(undefined)).toMatchObject([{ ...KEY, settings: SETTINGS }]);
    expect(store.wakeups.count).toBe(1);
  });
});

describe('the remains of a group of the same name', () => {
  it('are removed before a new one is created', async () => {
    const { store, writes, subscriptions } = await start();
    await writes.append(
      '$persistentsubscription-order-1::g-checkpoint',
      nodeEvent('SubscriptionCheckpoint', Buffer.from('"7"'), true),
    );
    await subscriptions.create({ ...KEY, settings: SETTINGS, filter: undefined }, 'me');
    expect(store.readableRange('$persistentsubscription-order-1::g-checkpoint')).toBeUndefined();
    expect(subscriptions.find(KEY).info().lastCheckpoint).toBe('');
  });
});

describe('the checkpoint of the real server', () => {
  it('is understood with its old type', async () => {
    const { writes, subscriptions, append, connect } = await start();
    await subscriptions.create({ ...KEY, settings: SETTINGS, filter: undefined }, 'me');
    const ids = [await append(0), await append(1), await append(2)];
    await writes.append(
      '$persistentsubscription-order-1::g-checkpoint',
      nodeEvent('SubscriptionCheckpoint', Buffer.from('"1"'), true),
    );
    await subscriptions.restart();
    const { call } = connect();
    await settled();
    expect(call.ids).toEqual(ids.slice(2));
  });
});

describe('a damaged event', () => {
  it('in the metadata of parked messages does not stop the group', async () => {
    const { store, writes, subscriptions, append, connect } = await start();
    await subscriptions.create({ ...KEY, settings: SETTINGS, filter: undefined }, 'me');
    await settled();
    store.damaged = `$$${PARKED}`;
    await writes.append(PARKED, nodeEvent('$>', Buffer.from('0@order-1'), false));
    await writes.setMetadata(PARKED, { $tb: 1 });
    subscriptions.find(KEY).tick();
    const { call } = connect();
    const id = await append(0);
    await settled();
    expect(call.ids).toEqual([id]);
  });

  it('ends the clients that should get it with DATA_LOSS, and the next ones too, until it is repaired', async () => {
    const { store, subscriptions, append, connect } = await start();
    await subscriptions.create({ ...KEY, settings: SETTINGS, filter: undefined }, 'me');
    const { call } = connect();
    await settled();
    store.damaged = 'order-1';
    const id = await append(0);
    await settled();
    expect(call.failure).toMatchObject({ code: 15 });
    expect(connect().call.failure).toBeUndefined();
    await settled();
    expect(subscriptions.find(KEY).info()).toMatchObject({ connections: [], inFlight: 0 });
    store.damaged = undefined;
    const { call: last } = connect();
    await settled();
    expect(last.ids).toEqual([id]);
  });
});
