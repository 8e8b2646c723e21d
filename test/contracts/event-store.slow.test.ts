import { randomUUID } from 'node:crypto';
import { type RunningNode, startEventStoreNode } from 'baton-eventstore-node';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createEsdbEventStore } from '../../src/eventstore/esdb-event-store.ts';
import type { AllSubscriber, EventStore, NewEvent } from '../../src/eventstore/event-store.ts';
import { LogFeed } from '../../src/eventstore/log-feed.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { describeEventStore } from './event-store.contract.ts';

const ports = { clock: systemClock, logger: createLogger('warn') };
const within = { timeout: 20_000, interval: 5 };

const events = (count: number, bytes = 0): NewEvent[] =>
  Array.from({ length: count }, () => ({
    id: randomUUID(),
    type: 'TestHappened',
    data: 'x'.repeat(bytes),
    metadata: {} as never,
  }));
const idsOf = (list: readonly { readonly id: string }[]): string[] => list.map(({ id }) => id);

const openable = () => {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
};

/** As EventStoreDB 23.10 and 24 treat a live subscriber that is more than 32 events behind. */
describe.each(['drop', 'read'] as const)('with slow subscribers: %s', (whenSlow) => {
  let node: RunningNode;
  let store: EventStore;

  beforeEach(async () => {
    node = await startEventStoreNode({ inMemory: true, slowSubscribers: { liveBuffer: 32, whenSlow } });
    store = createEsdbEventStore(node.connectionString, ports);
  });
  afterEach(async () => {
    await store.close();
    await node.stop();
  });

  describeEventStore('a node', async () => createEsdbEventStore(node.connectionString, ports));

  const appendAll = async (stream: string, lists: readonly NewEvent[][]): Promise<void> => {
    let revision: bigint | 'no_stream' = 'no_stream';
    for (const list of lists) ({ revision } = await store.append(stream, list, { expectedRevision: revision }));
  };

  /** A live subscriber that is busy with its first event until `finish` is called. */
  const busySubscriber = async () => {
    const seen: string[] = [];
    const gate = openable();
    const live = openable();
    const onBehind = vi.fn<NonNullable<AllSubscriber['onBehind']>>();
    const onEvent = async (event: { readonly id: string }): Promise<void> => {
      seen.push(event.id);
      await gate.opened;
    };
    const subscription = store.subscribeAll({ onEvent, onCaughtUp: live.open, onBehind }, {});
    await live.opened;
    return { seen, onBehind, subscription, finish: gate.open };
  };

  it('a busy subscriber is not too slow for the server: new events are buffered for it', async () => {
    const { seen, onBehind, subscription, finish } = await busySubscriber();
    const lists = Array.from({ length: 40 }, () => events(100, 1_000));
    await appendAll('test-a', lists);
    await new Promise((resolve) => setTimeout(resolve, 100));
    finish();
    await vi.waitFor(() => expect(seen).toHaveLength(4_000), within);
    expect(seen).toEqual(idsOf(lists.flat()));
    expect(onBehind).not.toHaveBeenCalled();
    subscription.stop();
  });

  it('a subscriber with more events waiting than the buffer holds is served by reading, without gap or repetition', async () => {
    const { seen, onBehind, subscription, finish } = await busySubscriber();
    const lists = Array.from({ length: 50 }, () => events(1, 900_000));
    await appendAll('test-a', lists);
    await vi.waitFor(() => expect(node.connections.calls).toBe(1), within); // the appends; the subscription has ended
    finish();
    await vi.waitFor(() => expect(seen).toHaveLength(50), within);
    const live = events(1);
    await appendAll('test-b', [live]);
    await vi.waitFor(() => expect(seen).toHaveLength(51), within);
    expect(seen).toEqual(idsOf([...lists.flat(), ...live]));
    expect(onBehind).toHaveBeenCalledTimes(1);
    subscription.stop();
  });
});

describe('a subscription that the server drops repeatedly', () => {
  let node: RunningNode;
  let store: EventStore;
  let feed: LogFeed;
  const abort = new AbortController();

  beforeEach(async () => {
    node = await startEventStoreNode({ inMemory: true });
    store = createEsdbEventStore(node.connectionString, ports);
    feed = await LogFeed.start({ ...ports, store });
  });
  afterEach(async () => {
    abort.abort();
    await feed.stop();
    await store.close();
    await node.stop();
  });

  it('gives a feed every event, once and in order', async () => {
    const seen: string[] = [];
    const read = async (): Promise<void> => {
      for await (const batch of feed.read({ maxBatch: 100, signal: abort.signal })) seen.push(...idsOf(batch.events));
    };
    const write = async (writer: number): Promise<void> => {
      for (let n = 0; !abort.signal.aborted && seen.length < 2_000; n += 1)
        await store.append(`test-${writer}`, events(2), {
          expectedRevision: n === 0 ? 'no_stream' : BigInt(2 * n - 1),
        });
    };
    const drop = setInterval(() => node.dropSubscribers(), 50);
    void read();
    await Promise.all([write(1), write(2), write(3), write(4)]).finally(() => clearInterval(drop));
    const { events: log } = await store.readAll({ limit: 1_000_000 });
    await vi.waitFor(() => expect(seen.length).toBeGreaterThanOrEqual(log.length), within);
    expect(seen).toEqual(idsOf(log));
    expect(feed.counters.fellBehind).toBeGreaterThan(0);
  });
});
