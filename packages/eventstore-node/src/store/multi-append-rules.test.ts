import { describe, expect, it } from 'vitest';
import type { StreamFacts } from './append-rules.ts';
import { decideMultiAppend, type Touched } from './multi-append-rules.ts';
import type { ExpectedState } from './operations.ts';

type Stream = {
  readonly ids?: readonly string[];
  readonly tombstoned?: boolean;
  readonly softDeleted?: boolean;
  readonly hasMetadata?: boolean;
};

const factsOf = ({ ids = [], tombstoned = false, softDeleted = false, hasMetadata = false }: Stream): StreamFacts => ({
  lastRevision: ids.length - 1,
  tombstoned,
  softDeleted: () => softDeleted,
  hasMetadata: () => hasMetadata,
  idAt: (revision) => ids[revision] as string,
  recentRevision: (id) => (ids.includes(id) ? ids.indexOf(id) : undefined),
});

const touched = (stream: Stream, expected: ExpectedState, ...ids: string[]): Touched => ({
  facts: factsOf(stream),
  expected,
  ids,
});

const never = {};
const atTwo = { ids: ['a', 'b', 'c'] };
const softDeleted = { ...atTwo, softDeleted: true, hasMetadata: true };
const tombstoned = { ...atTwo, tombstoned: true };

const write = { kind: 'write' };
const refused = (...violations: [stream: number, lastRevision: number, state: string][]) => ({
  kind: 'violated',
  violations: violations.map(([stream, lastRevision, state]) => ({ stream, lastRevision, state })),
});
const known = (...lastRevisions: number[]) => ({ kind: 'idempotent', lastRevisions });

const NEVER = refused([0, -1, 'present']);
const AT_TWO = refused([0, 2, 'present']);
const SOFT_DELETED = refused([0, 2, 'softDeleted']);
const TOMBSTONED = refused([0, 2, 'tombstoned']);

const STATES = [never, atTwo, softDeleted, tombstoned];

/** In the order of `STATES`. */
const WHEN_WRITTEN: readonly [ExpectedState, ...unknown[]][] = [
  ['any', write, write, write, TOMBSTONED],
  ['stream_exists', NEVER, write, SOFT_DELETED, TOMBSTONED],
  ['no_stream', write, AT_TWO, write, TOMBSTONED],
  ['soft_deleted', NEVER, AT_TWO, write, TOMBSTONED],
  ['tombstoned', NEVER, AT_TWO, SOFT_DELETED, TOMBSTONED],
  [1n, NEVER, AT_TWO, SOFT_DELETED, TOMBSTONED],
  [2n, NEVER, write, write, TOMBSTONED],
  [3n, NEVER, AT_TWO, SOFT_DELETED, TOMBSTONED],
];
const WHEN_CHECKED: typeof WHEN_WRITTEN = [
  ['any', write, write, write, write],
  ['stream_exists', NEVER, write, SOFT_DELETED, TOMBSTONED],
  ['no_stream', write, AT_TWO, write, write],
  ['soft_deleted', NEVER, AT_TWO, write, TOMBSTONED],
  ['tombstoned', NEVER, AT_TWO, SOFT_DELETED, write],
  [1n, NEVER, AT_TWO, SOFT_DELETED, TOMBSTONED],
  [2n, NEVER, write, write, TOMBSTONED],
  [3n, NEVER, AT_TWO, SOFT_DELETED, TOMBSTONED],
];

describe('what is expected of a stream', () => {
  it.each(WHEN_WRITTEN)('that gets events, %s, in each state', (expected, ...outcomes) => {
    expect(STATES.map((stream) => decideMultiAppend([touched(stream, expected, 'new')]))).toEqual(outcomes);
  });

  it.each(WHEN_CHECKED)('that is only checked, %s, in each state', (expected, ...outcomes) => {
    const decide = (stream: Stream) => decideMultiAppend([touched(stream, expected), touched(never, 'any', 'new')]);
    expect(STATES.map(decide)).toEqual(outcomes);
  });

  it('counts metadata as a stream', () => {
    const described = { hasMetadata: true };
    expect(decideMultiAppend([touched(described, 'stream_exists', 'new')])).toEqual(write);
    expect(decideMultiAppend([touched(described, 'stream_exists'), touched(never, 'any', 'new')])).toEqual(write);
  });
});

describe('several streams', () => {
  it('are refused together, with every stream that is not as expected', () => {
    const streams = [touched(never, 1n, 'x'), touched(never, 'any', 'y'), touched(softDeleted, 'stream_exists')];
    expect(decideMultiAppend(streams)).toEqual(refused([0, -1, 'present'], [2, 2, 'softDeleted']));
  });

  it.each<[string, ExpectedState, ExpectedState]>([
    ['any', 'any', 'any'],
    ['exact revisions', 'no_stream', 1n],
  ])('recognise a repeat of the whole append, expecting %s', (_, first, second) => {
    const streams = [touched(atTwo, first, 'a', 'b'), touched({ ids: ['x', 'y', 'z'] }, second, 'z')];
    expect(decideMultiAppend(streams)).toEqual(known(1, 2));
  });

  it('recognise a repeat whatever streams that are only checked have become', () => {
    expect(decideMultiAppend([touched(atTwo, 99n), touched(atTwo, 'any', 'a')])).toEqual(known(-1, 0));
  });

  it('refuse events that were written before among new ones', () => {
    const streams = [touched(atTwo, 'any', 'new'), touched(atTwo, 'any', 'b')];
    expect(decideMultiAppend(streams)).toEqual(refused([1, 2, 'present']));
    expect(decideMultiAppend([touched(atTwo, 'no_stream', 'a', 'new')])).toEqual(AT_TWO);
  });

  it('recognise the repeat of an append that brought a deleted stream back', () => {
    expect(decideMultiAppend([touched({ ...atTwo, hasMetadata: true }, 'soft_deleted', 'c')])).toEqual(known(2));
  });
});
