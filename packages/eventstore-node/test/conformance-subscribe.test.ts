import {
  type END,
  type EventStoreDBClient,
  eventTypeFilter,
  excludeSystemEvents,
  jsonEvent,
  type Position,
  START,
} from '@eventstore/db-client';
import { describe, expect, it } from 'vitest';
import { Fields, message } from './proto.ts';
import { MAX_I64, MAX_U64, RawStreams, read } from './raw-streams.ts';
import { event, events, eventually, startNode } from './support.ts';

const start = async () => {
  const { node, client } = await startNode();
  return { node, client, raw: new RawStreams(node.port) };
};

const common = [read.noFilter, read.textIds];

/** Opens a subscription; `log` tells what came, in order: a word, or the revision of an event. */
const subscribe = (raw: RawStreams, ...options: Buffer[]) => {
  const call = raw.call('Read').send(message(1, ...options, read.subscription, ...common));
  const log = () =>
    call.messages.map((bytes) => {
      const answer = new Fields(bytes);
      if (answer.has(2)) return 'confirmed';
      if (answer.has(8)) return 'caughtUp';
      return answer.has(1) ? Number(answer.message(1)?.message(1)?.number(3) ?? 0n) : `field ${answer.present}`;
    });
  return { call, log };
};

const three = (raw: RawStreams, stream: string) => raw.append('Append', stream, 'any', [{}, {}, {}]);
const TOMBSTONE = Number(MAX_I64);

describe('a subscription to a stream', () => {
  it.each([
    ['the start', read.start, [0, 1, 2]],
    ['revision 1', read.revision(1n), [2]],
    ['the head', read.revision(2n), []],
    ['the future', read.revision(4n), []],
    ['the last revision there can be', read.revision(MAX_I64), []],
    ['2^64-1', read.revision(MAX_U64), []],
    ['the end', read.end, []],
  ] as const)(
    'from %s is confirmed, delivers what is behind that, then is caught up, then live',
    async (what, from, history) => {
      const { raw } = await start();
      await three(raw, 's');
      const { log } = subscribe(raw, read.stream('s', from));
      await eventually(() => log().includes('caughtUp'));
      await raw.append('Append', 's', 2n, [{}, {}]);
      await raw.append('Append', 's', 4n, [{}]);
      const live = what === 'the future' ? [5] : what.startsWith('the last') ? [] : [3, 4, 5];
      const expected = ['confirmed', ...history, 'caughtUp', ...live];
      await eventually(() => log().length >= expected.length);
      await raw.append('Append', 'other', 'any', [{}]);
      expect(log()).toEqual(expected);
    },
  );

  it('that is already tombstoned is confirmed and then fails', async () => {
    const { raw } = await start();
    await three(raw, 's');
    await raw.delete('Tombstone', 's', 'any');
    for (const stream of ['s', '$$s']) {
      const { call, log } = subscribe(raw, read.stream(stream));
      expect(await call.ended).toMatchObject({
        'grpc-status': '9',
        exception: 'stream-deleted',
        'stream-name': stream,
      });
      expect(log()).toEqual(['confirmed']);
    }
  });

  it.each([
    ['from the start', read.start, ['confirmed', 0, 1, 2, 'caughtUp', TOMBSTONE]],
    ['from the end', read.end, ['confirmed', 'caughtUp', TOMBSTONE]],
    ['from the future', read.revision(99n), ['confirmed', 'caughtUp', TOMBSTONE]],
  ] as const)('%s ends with its tombstone', async (_, from, expected) => {
    const { raw } = await start();
    await three(raw, 's');
    const { call, log } = subscribe(raw, read.stream('s', from));
    await eventually(() => log().includes('caughtUp'));
    await raw.delete('Tombstone', 's', 2n);
    expect(await call.ended).toMatchObject({ 'grpc-status': '9', exception: 'stream-deleted', 'stream-name': 's' });
    expect(log()).toEqual(expected);
  });

  it('that never existed ends when it is tombstoned', async () => {
    const { raw } = await start();
    const { call, log } = subscribe(raw, read.stream('s'));
    await eventually(() => log().includes('caughtUp'));
    await raw.delete('Tombstone', 's', 'no_stream');
    expect(await call.ended).toMatchObject({ 'grpc-status': '9' });
    expect(log()).toEqual(['confirmed', 'caughtUp', TOMBSTONE]);
  });

  it('that is soft-deleted waits for new events, through deletion and recreation', async () => {
    const { raw } = await start();
    await three(raw, 's');
    await raw.delete('Delete', 's', 'any');
    const { log } = subscribe(raw, read.stream('s'));
    await eventually(() => log().includes('caughtUp'));
    await raw.append('Append', 's', 'no_stream', [{}]);
    await raw.delete('Delete', 's', 'any');
    await raw.append('Append', 's', 3n, [{}]);
    await eventually(() => log().length >= 4);
    expect(log()).toEqual(['confirmed', 'caughtUp', 3, 4]);
  });

  it('of metadata shows the newest as history, and each later one', async () => {
    const { client, raw } = await start();
    for (const maxCount of [1, 2, 3]) await client.setStreamMetadata('s', { maxCount });
    const { log } = subscribe(raw, read.stream('$$s'));
    await eventually(() => log().includes('caughtUp'));
    for (const maxCount of [4, 5]) await client.setStreamMetadata('s', { maxCount });
    await eventually(() => log().length >= 5);
    expect(log()).toEqual(['confirmed', 2, 'caughtUp', 3, 4]);
  });

  it('does not show expired events in its history', async () => {
    const { client, raw } = await start();
    await three(raw, 's');
    await client.setStreamMetadata('s', { maxAge: 1 });
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await raw.append('Append', 's', 2n, [{}]);
    const { log } = subscribe(raw, read.stream('s'));
    await eventually(() => log().includes('caughtUp'));
    expect(log()).toEqual(['confirmed', 3, 'caughtUp']);
  });
});

