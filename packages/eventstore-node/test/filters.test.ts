import {
  type EventStoreDBClient,
  eventTypeFilter,
  jsonEvent,
  type PrefixesFilter,
  START,
  streamNameFilter,
} from '@eventstore/db-client';
import { describe, expect, it } from 'vitest';
import { bytes, message, varint } from './proto.ts';
import { RawStreams, read } from './raw-streams.ts';
import { event, eventually, startNode, until } from './support.ts';

const start = async () => {
  const { node, client } = await startNode();
  return { client, raw: new RawStreams(node.port) };
};

/** Types of one stream's events, whose names are the same in upper case. */
const withTypes = async (client: EventStoreDBClient, types: string[]) => {
  for (const type of types) await client.appendToStream(type.toUpperCase(), jsonEvent({ type, data: {} }));
};

type Filter = ReturnType<typeof eventTypeFilter> | ReturnType<typeof streamNameFilter>;

/** Types of the events that a subscription with this filter has when it is caught up. */
const passed = async (client: EventStoreDBClient, filter: Filter): Promise<string[]> => {
  const subscription = client.subscribeToAll({ fromPosition: START, filter: filter as PrefixesFilter });
  const types: string[] = [];
  let caughtUp = false;
  subscription.on('data', ({ event: found }) => types.push(found?.type as string));
  subscription.on('caughtUp', () => {
    caughtUp = true;
  });
  await eventually(() => caughtUp);
  await subscription.unsubscribe();
  return types.filter((type) => !type.startsWith('$'));
};

describe('a filter', () => {
  it.each([
    ['on types by prefix', eventTypeFilter({ prefixes: ['a', 'x'] }), ['a1', 'a2']],
    ['on types by expression', eventTypeFilter({ regex: '\\d$' }), ['a1', 'a2', 'b1']],
    ['on streams by prefix', streamNameFilter({ prefixes: ['B', 'A1'] }), ['a1', 'b1', 'b']],
    ['on streams by expression', streamNameFilter({ regex: '^.$' }), ['b', 'ä']],
    ['with letters of either case', streamNameFilter({ regex: '(?i)^a' }), ['a1', 'a2']],
    ['with case ignored in a part', eventTypeFilter({ regex: '(?i:A)[12]' }), ['a1', 'a2']],
    ['with what must not follow', eventTypeFilter({ regex: '^(?!a|\\$)' }), ['b1', 'b', 'ä']],
    ['with anchors of .NET', eventTypeFilter({ regex: '\\Ab\\z' }), ['b']],
    ['with a comment and a name', eventTypeFilter({ regex: '(?#the)(?<letter>b)(?x) \\d #digit' }), ['b1']],
    ['with letters of other alphabets', eventTypeFilter({ regex: '^\\p{Ll}$' }), ['b', 'ä']],
    ['that never matches', eventTypeFilter({ regex: 'a^' }), []],
    ['whose prefix is longer than any name', streamNameFilter({ prefixes: ['x'.repeat(70_000)] }), []],
  ] as [string, Filter, string[]][])('%s passes what it says', async (_, filter, expected) => {
    const { client } = await start();
    await withTypes(client, ['a1', 'a2', 'b1', 'b', 'ä']);
    expect(await passed(client, filter)).toEqual(expected);
  });

  const expressions = (regex: string) => eventTypeFilter({ regex }) as never;

  it.each(['(', '[a', 'a{2,1}', '(a)\\1', '(?<a>x)\\k<a>', '(?(a)b|c)', '\\p{IsGreek}', 'a++', 'x'.repeat(10_001)])(
    'with the expression %.12s is refused as invalid',
    async (source) => {
      const { client } = await start();
      const subscription = client.subscribeToAll({ fromPosition: START, filter: expressions(source) });
      await expect(until(subscription, () => false)).rejects.toMatchObject({ code: 3 });
    },
  );

  it('with an expression that backtracks without end in other engines delays nobody', async () => {
    const { client } = await start();
    const type = `${'a'.repeat(50_000)}!`;
    for (let i = 0; i < 5; i++) await client.appendToStream('s', jsonEvent({ type, data: {} }));
    const subscription = client.subscribeToAll({ fromPosition: START, filter: expressions('^(a+)+$') });
    let caughtUp = false;
    subscription.on('caughtUp', () => {
      caughtUp = true;
    });
    await client.appendToStream('other', event(0), { deadline: 5_000 });
    await eventually(() => caughtUp, 20_000);
    await subscription.unsubscribe();
  });

  it('that takes too long ends its own subscription only', async () => {
    const { client } = await start();
    await client.appendToStream('s', jsonEvent({ type: `${'a'.repeat(50_000)}b`, data: {} }));
    const bad = client.subscribeToAll({ fromPosition: START, filter: expressions('^(?:(?=.*x)|(?!.*y)a)*$') });
    await expect(until(bad, () => false)).rejects.toMatchObject({ code: 3 });
    expect(await passed(client, expressions('b$'))).toHaveLength(1);
  });

  it('applies to links, not to the events that they point to', async () => {
    const { client, raw } = await start();
    await client.appendToStream('target', jsonEvent({ type: 'Target', data: {} }));
    await raw.append('Append', 'links', 'any', [{ type: '$>', data: '0@target' }]);
    const filter = read.filter(message(2, bytes(2, 'Target')), varint(3, 32));
    const { messages } = await raw.read(read.all(), read.count(), read.resolveLinks, filter, read.textIds);
    const streams = messages.map((answer) => answer.message(1)?.message(1)?.message(2)?.text(3));
    expect(streams).toEqual(['target']);
    const links = read.filter(message(1, bytes(2, 'links')), message(4));
    const resolved = await raw.read(read.all(), read.count(), read.resolveLinks, links, read.textIds);
    expect(resolved.messages.map((answer) => answer.message(1)?.present)).toEqual([[1, 2, 3]]);
  });

  it('with a non-empty expression ignores prefixes; with neither it passes nothing', async () => {
    const { client, raw } = await start();
    await withTypes(client, ['a1', 'b1']);
    const count = async (...expression: Buffer[]) =>
      (await raw.read(read.all(), read.count(), read.filter(message(2, ...expression), varint(3, 32)), read.textIds))
        .messages.length;
    expect(await count(bytes(1, '^a1$'), bytes(2, 'b'))).toBe(1);
    expect(await count(bytes(1, ''), bytes(2, 'b'))).toBe(1);
    expect(await count()).toBe(0);
  });

  it('with more prefixes than the limit is refused', async () => {
    const { raw } = await start();
    const prefixes = Array.from({ length: 10_001 }, (_, i) => bytes(2, `p${i}`));
    const filter = read.filter(message(2, ...prefixes), varint(3, 32));
    expect(await raw.read(read.all(), read.count(), filter, read.textIds)).toMatchObject({ status: 3 });
  });
});
