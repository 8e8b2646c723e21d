import { describe, expect, it } from 'vitest';
import { decideAppend, type Expected, type StreamFacts } from './append-rules.ts';

type Stream = {
  ids?: string[];
  tombstoned?: boolean;
  softDeleted?: boolean;
  hasMetadata?: boolean;
  recent?: Record<string, number>;
};

const factsOf = ({
  ids = [],
  tombstoned = false,
  softDeleted = false,
  hasMetadata = false,
  recent = {},
}: Stream): StreamFacts => ({
  lastRevision: ids.length - 1,
  tombstoned,
  softDeleted: () => softDeleted,
  hasMetadata: () => hasMetadata,
  idAt: (revision) => ids[revision] as string,
  recentRevision: (id) => recent[id],
});

const decide = (stream: Stream, expected: Expected, ids: string[]) => decideAppend(factsOf(stream), expected, ids);

const write = { kind: 'write' };
const wrong = { kind: 'wrongExpectedVersion' };
const deleted = { kind: 'streamDeleted' };
const known = (lastRevision: number) => ({ kind: 'idempotent', lastRevision });

describe('a tombstoned stream', () => {
  it.each(['any', 'no_stream', 'stream_exists', 0n, -1n] as const)(
    'is deleted for an append that expects %s',
    (expected) => {
      expect(decide({ ids: ['a'], tombstoned: true }, expected, ['b'])).toEqual(deleted);
    },
  );
});

describe('stream_exists', () => {
  it('treats metadata alone as a stream', () => {
    expect(decide({}, 'stream_exists', ['a'])).toEqual(wrong);
    expect(decide({ hasMetadata: true }, 'stream_exists', ['a'])).toEqual(write);
  });
  it('treats a soft-deleted stream as deleted', () => {
    expect(decide({ ids: ['a'], softDeleted: true, hasMetadata: true }, 'stream_exists', ['b'])).toEqual(deleted);
  });
});

describe.each(['any', 'stream_exists'] as const)('%s', (expected) => {
  const stream = { ids: ['a', 'b', 'c', 'd'], recent: { b: 1, d: 3 } };
  it('writes if the first id is not remembered, even if later ones are', () => {
    expect(decide(stream, expected, ['x', 'b'])).toEqual(write);
  });
  it('recognises a repeat when all ids are remembered, consecutive or not', () => {
    expect(decide(stream, expected, ['b', 'd'])).toEqual(known(3));
    expect(decide(stream, expected, ['b'])).toEqual(known(1));
  });
  it('refuses a mixture that starts with a remembered id', () => {
    expect(decide(stream, expected, ['b', 'x'])).toEqual(wrong);
  });
  it('writes nothing for an empty append, and accepts it', () => {
    expect(decide(stream, expected, [])).toEqual(write);
  });
});

describe('an exact revision', () => {
  const stream = { ids: ['a', 'b', 'c', 'd'] };
  it('at the head appends, whatever the ids', () => {
    expect(decide(stream, 3n, ['a'])).toEqual(write);
    expect(decide({}, 'no_stream', ['a'])).toEqual(write);
  });
  it.each([4n, 99n, 2n ** 63n])('past the head (%s) is refused', (expected) => {
    expect(decide(stream, expected, ['a'])).toEqual(wrong);
  });
  it('before the head recognises exactly the events that are there', () => {
    expect(decide(stream, 'no_stream', ['a', 'b', 'c', 'd'])).toEqual(known(3));
    expect(decide(stream, 0n, ['b', 'c'])).toEqual(known(2));
    expect(decide(stream, 2n, ['d'])).toEqual(known(3));
  });
  it.each([
    { expected: 0n, ids: ['x'] },
    { expected: 0n, ids: ['b', 'x'] },
    { expected: 0n, ids: ['c', 'd'] },
    { expected: 2n, ids: ['d', 'e'] },
    { expected: 'no_stream', ids: ['b'] },
    { expected: 1n, ids: [] },
  ] as const)('behind the head refuses $ids after $expected', ({ expected, ids }) => {
    expect(decide(stream, expected, [...ids])).toEqual(wrong);
  });
});

describe('a soft-deleted stream', () => {
  const stream = { ids: ['a', 'b'], softDeleted: true, hasMetadata: true };
  it('may be started again as if it did not exist', () => {
    expect(decide(stream, 'no_stream', ['x'])).toEqual(write);
    expect(decide(stream, 'any', ['x'])).toEqual(write);
    expect(decide(stream, 1n, ['x'])).toEqual(write);
  });
  it('still recognises what was written to it, and refuses other revisions', () => {
    expect(decide(stream, 'no_stream', ['a'])).toEqual(known(0));
    expect(decide(stream, 'no_stream', ['a', 'x'])).toEqual(wrong);
    expect(decide(stream, 0n, ['x'])).toEqual(wrong);
  });
});
