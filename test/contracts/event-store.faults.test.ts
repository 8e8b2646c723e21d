import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SpawnedNode, spawnEventStoreNode } from 'baton-eventstore-node';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../src/embedded/ports.ts';
import { createEsdbEventStore } from '../../src/eventstore/esdb-event-store.ts';
import type { EventStore, NewEvent, StoredEvent } from '../../src/eventstore/event-store.ts';
import { LogFeed } from '../../src/eventstore/log-feed.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';

const ports = { clock: systemClock, logger: createLogger('silent') };
const within = { timeout: 20_000, interval: 10 };

const event = (data: string | number = 0): NewEvent => ({
  id: randomUUID(),
  type: 'TestHappened',
  data,
  metadata: {} as never,
});
const idsOf = (list: readonly { readonly id: string }[]): string[] => list.map(({ id }) => id);

/** Between client and server, and not to be trusted. */
const startProxy = async (target: number) => {
  const sockets = new Set<Socket>();
  const lose = { requests: false, answers: false };
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (bytes) => void (lose.requests || upstream.write(bytes)));
    upstream.on('data', (bytes) => void (lose.answers || client.write(bytes)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `esdb://127.0.0.1:${port}?tls=false`,
    lose,
    /** Breaks all connections; new ones work again. */
    heal(): void {
      Object.assign(lose, { requests: false, answers: false });
      cut();
    },
    stop(): void {
      server.close();
      cut();
    },
  };
};

