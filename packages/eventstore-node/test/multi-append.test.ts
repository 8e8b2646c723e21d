import { randomUUID } from 'node:crypto';
import { spawnEventStoreNode } from 'baton-eventstore-node';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type RunningNode, startEventStoreNode } from '../src/index.ts';
import {
  binaryEvent,
  check,
  connectKurrent,
  counted,
  jsonEvent,
  type KurrentClient,
  type KurrentEvent,
  type State,
  type StoredEvent,
} from './kurrent-client.ts';
import { rawCalls } from './raw-client.ts';
import { ADMIN, ALICE, BOB, startSecureNode, USERS, withCredentials } from './secure-support.ts';
import { collect, eventually, kill, temporaryFolder } from './support.ts';

let node: RunningNode;
let client: KurrentClient;

/** Streams of this test begin with its number: all tests use one node. */
let test = 0;
const named = (name: string) => `${test}-${name}`;

beforeAll(async () => {
  node = await startEventStoreNode({ v2: true });
  client = connectKurrent(node.connectionString);
});
afterAll(async () => {
  await client.dispose();
  await node.stop();
});
beforeEach(() => {
  test++;
});

const stored = async (reader = client): Promise<StoredEvent[]> =>
  (await collect(reader.readAll())).flatMap(({ event }) => (event?.streamId.startsWith(named('')) ? [event] : []));

/** Stream and revision of every event, in the order of the log. */
const log = async (reader = client): Promise<string[]> =>
  (await stored(reader)).map(({ streamId, revision }) => `${streamId.slice(named('').length)}@${revision}`);

const request = (name: string, expectedState: State, ...events: KurrentEvent[]) => ({
  streamName: named(name),
  expectedState,
  events,
});

const record = (name: string, event = counted(0)) => ({ streamName: named(name), record: event });

const checked = (name: string, state: State) => check(named(name), state);

const REFUSED = { type: expect.stringMatching(/^(wrong-expected-version|append-consistency-violation)$/) };

/** Both calls, for what they have in common: an append that expects something of each stream. */
const CALLS = [
  [
    'multiStreamAppend',
    (client: KurrentClient, requests: readonly ReturnType<typeof request>[]) => client.multiStreamAppend(requests),
  ],
  [
    'appendRecords',
    (client: KurrentClient, requests: readonly ReturnType<typeof request>[]) =>
      client.appendRecords(
        requests.flatMap(({ streamName, events }) => events.map((event) => ({ streamName, record: event }))),
        requests.flatMap(({ streamName, expectedState: state }) => (state === 'any' ? [] : [check(streamName, state)])),
      ),
  ],
] as const;

describe.each(CALLS)('%s', (_, append) => {
  it('appends to several streams at once, and tells where', async () => {
    await append(client, [request('a', 'any', counted(0))]);
    const requests = [
      request('a', 0n, counted(1), counted(2)),
      request('b', 'no_stream', counted(3)),
      request('c', 'any', counted(4)),
    ];
    const { responses, position } = await append(client, requests);
    expect(new Map(responses.map(({ streamName, revision }) => [streamName, revision]))).toEqual(
      new Map([
        [named('a'), 2n],
        [named('b'), 0n],
        [named('c'), 0n],
      ]),
    );
    expect(await log()).toEqual(['a@0', 'a@1', 'a@2', 'b@0', 'c@0']);
    expect((await stored()).at(-1)?.position.commit).toBe(position);
  });

  it('appends nothing to the first stream when the second is not as expected', async () => {
    await append(client, [request('b', 'any', counted(0))]);
    const refused = append(client, [request('a', 'no_stream', counted(1)), request('b', 'no_stream', counted(2))]);
    await expect(refused).rejects.toMatchObject(REFUSED);
    expect(await log()).toEqual(['b@0']);
    expect(await append(client, [request('a', 'no_stream', counted(3))])).toBeTruthy();
  });

  it('recognises a repeat and writes it once', async () => {
    const [a, b] = [counted(0, randomUUID()), counted(1, randomUUID())];
    for (const states of [['any', 'any'] as const, ['no_stream', 'no_stream'] as const]) {
      const requests = [request('a', states[0], a), request('b', states[1], b)];
      const first = await append(client, requests);
      expect(await append(client, requests)).toEqual(first);
    }
    expect(await log()).toEqual(['a@0', 'b@0']);
    const mixed = append(client, [request('a', 'any', counted(2)), request('b', 'any', b)]);
    await expect(mixed).rejects.toMatchObject(REFUSED);
    expect(await log()).toEqual(['a@0', 'b@0']);
  });

  it('brings a deleted stream back, and never a tombstoned one', async () => {
    await append(client, [request('deleted', 'any', counted(0)), request('gone', 'any', counted(1))]);
    await client.deleteStream(named('deleted'));
    await client.tombstoneStream(named('gone'));
    const both = [request('deleted', 'no_stream', counted(2)), request('gone', 'any', counted(3))];
    await expect(append(client, both)).rejects.toMatchObject({ code: 9 });
    await append(client, [request('deleted', 'no_stream', counted(2)), request('other', 'any', counted(3))]);
    const visible = await collect(client.readStream(named('deleted')));
    expect(visible.map(({ event }) => event?.revision)).toEqual([1n]);
  });

  it('names a record that is too large, and an append that is', async () => {
    const large = (bytes: number) => binaryEvent({ type: 'Large', data: Buffer.alloc(bytes) });
    const tooLarge = large(1_048_576);
    await expect(append(client, [request('a', 'any', counted(0), tooLarge)])).rejects.toMatchObject({
      type: 'append-record-size-exceeded',
      stream: named('a'),
      recordId: tooLarge.id,
      size: expect.any(Number),
      maxSize: 1_048_576,
    });
    const halves = [request('a', 'any', large(600_000)), request('b', 'any', large(600_000))];
    await expect(append(client, halves)).rejects.toMatchObject({
      type: 'transaction-max-size-exceeded',
      size: expect.any(Number),
      maxSize: 1_048_576,
    });
    expect(await log()).toEqual([]);
    await append(client, [request('a', 'any', large(1_000_000))]);
  });
});