describe('a subscription to $all', () => {
  it.each([
    ['0/0', read.position(0n), (log: unknown[]) => log.length > 3 && log.at(-1) === 3],
    ['the future', read.position(MAX_I64 - 1n), (log: unknown[]) => log.length === 2],
    ['2^64-1', read.position(MAX_U64), (log: unknown[]) => log.length === 3 && log.at(-1) === 3],
  ] as const)('from %s is taken for what it says', async (_, from, isRight) => {
    const { raw } = await start();
    await three(raw, 's');
    const { log } = subscribe(raw, read.all(from));
    await eventually(() => log().includes('caughtUp'));
    await raw.append('Append', 's', 2n, [{}]);
    await eventually(() => isRight(log()));
    expect(log().filter((entry) => typeof entry === 'string')).toEqual(['confirmed', 'caughtUp']);
  });

  it('loses nothing in 80 rounds of appending, subscribing and ending', async () => {
    const { client } = await start();
    for (let round = 0; round < 80; round++) {
      const stream = `round-${round}`;
      const seen: string[] = [];
      const writing = client.appendToStream(stream, events(3));
      const filter = excludeSystemEvents();
      const subscriptions = [
        client.subscribeToAll({ fromPosition: START, filter }),
        client.subscribeToStream(stream, { fromRevision: START }),
      ];
      for (const [i, subscription] of subscriptions.entries()) {
        subscription.on('caughtUp', () => seen.push(`${i} caughtUp`));
        subscription.on('data', (resolved: { event?: { streamId: string; revision: bigint } }) => {
          if (resolved.event?.streamId === stream) seen.push(`${i} ${resolved.event.revision}`);
        });
      }
      await writing;
      await eventually(() => seen.length >= 8);
      for (const i of [0, 1]) {
        expect(seen.filter((entry) => entry === `${i} caughtUp`)).toHaveLength(1);
        expect(seen.filter((entry) => entry.startsWith(`${i}`) && !entry.endsWith('Up'))).toEqual([
          `${i} 0`,
          `${i} 1`,
          `${i} 2`,
        ]);
      }
      for (const subscription of subscriptions) await subscription.unsubscribe();
    }
  }, 60_000);

  it('that is cancelled receives nothing more', async () => {
    const { node, client, raw } = await start();
    for (let i = 0; i < 20; i++) await raw.append('Append', 'big', 'any', [{ data: Buffer.alloc(1_000_000) }]);
    const idle = node.waiting;
    for (let i = 0; i < 20; i++) {
      const { call, log } = subscribe(raw, read.all());
      await eventually(() => log().length > 0);
      call.stream.close(8);
    }
    await eventually(() => node.connections.calls === 0 && node.waiting === idle);
    await client.appendToStream('s', event(0));
  });
});