describe('the EventStoreDB adapter, when the server or the connection fails', () => {
  let dataDir: string;
  let port: number;
  let node: SpawnedNode;
  let proxy: Awaited<ReturnType<typeof startProxy>>;
  let store: EventStore;
  /** Not through the proxy. */
  let direct: EventStore;
  let stream: string;

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'baton-faults-'));
    port = await freePort('127.0.0.1');
    node = await spawnEventStoreNode({ dataDir, port });
    proxy = await startProxy(port);
    store = createEsdbEventStore(proxy.url, ports);
    direct = createEsdbEventStore(node.connectionString, ports);
    stream = `test-default.${randomUUID()}`;
  });

  afterEach(async () => {
    await store.close();
    await direct.close();
    proxy.stop();
    await node.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const restart = async (): Promise<void> => {
    process.kill(node.pid, 'SIGKILL');
    await node.exited;
    node = await spawnEventStoreNode({ dataDir, port });
  };

  const append = (list: readonly NewEvent[], expectedRevision: bigint | 'no_stream', by = store) =>
    by.append(stream, list, { expectedRevision });

  const connected = (): Promise<unknown> => append([event()], 'no_stream');

  it('an append whose answer was lost is found written, once', async () => {
    await connected();
    proxy.lose.answers = true;
    const mine = [event(), event()];
    const appending = append(mine, 0n);
    await vi.waitFor(async () => expect(await direct.readStream(stream)).toHaveLength(3), within);
    proxy.heal();
    expect(await appending).toMatchObject({ revision: 2n });
    expect(idsOf(await direct.readStream(stream, { from: 1n }))).toEqual(idsOf(mine));
  });

  it('an append whose answer was lost is found written, even with another after it', async () => {
    await connected();
    proxy.lose.answers = true;
    const mine = [event()];
    const appending = append(mine, 0n);
    await vi.waitFor(async () => expect(await direct.readStream(stream)).toHaveLength(2), within);
    await append([event()], 1n, direct);
    proxy.heal();
    const [stored] = await direct.readStream(stream, { from: 1n, limit: 1 });
    expect(await appending).toEqual({ revision: 1n, position: stored?.position });
    expect(await direct.readStream(stream)).toHaveLength(3);
  });

  it('an append whose answer never comes is abandoned, repeated, and found written once', async () => {
    await connected();
    proxy.lose.answers = true;
    const appending = append([event()], 0n);
    await vi.waitFor(async () => expect(await direct.readStream(stream)).toHaveLength(2), within);
    proxy.lose.answers = false; // on the connection as it stands, which is sound
    expect(await appending).toMatchObject({ revision: 1n });
    expect(await direct.readStream(stream)).toHaveLength(2);
  });

  it('a lost append conflicts when another took its place', async () => {
    await connected();
    proxy.lose.requests = true;
    const appending = append([event()], 0n);
    const theirs = [event()];
    await append(theirs, 0n, direct);
    proxy.heal();
    await expect(appending).rejects.toMatchObject({ name: 'RevisionConflict', expected: 0n, actual: 1n });
    expect(idsOf(await direct.readStream(stream, { from: 1n }))).toEqual(idsOf(theirs));
  });

  it('an append to a server that stops responding is written once when it responds again', async () => {
    await connected();
    process.kill(node.pid, 'SIGSTOP');
    const appending = append([event()], 0n);
    const reading = store.readStream(stream);
    await new Promise((resolve) => setTimeout(resolve, 3_500)); // longer than one try waits
    process.kill(node.pid, 'SIGCONT');
    expect(await appending).toMatchObject({ revision: 1n });
    expect((await reading).length).toBeGreaterThan(0);
    expect(await direct.readStream(stream)).toHaveLength(2);
  });

  it('appends that waited for a full connection survive the death of the server, each written once', async () => {
    const writers = Array.from({ length: 64 }, async (_, writer) => {
      const written: string[] = [];
      for (let n = 0; n < 12; n += 1) {
        const next = event('x'.repeat(40_000));
        await store.append(`${stream}-${writer}`, [next], {
          expectedRevision: n === 0 ? 'no_stream' : BigInt(n - 1),
        });
        written.push(next.id);
      }
      return written;
    });
    const all = Promise.all(writers);
    for (let outage = 0; outage < 2; outage += 1) {
      await new Promise((resolve) => setTimeout(resolve, 150));
      process.kill(node.pid, 'SIGSTOP'); // fills the connection, so that appends have to wait
      await new Promise((resolve) => setTimeout(resolve, 300));
      await restart();
    }
    for (const [writer, written] of (await all).entries())
      expect(idsOf(await direct.readStream(`${stream}-${writer}`))).toEqual(written);
  });

  it('every call reports UNAVAILABLE while the server stays down', async () => {
    const lonely = createEsdbEventStore(`esdb://127.0.0.1:${await freePort('127.0.0.1')}?tls=false`, {
      ...ports,
      retryForMs: 200,
    });
    const away = { name: 'AppError', code: 'UNAVAILABLE', retryable: true };
    await expect(append([event()], 'no_stream', lonely)).rejects.toMatchObject(away);
    await expect(lonely.readStream(stream)).rejects.toMatchObject(away);
    await expect(lonely.readAll({ limit: 1 })).rejects.toMatchObject(away);
    await expect(lonely.head()).rejects.toMatchObject(away);
    await expect(lonely.subscribeAll({ onEvent() {} }, {}).done).rejects.toMatchObject(away);
    await lonely.close();
  });

  it('a subscription ends with UNAVAILABLE when the connection is lost', async () => {
    let caughtUp = (): void => {};
    const live = new Promise<void>((resolve) => {
      caughtUp = resolve;
    });
    const subscription = store.subscribeAll({ onEvent() {}, onCaughtUp: caughtUp }, {});
    await live;
    proxy.heal();
    await expect(subscription.done).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
  });

  it('closing does not wait for a server that does not respond', async () => {
    await connected();
    process.kill(node.pid, 'SIGSTOP');
    const appending = append([event()], 0n).catch((error: unknown) => error);
    const subscription = store.subscribeAll({ onEvent() {} }, {});
    await store.close();
    expect(await appending).toMatchObject({ code: 'UNAVAILABLE' });
    await subscription.done;
    process.kill(node.pid, 'SIGCONT');
  });

  it('a feed on it delivers the whole log to every consumer once, over restarts', async () => {
    const feed = await LogFeed.start({ ...ports, store, ringEvents: 200 });
    const abort = new AbortController();
    const consumers = [1, 50, 1_000].map((maxBatch) => {
      const seen: StoredEvent[] = [];
      const running = (async () => {
        for await (const { events } of feed.read({ maxBatch, signal: abort.signal })) seen.push(...events);
      })();
      return { seen, running };
    });
    let writing = true;
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let n = 0; writing; n += 1)
        await direct.append(`${stream}-${writer}`, [event(n), event(n)], {
          expectedRevision: n === 0 ? 'no_stream' : BigInt(2 * n - 1),
        });
    });
    for (let outage = 0; outage < 2; outage += 1) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      await restart();
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    writing = false;
    await Promise.all(writers);
    const log: string[] = [];
    for (let after: bigint | undefined = 0n; after !== undefined; ) {
      const page: Awaited<ReturnType<EventStore['readAll']>> = await direct.readAll({ after, limit: 1_000 });
      log.push(...idsOf(page.events));
      after = page.next;
    }
    for (const { seen } of consumers) {
      await vi.waitFor(() => expect(seen.length).toBeGreaterThanOrEqual(log.length), within);
      expect(idsOf(seen)).toEqual(log);
    }
    abort.abort();
    await Promise.all(consumers.map(({ running }) => running));
    await feed.stop();
  });
});
