import { randomUUID } from 'node:crypto';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { connect as connectTls } from 'node:tls';
import { type EventStoreDBClient, jsonEvent, START } from '@eventstore/db-client';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { openAccess } from '../src/access/access.ts';
import type { Call } from '../src/grpc/call.ts';
import { GrpcServer } from '../src/grpc/server.ts';
import { type RunningNode, startEventStoreNode } from '../src/index.ts';
import { rawCalls } from './raw-client.ts';
import { ADMIN, certificate, startSecureNode } from './secure-support.ts';
import { collect, connect, event, eventually, startNode } from './support.ts';

const hasIPv6 = Object.values(networkInterfaces()).some((found) => found?.some(({ address }) => address === '::1'));

const QUICK = { intervalMs: 100, timeoutMs: 100 };

/** Passes bytes on both ways until it is frozen: then they vanish, and nobody is told. */
const wire = async (port: number) => {
  const sockets = new Set<Socket>();
  let frozen = false;
  const server: Server = createServer((downstream) => {
    const upstream = connectTcp(port, '127.0.0.1');
    for (const [from, to] of [
      [downstream, upstream],
      [upstream, downstream],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes) => !frozen && to.write(bytes));
      from.on('error', () => {});
      from.on('close', () => !frozen && to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  onTestFinished(close);
  return {
    port: (server.address() as { port: number }).port,
    freeze: () => {
      frozen = true;
    },
    /** Nobody reads any more: what is sent piles up at the sender. */
    stall: () => {
      for (const socket of sockets) socket.pause();
    },
  };
};

describe('a client that vanished', () => {
  it.each(['plaintext', 'TLS'])(
    'over %s is noticed and leaves nothing behind, without disturbing others',
    async (kind) => {
      const secure = kind === 'TLS';
      const node = await startEventStoreNode({
        inMemory: true,
        keepAlive: QUICK,
        ...(secure && { tls: { ...certificate } }),
      });
      onTestFinished(() => node.stop());
      const { port, freeze } = await wire(node.port);
      const stays = session(node.port, secure);
      await answered(stays);
      const vanishes = session(port, secure);
      await answered(vanishes);
      const open = vanishes.request(READ);
      open.on('error', () => {});
      expect(node.connections.open).toBe(2);
      freeze();
      await eventually(() => node.connections.open === 1);
      await new Promise((resolve) => setTimeout(resolve, 4 * QUICK.intervalMs));
      await answered(stays);
      expect(node.connections.open).toBe(1);
    },
  );

  it('does not affect a client that answers only pings, however long', async () => {
    const node = await startEventStoreNode({ inMemory: true, keepAlive: QUICK });
    onTestFinished(() => node.stop());
    const client = connect(node.connectionString);
    const seen: unknown[] = [];
    const subscription = client.subscribeToStream('s', { fromRevision: START });
    subscription.on('data', ({ event }) => seen.push(event?.data));
    await new Promise((resolve) => setTimeout(resolve, 10 * QUICK.intervalMs));
    await client.appendToStream('s', event(1));
    await eventually(() => seen.length === 1);
    expect(node.connections.open).toBe(1);
  });

  it('gets its calls closed', async () => {
    const closed: string[] = [];
    const calls = new Map([
      [
        READ[':path'],
        (call: Call) => {
          call.onMessage = () => call.writeMessage(Buffer.from('answer'));
          call.onClose = () => closed.push(call.headers[':path'] ?? '');
        },
      ],
    ]);
    const server = new GrpcServer(calls, openAccess, { keepAlive: QUICK });
    const { port, freeze } = await wire(await server.listen('127.0.0.1', 0));
    onTestFinished(() => server.close(0));
    const request = session(port, false).request(READ);
    request.on('error', () => {});
    request.write(Buffer.alloc(5));
    await new Promise((resolve) => request.on('data', resolve));
    freeze();
    await eventually(() => closed.length > 0);
    expect(closed).toEqual([READ[':path']]);
    await eventually(() => server.connections.open === 0);
    expect(server.connections.failed).toBe(0);
  });

  it('or never spoke at all is disconnected as well', async () => {
    const node = await startEventStoreNode({ inMemory: true, keepAlive: QUICK });
    onTestFinished(() => node.stop());
    const silent = connectTcp(node.port, '127.0.0.1');
    onTestFinished(() => void silent.destroy());
    await eventually(() => node.connections.open === 1);
    await new Promise((resolve) =>
      silent
        .on('error', () => {})
        .on('close', resolve)
        .resume(),
    );
    expect(node.connections.open).toBe(0);
  });

  it('is not confused with one that a busy process gave no time to answer', async () => {
    const node = await startEventStoreNode({ inMemory: true, keepAlive: QUICK });
    onTestFinished(() => node.stop());
    const { port } = await wire(node.port);
    const client = session(port, false);
    await answered(client);
    for (let pings = 0; pings < 3; pings++) {
      await new Promise((resolve) => client.once('ping', resolve));
      const until = performance.now() + 3 * QUICK.timeoutMs;
      while (performance.now() < until);
    }
    expect(node.connections.open).toBe(1);
    await answered(client);
  });

  it('does not keep the node from stopping, even with bytes still being sent to it', async () => {
    const { node, client } = await startNode();
    const large = jsonEvent({ type: 'Large', data: { text: 'x'.repeat(900_000) } });
    for (let n = 0; n < 20; n++) await client.appendToStream('large', { ...large, id: randomUUID() });
    const { port, stall } = await wire(node.port);
    const reader = connect(`esdb://127.0.0.1:${port}?tls=false`);
    const first = new Promise((resolve) => {
      const read = reader.readStream('large');
      read.on('error', () => {});
      read.on('data', resolve);
    });
    await first;
    stall();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = performance.now();
    await node.stop();
    expect(performance.now() - before).toBeLessThan(3_000);
  });
});

describe('a client that pings', () => {
  it('is answered', async () => {
    const { node } = await startNode();
    const client = session(node.port, false);
    await answered(client);
    const payload = Buffer.from('12345678');
    const echoed = await new Promise<Buffer>((resolve, reject) =>
      client.ping(payload, (error, _, answer) => (error ? reject(error) : resolve(answer))),
    );
    expect(echoed).toEqual(payload);
  });
});

describe('many clients', () => {
  it.each([
    ['plaintext', 500],
    ['TLS', 100],
  ])('over %s, %d of them, are served at the same time and forgotten when they leave', async (kind, count) => {
    const secure = kind === 'TLS';
    const node = await startEventStoreNode({ inMemory: true, ...(secure && { tls: certificate }) });
    onTestFinished(() => node.stop());
    const sessions = Array.from({ length: count }, () => session(node.port, secure));
    await Promise.all(sessions.map(answered));
    expect(node.connections.open).toBe(count);
    await Promise.all(sessions.map(answered));
    for (const client of sessions) client.destroy();
    await eventually(() => node.connections.open === 0);
  });
});

describe('a connection that does not speak gRPC', () => {
  let node: RunningNode;
  let client: EventStoreDBClient;
  const works = async () => {
    await client.appendToStream('s', event(0));
    await collect(client.readStream('s', { maxCount: 1 }));
  };
  /** Sends bytes and waits for the node to hang up. */
  const send = (bytes: Buffer | string) =>
    new Promise<void>((resolve) => {
      const socket = connectTcp(node.port, '127.0.0.1', () => socket.write(bytes));
      socket.on('error', () => {});
      socket.on('data', () => {});
      socket.on('close', () => resolve());
    });
  const garbage = Buffer.from(Array.from({ length: 5_000 }, (_, i) => (i * 7919) % 256));
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  const cases: [string, Buffer | string][] = [
    ['HTTP/1.1', 'GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['garbage', garbage],
    ['HTTP/2 followed by garbage', Buffer.concat([preface, garbage])],
    [
      'HTTP/2 with a frame that is too large',
      Buffer.concat([preface, Buffer.from('ffffff000000000000', 'hex'), garbage]),
    ],
  ];
  const used = async (start: () => Promise<{ node: RunningNode; client: EventStoreDBClient }>) => {
    ({ node, client } = await start());
    await works();
    expect(node.connections.failed).toBe(0);
  };

  afterEach(() => works());

  it.each(cases)('does a plaintext node no harm: %s', async (_, bytes) => {
    await used(startNode);
    await send(bytes);
    await eventually(() => node.connections.open === 1);
    expect(node.connections.failed).toBe(1);
  });

  const startSecure = async () => {
    const secure = await startSecureNode();
    return { node: secure.node, client: secure.client(ADMIN) };
  };

  it.each(cases)('does a node over TLS no harm: %s', async (_, bytes) => {
    await used(startSecure);
    await send(bytes);
    await eventually(() => node.connections.open === 1);
    expect(node.connections.failed).toBe(1);
  });

  it('does a plaintext node no harm: TLS', async () => {
    await used(startNode);
    const tls = connectTls({ port: node.port, host: '127.0.0.1', rejectUnauthorized: false });
    await new Promise((resolve) => tls.on('error', resolve));
    await eventually(() => node.connections.open === 1);
    const other = connect(`esdb://127.0.0.1:${node.port}?tls=true`);
    await expect(collect(other.readStream('s'))).rejects.toThrow();
  });

  it('does a node over TLS no harm: plaintext gRPC, TLS without HTTP/2, a client that does not trust it', async () => {
    await used(startSecure);
    const plain = connect(`esdb://127.0.0.1:${node.port}?tls=false`);
    await expect(collect(plain.readStream('s'))).rejects.toThrow();
    for (const ALPNProtocols of [['http/1.1'], []]) {
      const tls = connectTls({ port: node.port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols });
      await new Promise((resolve) => tls.on('close', resolve).on('error', resolve).resume());
    }
    const distrustful = connect(`esdb://127.0.0.1:${node.port}`);
    await expect(collect(distrustful.readStream('s'))).rejects.toThrow();
    await plain.dispose();
    await distrustful.dispose();
    await eventually(() => node.connections.open === 1);
    expect(node.connections.failed).toBeGreaterThanOrEqual(2);
  });

  it('does not keep a node over TLS from stopping: a connection that never speaks', async () => {
    await used(startSecure);
    const other = await startSecureNode();
    const silent = connectTcp(other.node.port, '127.0.0.1');
    onTestFinished(() => void silent.destroy());
    silent.on('error', () => {});
    await eventually(() => other.node.connections.open === 1);
    const before = performance.now();
    await other.node.stop();
    expect(performance.now() - before).toBeLessThan(3_000);
  });

  it('ends only its own call: a path that is not served, a body that is not a message', async () => {
    await used(startNode);
    const call = rawCalls(node.port);
    expect(await call('Nothing').end().ended).toMatchObject({ 'grpc-status': '12' });
    expect(await call('Read').send(Buffer.from('ffff', 'hex')).end().ended).toMatchObject({ 'grpc-status': '13' });
  });
});

const FEATURES = '/event_store.client.server_features.ServerFeatures/GetSupportedMethods';
const headers = (path: string) => ({
  ':method': 'POST',
  ':path': path,
  'content-type': 'application/grpc',
  te: 'trailers',
});
const READ = headers('/event_store.client.streams.Streams/Read');

const session = (port: number, secure: boolean): ClientHttp2Session => {
  const client = secure
    ? connectHttp2(`https://localhost:${port}`, { ca: certificate.cert })
    : connectHttp2(`http://127.0.0.1:${port}`);
  client.on('error', () => {});
  onTestFinished(() => client.destroy());
  return client;
};

/** Makes a call over the connection and waits for its answer. */
const answered = (client: ClientHttp2Session): Promise<void> =>
  new Promise((resolve, reject) => {
    const request = client.request(headers(FEATURES));
    request.on('error', reject).on('end', resolve).resume();
    request.end(Buffer.alloc(5));
  });

it.skipIf(!hasIPv6)('listens on IPv6 and reports an address that the client can dial', async () => {
  const everywhere = await startEventStoreNode({ host: '::' });
  onTestFinished(() => everywhere.stop());
  await connect(everywhere.connectionString).appendToStream('s', event(1));
  const loopback = await startEventStoreNode({ host: '::1' });
  onTestFinished(() => loopback.stop());
  expect(loopback.connectionString).toBe(`esdb://localhost:${loopback.port}?tls=false`);
});