describe('checkpoints', () => {
  const filtered = (
    client: EventStoreDBClient,
    from: Position | typeof START | typeof END,
    type: string,
    interval: number,
  ) => {
    const log: (string | bigint)[] = [];
    const filter = eventTypeFilter({
      prefixes: [type],
      maxSearchWindow: 32,
      checkpointInterval: interval,
      checkpointReached: async (_subscription, { commit }) => {
        log.push(commit);
      },
    });
    const subscription = client.subscribeToAll({ fromPosition: from, filter });
    subscription.on('data', () => log.push('event'));
    subscription.on('caughtUp', () => log.push('caughtUp'));
    const checkpoints = () => log.filter((entry) => typeof entry === 'bigint');
    return { subscription, log, checkpoints };
  };

  it('come 6 or 7 times in 8 events of history and 376 live events, at an interval of 2 x 32', async () => {
    const { client } = await start();
    await client.appendToStream('s', events(8));
    const { log, checkpoints, subscription } = filtered(client, START, 'Counted', 2);
    await eventually(() => log.includes('caughtUp'));
    for (let i = 0; i < 47; i++) await client.appendToStream(`s-${i}`, events(8));
    await eventually(() => log.filter((entry) => entry === 'event').length === 384);
    await client.appendToStream('last', jsonEvent({ type: 'Other', data: {} }));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect([6, 7]).toContain(checkpoints().length);
    await subscription.unsubscribe();
  });

  it('come for events that do not match, each larger than the last, and none twice', async () => {
    const { client } = await start();
    const others = (count: number) => Array.from({ length: count }, () => jsonEvent({ type: 'Other', data: {} }));
    const { position } = await client.appendToStream('s', others(1));
    await client.appendToStream('s', others(64));
    const { log, checkpoints, subscription } = filtered(client, position as Position, 'Nothing', 1);
    await eventually(() => log.includes('caughtUp'));
    expect(checkpoints()).toHaveLength(2); // 64 = 2 x 32: the end of history has its checkpoint already
    for (let i = 0; i < 64; i++) await client.appendToStream('s', others(1));
    await eventually(() => checkpoints().length === 4);
    const list = checkpoints() as bigint[];
    expect(list.every((at, i) => i === 0 || at > (list[i - 1] as bigint))).toBe(true);
    await subscription.unsubscribe();
    const resumed = filtered(client, { commit: list[3] as bigint, prepare: list[3] as bigint }, 'Nothing', 1);
    await eventually(() => resumed.log.includes('caughtUp'));
    expect(resumed.checkpoints()).toEqual([]);
    await resumed.subscription.unsubscribe();
  });

  it('never come without a filter', async () => {
    const { raw } = await start();
    for (let i = 0; i < 5; i++)
      await raw.append(
        'Append',
        's',
        'any',
        Array.from({ length: 40 }, () => ({})),
      );
    const { log } = subscribe(raw, read.all());
    await eventually(() => log().includes('caughtUp'));
    expect(log().filter((entry) => String(entry).startsWith('field'))).toEqual([]);
  });

  it('keep coming, and other calls go on, while a filter skips a long log', async () => {
    const { client } = await start();
    const batch = () => Array.from({ length: 500 }, () => jsonEvent({ type: 'Other', data: { pad: 'x'.repeat(500) } }));
    for (let i = 0; i < 40; i++) await client.appendToStream('long', batch());
    const { log, checkpoints, subscription } = filtered(client, START, 'Nothing', 10);
    let appended = 0;
    while (!log.includes('caughtUp')) {
      await client.appendToStream('s', event(appended++));
      if (appended > 5_000) break;
    }
    expect(log).toContain('caughtUp');
    expect(appended).toBeGreaterThan(1);
    expect(checkpoints().length).toBeGreaterThanOrEqual(62); // 20,000 events at 320 each
    await subscription.unsubscribe();
  }, 60_000);
});
