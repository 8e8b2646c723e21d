import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it, vi } from 'vitest';
import { type Clock, systemClock } from '../platform/clock.ts';
import { AppError, unavailable } from '../platform/errors.ts';
import type { EventStore, NewEvent, Position, StoredEvent } from './event-store.ts';
import { type FeedBatch, LogFeed, type LogFeedOptions } from './log-feed.ts';
import { createMemoryEventStore } from './memory-event-store.ts';

const logger = pino({ level: 'silent' });

/** Waits end in the next turn of the event loop. */
const hastyClock: Clock = {
  ...systemClock,
  schedule(_delayMs, callback) {
    const turn = setImmediate(callback);
    return () => clearImmediate(turn);
  },
};

const openStore = (): EventStore => createMemoryEventStore({ clock: systemClock });

const startFeed = (store: LogFeedOptions['store'], options: Partial<LogFeedOptions> = {}): Promise<LogFeed> =>
  LogFeed.start({ store, clock: hastyClock, logger, ...options });

let lastId = 0;
const append = async (store: EventStore, count: number, type = 'TestHappened'): Promise<void> => {
  const events = Array.from({ length: count }, (): NewEvent => {
    lastId += 1;
    return { id: `id-${lastId}`, type, data: { n: lastId }, metadata: {} as never };
  });
  await store.append(`test-default.${lastId}`, events, { expectedRevision: 'no_stream' });
};

const wholeLog = async (store: EventStore): Promise<StoredEvent[]> => (await store.readAll({ limit: 100_000 })).events;

type Consumer = { readonly batches: FeedBatch[]; events(): StoredEvent[]; stop(): Promise<void> };

const consume = (
  feed: LogFeed,
  {
    after,
    maxBatch = 100,
    busy = () => undefined,
  }: { after?: Position | undefined; maxBatch?: number; busy?: () => Promise<void> | undefined } = {},
): Consumer => {
  const abort = new AbortController();
  const batches: FeedBatch[] = [];
  const running = (async () => {
    const from = after === undefined ? {} : { after };
    for await (const batch of feed.read({ ...from, maxBatch, signal: abort.signal })) {
      batches.push(batch);
      await busy();
    }
  })();
  return {
    batches,
    events: () => batches.flatMap(({ events }) => events),
    async stop() {
      abort.abort();
      await running;
    },
  };
};

const idsOf = (events: readonly StoredEvent[]): string[] => events.map(({ id }) => id);
const within = { timeout: 5_000, interval: 1 };