describe('multiStreamAppend', () => {
  it('tells which stream is not as expected', async () => {
    await client.multiStreamAppend([request('a', 'any', counted(0)), request('gone', 'any', counted(1))]);
    await client.tombstoneStream(named('gone'));
    const cases: [string, State, object][] = [
      ['a', 'no_stream', { expectedState: 'no_stream', actualState: 0n }],
      ['a', 7n, { expectedState: 7n, actualState: 0n }],
      ['b', 0n, { expectedState: 0n, actualState: 'no_stream' }],
      ['b', 'stream_exists', { expectedState: 'stream_exists', actualState: 'no_stream' }],
    ];
    for (const [name, state, facts] of cases) {
      const refused = client.multiStreamAppend([request('new', 'any', counted(2)), request(name, state, counted(3))]);
      const error = { type: 'wrong-expected-version', streamName: named(name), ...facts };
      await expect(refused).rejects.toMatchObject(error);
    }
    await expect(client.multiStreamAppend([request('gone', 'any', counted(4))])).rejects.toMatchObject({
      type: 'stream-tombstoned',
      stream: named('gone'),
    });
  });

  it('refuses a stream that comes twice, a request without events, and a session without requests', async () => {
    const twice = client.multiStreamAppend([request('a', 'any', counted(0)), request('a', 'any', counted(1))]);
    await expect(twice).rejects.toMatchObject({ code: 10 });
    await expect(client.multiStreamAppend([request('a', 'any')])).rejects.toMatchObject({ code: 3 });
    await expect(client.multiStreamAppend([])).rejects.toMatchObject({ code: 9 });
    expect(await log()).toEqual([]);
  });

  it('stores properties and the schema as metadata that every client reads', async () => {
    const json = jsonEvent({ type: 'Placed', data: { amount: 12 }, metadata: { $correlationId: 'c1', user: 'ä"\\' } });
    const binary = binaryEvent({ type: 'Photo', data: Buffer.from([1, 2, 255]) });
    await client.multiStreamAppend([request('a', 'any', json, binary)]);
    expect(await stored()).toMatchObject([
      {
        id: json.id,
        type: 'Placed',
        isJson: true,
        data: { amount: 12 },
        metadata: { $correlationId: 'c1', user: 'ä"\\', '$schema.name': 'Placed', '$schema.format': 'Json' },
      },
      { type: 'Photo', isJson: false, metadata: { '$schema.name': 'Photo', '$schema.format': 'Bytes' } },
    ]);
  });
});

