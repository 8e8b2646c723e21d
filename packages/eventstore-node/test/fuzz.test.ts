import { randomUUID } from 'node:crypto';
import { connect as connectTcp } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { startEventStoreNode } from '../src/index.ts';
import { bytes, Fields, message, varint } from './proto.ts';
import {
  expectation,
  fragment,
  MAX_U64,
  proposed,
  RawStreams,
  read,
  streamId,
  structuredId,
  textId,
} from './raw-streams.ts';
import { collect, connect, event, eventually, startNode } from './support.ts';

/** More of it: EVENTSTORE_NODE_FUZZ=20000; other bytes: EVENTSTORE_NODE_SEED=7. */
const CALLS = Number(process.env['EVENTSTORE_NODE_FUZZ'] ?? 600);
const SEED = Number(process.env['EVENTSTORE_NODE_SEED'] ?? 1);

const METHODS = [
  'Append',
  'BatchAppend',
  'Read',
  'Delete',
  'Tombstone',
  '/event_store.client.server_features.ServerFeatures/GetSupportedMethods',
  '/event_store.client.gossip.Gossip/Read',
];

const randomFrom = (seed: number) => {
  let state = seed >>> 0;
  const below = (limit: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const noise = (length: number) => Buffer.from(Array.from({ length }, () => below(256)));
  return { below, pick, noise };
};

type Random = ReturnType<typeof randomFrom>;

/** Whole messages to start from, good and bad. */
const seeds = ({ pick }: Random): Buffer => {
  const stream = pick(['fuzz', '$$fuzz', '', 'a\0b', 'x'.repeat(70_000)]);
  const options = Buffer.concat([streamId(stream), expectation(pick(['any', 'no_stream', 5n, MAX_U64] as const))]);
  const start = pick([read.start, read.end, read.revision(7n), read.position(3n, 9n), message(9)]);
  const regex = pick(['(', '(a+)+$', '[', '\\', '(?<=x)*', '('.repeat(500), '^[^$].*']);
  return pick([
    () => message(1, options),
    () => bytes(2, proposed({ id: pick([structuredId(randomUUID()), textId('x'), Buffer.from([8, 1])]) })),
    () => bytes(2, proposed({ type: pick(['', Buffer.from([0xff]), 'T']), metadata: Buffer.alloc(100) })),
    () => fragment({ stream, events: [{}, {}] }),
    () => fragment({ stream, events: [{}], isFinal: false, options: [message(7, varint(1, 1))] }),
    () => message(1, read.stream(stream, start), read.count(5), read.noFilter, read.textIds),
    () =>
      message(
        1,
        read.all(start),
        read.subscription,
        read.filter(message(1, bytes(1, regex)), varint(3, 1), varint(5, 1)),
      ),
    () => message(1, read.all(start), read.backwards, read.count(MAX_U64), read.noFilter),
  ])();
};

/** Spoils a message in one of the ways messages are spoiled. */
const spoiled = (random: Random, whole: Buffer): Buffer => {
  const { below, pick, noise } = random;
  const at = below(whole.length + 1);
  const rest = Buffer.from(whole.subarray(at));
  return pick([
    () => whole.subarray(0, at), // cut
    () => Buffer.concat([whole.subarray(0, at), noise(1 + below(8)), rest]),
    () => Buffer.concat([whole.subarray(0, at), noise(1), rest.subarray(1)]),
    () => Buffer.concat([whole, whole]), // everything twice
    () => Buffer.concat([whole, Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])]), // a length of 4 GB
    () => Buffer.concat([whole, Buffer.from([0x0a, ...Array.from({ length: 9 }, () => 0xff), 0x01])]), // of 2^64
    () => Buffer.concat([whole, Buffer.from(Array.from({ length: 12 }, () => 0xff))]), // a varint without end
    () => Buffer.concat([whole, Buffer.from([0x0b, 0x0c])]), // a group
    () => Buffer.concat([whole, varint(0, 5), varint(500_000, 7)]), // fields nobody knows
    () => Buffer.concat([varint(1, 5), whole]), // another wire type
    () => deep(whole, 1_000),
    () => noise(below(200)),
    () => Buffer.alloc(below(5_000)),
  ])();
};

const deep = (inner: Buffer, depth: number): Buffer => {
  let nested = inner.subarray(0, 50);
  for (let i = 0; i < depth; i++) nested = message(1, nested);
  return nested;
};

it(`ends every call with a status, whatever it is sent, and keeps serving others (${CALLS})`, async () => {
  const { node, client } = await startNode();
  const raw = new RawStreams(node.port);
  const random = randomFrom(SEED);
  let undisturbed = 0;
  for (let done = 0; done < CALLS; done += 20) {
    const calls = Array.from({ length: 20 }, () => {
      const call = raw.call(random.pick(METHODS));
      const messages = Array.from({ length: random.below(4) }, () => spoiled(random, seeds(random)));
      for (const bytes_ of messages) call.send(bytes_);
      if (random.below(10) === 0)
        call.stream.end(random.noise(random.below(9))); // not even a whole gRPC message
      else call.end();
      return { call, told: () => `seed ${SEED}: ${messages.map((bytes_) => bytes_.toString('hex').slice(0, 400))}` };
    });
    await client.appendToStream('undisturbed', event(undisturbed++));
    for (const { call, told } of calls) {
      await eventually(() => call.stream.destroyed || isSubscription(call.messages[0])).catch((error) => {
        throw new Error(`a call was left without a status; ${told()}`, { cause: error });
      });
      if (call.stream.destroyed) expect((await call.ended)['grpc-status'], told()).toMatch(/^\d+$/);
      else call.stream.close(8);
    }
  }
  expect(await collect(client.readStream('undisturbed'))).toHaveLength(undisturbed);
  await eventually(() => node.connections.calls === 1); // the client's own BatchAppend
}, 120_000);

const isSubscription = (first: Buffer | undefined) => first !== undefined && new Fields(first).has(2);

it('appends nothing that is only noise', async () => {
  const { node, client } = await startNode();
  const raw = new RawStreams(node.port);
  const random = randomFrom(SEED);
  const before = await collect(client.readAll());
  for (let i = 0; i < 100; i++) {
    const call = raw.call(random.pick(['Append', 'BatchAppend', 'Delete', 'Tombstone']));
    for (let n = random.below(4); n >= 0; n--) call.send(random.noise(random.below(300)));
    expect(Number((await call.end().ended)['grpc-status'])).toBeGreaterThanOrEqual(0);
  }
  expect(await collect(client.readAll())).toEqual(before);
});

it('survives connections that send nonsense after a valid preface', async () => {
  // Some leave an HTTP/2 session of Node that neither fails nor reads on; silence is what ends those.
  const node = await startEventStoreNode({ inMemory: true, keepAlive: { intervalMs: 200, timeoutMs: 200 } });
  onTestFinished(() => node.stop());
  const client = connect(node.connectionString);
  const random = randomFrom(SEED);
  const closed: Promise<unknown>[] = [];
  for (let i = 0; i < 40; i++) {
    const socket = connectTcp(node.port, '127.0.0.1');
    socket.on('error', () => {}).resume();
    closed.push(new Promise((resolve) => socket.on('close', resolve)));
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    socket.end(random.noise(random.below(2_000)));
  }
  await Promise.all(closed);
  await expect(client.appendToStream('s', event(0))).resolves.toBeDefined();
  await eventually(() => node.connections.open === 1);
});