describe('a consumer of the feed', () => {
  it('reads history in pages, then live events, from any checkpoint', async () => {
    const store = openStore();
    await append(store, 25);
    const feed = await startFeed(store);
    const log = await wholeLog(store);
    const consumers = [undefined, ...log.map(({ position }) => position)].map((after) =>
      consume(feed, { after, maxBatch: 4 }),
    );
    await append(store, 10);
    const all = idsOf(await wholeLog(store));
    for (const [skipped, consumer] of consumers.entries()) {
      await vi.waitFor(() => expect(idsOf(consumer.events())).toEqual(all.slice(skipped)), within);
      for (const { events } of consumer.batches) expect(events.length).toBeLessThanOrEqual(4);
      await consumer.stop();
    }
    await feed.stop();
  });

  it('learns that it has caught up: with its last batch, or with an empty one when there is nothing to read', async () => {
    const store = openStore();
    await append(store, 5);
    const feed = await startFeed(store);
    const fromStart = consume(feed, { maxBatch: 2 });
    const fromHead = consume(feed, { after: feed.head });
    await vi.waitFor(() => expect(fromStart.events()).toHaveLength(5), within);
    await nextTurn();
    expect(fromStart.batches.map(({ caughtUp }) => caughtUp)).toEqual([false, false, true]);
    expect(fromHead.batches).toEqual([{ events: [], position: feed.head, caughtUp: true }]);
    await append(store, 1);
    await vi.waitFor(() => expect(fromHead.events()).toHaveLength(1), within);
    expect(fromHead.batches.at(-1)).toMatchObject({ position: feed.head, caughtUp: true });
    await feed.stop();
    await Promise.all([fromStart.stop(), fromHead.stop()]);
  });

  it('starts with an empty log, at position 0', async () => {
    const store = openStore();
    const feed = await startFeed(store);
    const consumer = consume(feed);
    await vi.waitFor(() => expect(consumer.batches).toEqual([{ events: [], position: 0n, caughtUp: true }]), within);
    const resumed = consume(feed, { after: 0n });
    await append(store, 3);
    await vi.waitFor(() => expect([consumer.events().length, resumed.events().length]).toEqual([3, 3]), within);
    await feed.stop();
  });

  it('can continue from the position of any batch', async () => {
    const store = openStore();
    await append(store, 10, '$note');
    await append(store, 10);
    await append(store, 10, '$note');
    await append(store, 10);
    const feed = await startFeed(store, { ringEvents: 8 });
    const consumer = consume(feed, { maxBatch: 3 });
    await append(store, 5);
    const log = await wholeLog(store);
    await vi.waitFor(() => expect(idsOf(consumer.events())).toEqual(idsOf(log)), within);
    for (const { position } of consumer.batches) {
      const resumed = consume(feed, { after: position, maxBatch: 3 });
      const rest = idsOf(log.filter((event) => event.position > position));
      await vi.waitFor(() => expect(idsOf(resumed.events())).toEqual(rest), within);
      await resumed.stop();
    }
    await feed.stop();
  });

  it('gets all events that arrived while it was busy at once', async () => {
    const store = openStore();
    const feed = await startFeed(store);
    const gate = { open: () => {} };
    const opened = new Promise<void>((resolve) => {
      gate.open = resolve;
    });
    const consumer = consume(feed, { busy: () => opened });
    await append(store, 1);
    for (let n = 0; n < 30; n += 1) await append(store, 1);
    await vi.waitFor(async () => expect(feed.head).toBe(await store.head()), within);
    gate.open();
    await vi.waitFor(() => expect(consumer.events()).toHaveLength(31), within);
    expect(consumer.batches.length).toBeLessThanOrEqual(3);
    await feed.stop();
  });

  it('gets a live event within the event-loop turn that delivered it', async () => {
    const store = openStore();
    const bring: { event: (event: StoredEvent) => void } = { event: () => {} };
    const feed = await startFeed({
      ...store,
      subscribeAll(subscriber) {
        bring.event = (event) => void subscriber.onEvent(event);
        return { done: new Promise(() => {}), stop() {} };
      },
    });
    const consumer = consume(feed);
    await nextTurn();
    await append(store, 2);
    const [first, second] = (await wholeLog(store)) as [StoredEvent, StoredEvent];
    let early = -1;
    setImmediate(() => {
      bring.event(first);
      bring.event(second);
      queueMicrotask(() =>
        queueMicrotask(() =>
          process.nextTick(() => {
            early = consumer.events().length;
          }),
        ),
      );
    });
    await nextTurn();
    await nextTurn();
    expect(early).toBe(2);
    expect(consumer.batches.at(-1)?.events).toHaveLength(2);
  });

  it('that falls out of the ring goes back to pages, and misses nothing', async () => {
    const store = openStore();
    const feed = await startFeed(store, { ringEvents: 5 });
    const gate = { open: () => {} };
    const opened = new Promise<void>((resolve) => {
      gate.open = resolve;
    });
    const slow = consume(feed, { maxBatch: 3, busy: () => opened });
    for (let n = 0; n < 40; n += 1) await append(store, 1);
    gate.open();
    await append(store, 1);
    const all = idsOf(await wholeLog(store));
    await vi.waitFor(() => expect(idsOf(slow.events())).toEqual(all), within);
    await feed.stop();
  });

  it('ends when its signal aborts, whether it waits, reads or has not begun', async () => {
    const store = openStore();
    await append(store, 50);
    const feed = await startFeed(store);
    const waiting = consume(feed, { after: feed.head });
    const reading = consume(feed, { maxBatch: 1 });
    await vi.waitFor(() => expect(reading.batches.length).toBeGreaterThan(0), within);
    await Promise.all([waiting.stop(), reading.stop()]);
    const batches: FeedBatch[] = [];
    for await (const batch of feed.read({ maxBatch: 1, signal: AbortSignal.abort() })) batches.push(batch);
    expect(batches).toEqual([]);
    await feed.stop();
  });

  it('ends when the feed stops', async () => {
    const store = openStore();
    const feed = await startFeed(store);
    const ended = (async () => {
      for await (const _ of feed.read({ maxBatch: 1, signal: new AbortController().signal }));
    })();
    await nextTurn();
    await feed.stop();
    await ended;
    expect(feed.status().live).toBe(false);
  });

  it('waits while the store cannot be reached, and fails with any other error of the store', async () => {
    const store = openStore();
    await append(store, 5);
    let failures = 3;
    let failure: Error = unavailable('away');
    const flaky: EventStore = {
      ...store,
      async readAll(options) {
        if (failures > 0) {
          failures -= 1;
          throw failure;
        }
        return store.readAll(options);
      },
    };
    const feed = await startFeed(flaky);
    const consumer = consume(feed);
    await vi.waitFor(() => expect(consumer.events()).toHaveLength(5), within);
    expect(failures).toBe(0);
    await consumer.stop();

    failures = 1;
    failure = new AppError('UNAVAILABLE', 'access denied');
    await expect(feed.read({ maxBatch: 1, signal: new AbortController().signal }).next()).rejects.toBe(failure);
    await feed.stop();
  });
});

