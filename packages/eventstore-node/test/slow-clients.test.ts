import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { jsonEvent } from '@eventstore/db-client';
import { spawnEventStoreNode } from 'baton-eventstore-node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type SlowSubscribers, startEventStoreNode } from '../src/index.ts';
import { Fields, message } from './proto.ts';
import { fragment, RawStreams, read, textId } from './raw-streams.ts';
import { collect, connect, event, eventually, startNode, temporaryFolder } from './support.ts';

const SUBSCRIBE = message(1, read.all(), read.subscription, read.noFilter, read.textIds);
const MB = 1024 * 1024;

/** A subscriber to $all whose socket takes what the kernel takes and who reads none of it, until told. */
const stalledSubscriber = (port: number, headers: Record<string, string> = {}) => {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  onTestFinished(() => session.destroy());
  const stream = session.request({
    ':method': 'POST',
    ':path': '/event_store.client.streams.Streams/Read',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(SUBSCRIBE.length, 1);
  stream.write(Buffer.concat([prefix, SUBSCRIBE]));
  stream.on('error', () => {});
  return { session, stream };
};

const residentBytes = (pid: number) =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;

it.runIf(process.platform === 'linux')(
  '50 subscribers that read nothing cost no memory while 100 MB are appended',
  async () => {
    const node = await spawnEventStoreNode({ dataDir: await temporaryFolder() });
    onTestFinished(() => node.stop());
    const raw = new RawStreams(node.port);
    const append = (stream: string) => raw.append('Append', stream, 'any', [{ data: Buffer.alloc(MB, 'x') }]);
    for (let i = 0; i < 40; i++) await append('warm');
    const before = residentBytes(node.pid);
    const subscribers = Array.from({ length: 50 }, () => stalledSubscriber(node.port));
    let most = 0;
    for (let i = 0; i < 100; i++) {
      expect(await append('big')).toMatchObject({ done: BigInt(i) });
      most = Math.max(most, residentBytes(node.pid));
    }
    // 50 x 100 MB would be 5 GB. A chunk of about 1 MB may be under way to each, and garbage is collected when it is.
    expect((most - before) / MB).toBeLessThan(250);
    let received = 0;
    subscribers[0]?.stream.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    await eventually(() => received > 140 * MB, 30_000);
  },
  120_000,
);

it('a subscriber whose deadline has passed is sent no more events, even if it never reads the status', async () => {
  const { node, client } = await startNode();
  const { waiting } = node;
  const { stream } = stalledSubscriber(node.port, { 'grpc-timeout': '300m' });
  await eventually(() => node.waiting === waiting + 1);
  await client.appendToStream('s', jsonEvent({ type: 'Large', data: { text: 'x'.repeat(200_000) } }));
  await eventually(() => node.waiting === waiting);
  expect([stream.closed, node.connections.calls]).toEqual([false, 2]);
});

it('a client that does not read the answers to its appends is no longer read from', async () => {
  const { node, client } = await startNode();
  const raw = new RawStreams(node.port);
  const call = raw.call('BatchAppend');
  const correlation = textId('f0a1b2c3-0000-4000-8000-00000000000a');
  const total = 40_000;
  call.stream.pause();
  for (let i = 0; i < total; i++)
    call.send(fragment({ correlation, stream: 's', events: [{ metadata: 'x'.repeat(200) }] }));
  const stored = async () =>
    Number(
      (
        await client
          .readStream('s', { direction: 'backwards', fromRevision: 'end', maxCount: 1 })
          [Symbol.asyncIterator]()
          .next()
      ).value?.event?.revision ?? -1n,
    ) + 1;
  let held = -1;
  await eventually(() => call.stream.bufferSize > 0, 10_000).catch(() => {});
  for (let now = await stored(); now !== held; now = await stored()) {
    held = now;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  expect(held).toBeGreaterThan(0);
  expect(held).toBeLessThan(total / 2);
  call.stream.resume();
  await eventually(() => call.messages.length === total, 30_000);
  expect(await stored()).toBe(total);
}, 60_000);

it('clients that vanish leave nothing behind', async () => {
  const { node, client } = await startNode();
  for (let i = 0; i < 5; i++) await client.appendToStream('s', [event(i)]);
  const idle = { calls: node.connections.calls, open: node.connections.open, waiting: node.waiting };
  for (let i = 0; i < 10; i++) {
    const raw = new RawStreams(node.port);
    raw.call('Read').send(SUBSCRIBE);
    raw.call('Read').send(message(1, read.stream(`none-${i}`), read.subscription, read.noFilter, read.textIds));
    raw.call('Append').send(message(1, message(1)));
    raw.call('Append', { 'grpc-timeout': '1H' });
    raw.call('BatchAppend').send(fragment({ stream: 's', events: [{}], isFinal: false }));
    raw.call('Delete');
    const stalled = stalledSubscriber(node.port);
    await eventually(() => node.waiting === idle.waiting + 3 && node.connections.calls > idle.calls + 5);
    raw.destroy();
    stalled.session.destroy();
    await eventually(() => node.connections.calls === idle.calls && node.connections.open === idle.open);
    expect(node.waiting).toBe(idle.waiting);
  }
  expect(await collect(client.readStream('s'))).toHaveLength(5);
});

it('a client process that is killed leaves nothing behind', async () => {
  const { node, client } = await startNode();
  await client.appendToStream('s', event(0));
  const idle = { calls: node.connections.calls, open: node.connections.open, waiting: node.waiting };
  const script = `
    const { EventStoreDBClient, jsonEvent } = require('@eventstore/db-client');
    const client = EventStoreDBClient.connectionString(${JSON.stringify(node.connectionString)});
    client.subscribeToAll().on('error', () => {});
    for (let i = 0; i < 20; i++) client.subscribeToStream('s-' + i).on('error', () => {});
    setInterval(() => client.appendToStream('killed', jsonEvent({ type: 'T', data: {} })).catch(() => {}), 1);
  `;
  const child = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  await eventually(() => node.waiting === idle.waiting + 21, 20_000);
  child.kill('SIGKILL');
  await eventually(() => node.connections.calls === idle.calls && node.connections.open === idle.open);
  expect(node.waiting).toBe(idle.waiting);
});

it('a node that stops is held up by nobody', async () => {
  const { node } = await startNode();
  const client = connect(node.connectionString);
  for (let i = 0; i < 10; i++) await client.appendToStream('s', event(i));
  const raw = new RawStreams(node.port);
  for (let i = 0; i < 10; i++) stalledSubscriber(node.port);
  const open = [
    raw.call('Read').send(SUBSCRIBE),
    raw.call('BatchAppend').send(fragment({ stream: 's', events: [{}], isFinal: false })),
  ];
  await eventually(() => node.waiting >= 11);
  const before = Date.now();
  await node.stop();
  expect(Date.now() - before).toBeLessThan(5_000);
  for (const call of open) expect(await call.ended).toMatchObject({ 'grpc-status': '14' });
  await eventually(() => node.connections.open === 0 && node.connections.calls === 0);
  expect(node.waiting).toBe(0);
});

describe.each(['$all', 'a stream'])('a live subscriber to %s that takes nothing', (what) => {
  const behindBy = async (count: number, slowSubscribers: SlowSubscribers) => {
    const node = await startEventStoreNode({ inMemory: true, slowSubscribers });
    onTestFinished(() => node.stop());
    const raw = new RawStreams(node.port);
    const call = raw.call('Read');
    const stream = what === '$all' ? read.all() : read.stream('s');
    call.send(message(1, stream, read.subscription, read.noFilter, read.textIds));
    const client = connect(node.connectionString);
    await client.appendToStream('s', event(0));
    await eventually(() => call.messages.length >= 3);
    call.stream.pause();
    // As much as its windows take, and then some.
    await client.appendToStream('s', jsonEvent({ type: 'Large', data: { text: 'x'.repeat(500_000) } }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (let n = 0; n < count; n++) await client.appendToStream('s', event(n));
    return { call };
  };

  it('may be 32 events behind', async () => {
    const { call } = await behindBy(32, { liveBuffer: 32, whenSlow: 'drop' });
    call.stream.resume();
    await eventually(() => call.messages.length >= 36);
    expect(call.stream.closed).toBe(false);
  });

  it('is dropped when it is further behind, if the node is configured that way', async () => {
    const { call } = await behindBy(34, { liveBuffer: 32, whenSlow: 'drop' });
    call.stream.resume();
    expect(await call.ended).toMatchObject({
      'grpc-status': '10',
      'grpc-message':
        'Operation timed out: Consumer too slow to handle event while live. Client resubscription required.',
    });
  });

  it('catches up from the log when it is further behind, if the node is configured that way', async () => {
    const { call } = await behindBy(100, { liveBuffer: 32, whenSlow: 'read' });
    call.stream.resume();
    await eventually(() => call.messages.filter((one) => new Fields(one).has(8)).length === 2);
    expect(call.stream.closed).toBe(false);
  });
});