describe('appendRecords', () => {
  it('keeps the order of records across streams', async () => {
    const { responses } = await client.appendRecords(['a', 'b', 'a', 'c', 'b', 'a'].map((name) => record(name)));
    expect(await log()).toEqual(['a@0', 'b@0', 'a@1', 'c@0', 'b@1', 'a@2']);
    expect(responses).toEqual([
      { streamName: named('a'), revision: 2n },
      { streamName: named('b'), revision: 1n },
      { streamName: named('c'), revision: 0n },
    ]);
  });

  it('checks streams that it does not write to, and reports every check that fails', async () => {
    await client.appendRecords([record('here'), record('here'), record('deleted'), record('gone')]);
    await client.deleteStream(named('deleted'));
    await client.tombstoneStream(named('gone'));
    const passing = [checked('here', 1n), checked('nowhere', 'no_stream'), checked('deleted', 'no_stream')];
    const { responses } = await client.appendRecords([record('new')], passing);
    expect(responses).toEqual([{ streamName: named('new'), revision: 0n }]);

    const failing = [
      checked('here', 0n),
      checked('nowhere', 'no_stream'),
      checked('missing', 'stream_exists'),
      checked('deleted', 'stream_exists'),
      checked('gone', 7n),
    ];
    const violation = (checkIndex: number, actualState: bigint | 'no_stream') => ({
      checkIndex,
      streamName: failing[checkIndex]?.streamName,
      expectedState: failing[checkIndex]?.expectedState,
      actualState,
    });
    await expect(client.appendRecords([record('new')], failing)).rejects.toMatchObject({
      type: 'append-consistency-violation',
      violations: [violation(0, 1n), violation(2, 'no_stream'), violation(3, -5n), violation(4, -6n)],
    });
    const newest = (await log()).filter((event) => event.startsWith('new'));
    expect(newest).toEqual(['new@0']);
  });

  it('recognises a repeat even if a check fails by now', async () => {
    const records = [record('a', counted(0, randomUUID())), record('b', counted(1, randomUUID()))];
    const first = await client.appendRecords(records, [checked('c', 'no_stream')]);
    await client.appendRecords([record('c')]);
    expect(await client.appendRecords(records, [checked('c', 'no_stream')])).toEqual(first);
  });

  it('refuses records without any, a check of anything, and a stream that is checked twice', async () => {
    const refused = (...request: Parameters<KurrentClient['appendRecords']>) =>
      expect(client.appendRecords(...request)).rejects.toMatchObject({ code: 3 });
    await refused([]);
    await refused([{ streamName: '', record: counted(0) }]);
    await refused([record('a')], [checked('a', 'any')]);
    await refused([record('a')], [checked('b', 0n), checked('b', 1n)]);
    expect(await log()).toEqual([]);
  });
});

it('is not there without the option', async () => {
  const plain = await startEventStoreNode();
  const plainClient = connectKurrent(plain.connectionString);
  onTestFinished(async () => {
    await plainClient.dispose();
    await plain.stop();
  });
  for (const [, append] of CALLS) {
    const refused = append(plainClient, [request('a', 'any', counted(0))]);
    await expect(refused).rejects.toMatchObject({ type: 'unsupported' });
  }
  for (const method of ['AppendSession', 'AppendRecords']) {
    const path = `/kurrentdb.protocol.v2.streams.StreamsService/${method}`;
    expect(await rawCalls(plain.port)(path).end().ended).toMatchObject({ 'grpc-status': '12' });
  }
});

it('needs the right to write to each of the streams, and to read those it checks', async () => {
  const secure = await startSecureNode({ users: USERS, v2: true });
  const as = (user?: typeof ADMIN) => {
    const connected = connectKurrent(withCredentials(secure.node.connectionString, user));
    onTestFinished(() => connected.dispose());
    return connected;
  };
  const [admin, alice, bob, nobody] = [as(ADMIN), as(ALICE), as(BOB), as()];
  const acl = { writeRoles: ['alice'], readRoles: ['alice'] };
  await secure.client(ADMIN).setStreamMetadata(named('private'), { acl });
  const requests = [request('public', 'any', counted(0)), request('private', 'any', counted(1))];
  for (const [, append] of CALLS) {
    for (const user of [bob, nobody]) {
      await expect(append(user, requests)).rejects.toMatchObject({ type: 'access-denied' });
    }
  }
  expect(await log(admin)).toEqual([]);
  await alice.multiStreamAppend(requests);
  expect(await log(admin)).toEqual(['public@0', 'private@0']);

  const records = [record('public')];
  const denied = bob.appendRecords(records, [checked('private', 0n)]);
  await expect(denied).rejects.toMatchObject({ type: 'access-denied' });
  expect(await alice.appendRecords(records, [checked('private', 0n)])).toMatchObject({ responses: [{ revision: 1n }] });
});

it('is whole in the log of a node that was killed', async () => {
  const dataDir = await temporaryFolder();
  const killed = await spawnEventStoreNode({ dataDir, v2: true });
  const writer = connectKurrent(killed.connectionString);
  let acknowledged = 0;
  const write = async (pair: number) => {
    for (;;) {
      await writer.appendRecords([record(`left-${pair}`), record(`right-${pair}`)]);
      acknowledged++;
    }
  };
  const writers = Promise.allSettled([0, 1, 2, 3].map(write));
  await eventually(() => acknowledged > 50, 30_000);
  await kill(killed);
  await writers;
  await writer.dispose();

  const again = await startEventStoreNode({ dataDir });
  const reader = connectKurrent(again.connectionString);
  onTestFinished(async () => {
    await reader.dispose();
    await again.stop();
  });
  const events = await log(reader);
  const sides = ['left', 'right'].map((side) => events.filter((event) => event.startsWith(side)).length);
  expect(sides[0]).toBe(sides[1]);
  expect(sides[0]).toBeGreaterThanOrEqual(acknowledged);
}, 60_000);