describe('the feed', () => {
  it('subscribes once for all consumers, and loads no older events', async () => {
    const store = openStore();
    await append(store, 5);
    const subscribeAll = vi.fn(store.subscribeAll);
    const feed = await startFeed({ ...store, subscribeAll });
    const consumers = [consume(feed), consume(feed), consume(feed, { after: feed.head })];
    await append(store, 5);
    for (const consumer of consumers)
      await vi.waitFor(() => expect(consumer.batches.at(-1)?.position).toBe(feed.head), within);
    expect(subscribeAll).toHaveBeenCalledTimes(1);
    const positions = (await wholeLog(store)).map(({ position }) => position);
    expect(subscribeAll.mock.calls[0]?.[1].after).toBe(positions[4]);
    await feed.stop();
  });

  it('cannot start without the store', async () => {
    const store = openStore();
    await store.close();
    await expect(startFeed(store)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('reports whether it is live, its position, and since when', async () => {
    const store = openStore();
    await append(store, 1);
    const lose: { connection: (error: Error) => void } = { connection: () => {} };
    let reachable = true;
    let now = Date.parse('2026-01-01T00:00:00.000Z');
    const feed = await startFeed(
      {
        ...store,
        subscribeAll(subscriber, options) {
          if (!reachable) return { done: Promise.reject(unavailable('away')), stop() {} };
          const real = store.subscribeAll(subscriber, options);
          const lost = new Promise<void>((_resolve, reject) => {
            lose.connection = (error) => {
              real.stop();
              reject(error);
            };
          });
          return { done: Promise.race([real.done.then(() => lost), lost]), stop: () => real.stop() };
        },
      },
      { clock: { ...hastyClock, now: () => now } },
    );
    const position = await store.head();
    await vi.waitFor(
      () => expect(feed.status()).toEqual({ live: true, position, since: '2026-01-01T00:00:00.000Z' }),
      within,
    );
    now += 1_000;
    reachable = false;
    lose.connection(unavailable('lost'));
    await vi.waitFor(
      () => expect(feed.status()).toEqual({ live: false, position, since: '2026-01-01T00:00:01.000Z' }),
      within,
    );
    now += 1_000;
    await append(store, 1);
    reachable = true;
    await vi.waitFor(() => expect(feed.status().live).toBe(true), within);
    await vi.waitFor(async () => expect(feed.head).toBe(await store.head()), within);
    expect(feed.status().since).toBe('2026-01-01T00:00:02.000Z');
  });

  it('delivers no event twice, even from a store that repeats events after a lost connection', async () => {
    const store = openStore();
    const bring: { event: (event: StoredEvent) => void } = { event: () => {} };
    const feed = await startFeed({
      ...store,
      subscribeAll(subscriber) {
        bring.event = (event) => void subscriber.onEvent(event);
        return { done: new Promise(() => {}), stop() {} };
      },
    });
    const consumer = consume(feed);
    await append(store, 3);
    const [first, second, third] = (await wholeLog(store)) as [StoredEvent, StoredEvent, StoredEvent];
    for (const event of [first, second, first, second]) {
      bring.event(event);
      await nextTurn();
    }
    expect(feed.head).toBe(second.position);
    const late = consume(feed);
    bring.event(third);
    for (const { events } of [consumer, late])
      await vi.waitFor(() => expect(idsOf(events())).toEqual(idsOf([first, second, third])), within);
  });

  it('reports a lost subscription only once it cannot be resumed, with what the server said', async () => {
    const warn = vi.fn();
    const debug = vi.fn();
    const reason = unavailable('lost', new Error('14 UNAVAILABLE: Leader info not available'));
    const away = { ...openStore(), subscribeAll: () => ({ done: Promise.reject(reason), stop() {} }) };
    const feed = await startFeed(away, { logger: { warn, debug } as never });
    await vi.waitFor(() => expect(feed.counters.lost).toBeGreaterThan(5), within);
    await feed.stop();
    const details = { reason: 'lost: 14 UNAVAILABLE: Leader info not available' };
    expect(warn.mock.calls).toEqual([[details, 'the live subscription to the log cannot be resumed; still trying']]);
    expect(debug.mock.calls[0]).toEqual([details, 'the live subscription to the log was lost; resuming it']);
  });

  it('waits longer after each failure to subscribe, up to five seconds, with jitter', async () => {
    const store = openStore();
    const delays: number[] = [];
    const clock: Clock = {
      ...hastyClock,
      schedule(delayMs, callback) {
        delays.push(delayMs);
        return hastyClock.schedule(delayMs, callback);
      },
    };
    const away = { ...store, subscribeAll: () => ({ done: Promise.reject(unavailable('away')), stop() {} }) };
    const feed = await startFeed(away, { clock, random: () => 0.5 });
    await vi.waitFor(() => expect(delays.length).toBeGreaterThan(9), within);
    await feed.stop();
    expect(delays.slice(0, 10)).toEqual(
      [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000].map((ms) => ms * 0.75),
    );
  });
});

/** A store whose subscriptions break after a number of events, which may be 0. */
const withBreakingSubscriptions = (store: EventStore, lifetimes: readonly number[]): EventStore => {
  let opened = 0;
  return {
    ...store,
    subscribeAll(subscriber, options) {
      const lifetime = lifetimes[opened % lifetimes.length] as number;
      opened += 1;
      let seen = 0;
      let lose = (_error: Error): void => {};
      const lost = new Promise<void>((_resolve, reject) => {
        lose = reject;
      });
      const real = store.subscribeAll(
        {
          ...subscriber,
          onEvent(event) {
            seen += 1;
            if (seen <= lifetime) return subscriber.onEvent(event);
            real.stop();
            lose(unavailable('connection lost'));
          },
        },
        options,
      );
      // `real` ends first both when the reader stops and when the connection is lost.
      return { done: real.done.then(() => (seen > lifetime ? lost : undefined)), stop: () => real.stop() };
    },
  };
};

describe('under any failure of the subscription', () => {
  it('consumers see exactly the log, from any start, at any speed, with any ring', async () => {
    const consumers = fc.array(
      fc.record({ skip: fc.nat(40), maxBatch: fc.integer({ min: 1, max: 20 }), pace: fc.nat(3), joinsAt: fc.nat(20) }),
      { minLength: 1, maxLength: 4 },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.nat(30),
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 25 }),
        fc.array(fc.nat(12), { minLength: 1, maxLength: 5 }).filter((list) => list.some((lifetime) => lifetime > 0)),
        fc.integer({ min: 1, max: 30 }),
        consumers,
        async (before, appends, lifetimes, ringEvents, plans) => {
          const store = openStore();
          if (before > 0) await append(store, before);
          const history = await wholeLog(store);
          const feed = await startFeed(withBreakingSubscriptions(store, lifetimes), { ringEvents });
          const running: { readonly skip: number; readonly consumer: Consumer }[] = [];
          const join = (turn: number): void => {
            for (const { skip, maxBatch, pace, joinsAt } of plans) {
              if (joinsAt !== turn) continue;
              const skipped = Math.min(skip, history.length);
              const busy = async (): Promise<void> => {
                for (let waited = 0; waited < pace; waited += 1) await nextTurn();
              };
              const after = history[skipped - 1]?.position;
              running.push({ skip: skipped, consumer: consume(feed, { after, maxBatch, busy }) });
            }
          };
          for (let turn = 0; turn <= 20 || turn < appends.length; turn += 1) {
            join(turn);
            const count = appends[turn];
            if (count !== undefined) await append(store, count, turn % 5 === 4 ? '$note' : 'TestHappened');
            if (turn % 3 === 0) await nextTurn();
          }
          const log = await wholeLog(store);
          for (const { skip, consumer } of running) {
            await vi.waitFor(() => expect(consumer.events().length).toBeGreaterThanOrEqual(log.length - skip), within);
            await nextTurn();
            expect(idsOf(consumer.events())).toEqual(idsOf(log.slice(skip)));
          }
          await feed.stop();
          await Promise.all(running.map(({ consumer }) => consumer.stop()));
        },
      ),
      { numRuns: 150 },
    );
  }, 60_000);
});
