import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../domain/json.ts';
import type { StoredEvent } from './event-store.ts';
import { canonicalJson, EMPTY_HEAD, GENESIS_HASH, type StreamHead, seal, verifyStream } from './provenance.ts';

const json = fc.jsonValue({ maxDepth: 5, stringUnit: 'binary' }) as fc.Arbitrary<Json>;

describe('the canonical form', () => {
  it('follows RFC 8785', () => {
    // The example of the RFC, section 3.2.2 to 3.2.4.
    const example = {
      numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    };
    expect(canonicalJson(example)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  it('orders keys by UTF-16 code units, as the RFC shows', () => {
    const keys = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6'];
    const form = canonicalJson(Object.fromEntries(keys.map((key) => [key, 0])));
    expect(Object.keys(JSON.parse(form) as object)).toEqual(
      ['1', '\r', '\u0080', '\u00f6', '\u20ac', '\ud83d\ude00', '\ufb33'], // an object lists '1' first anyway
    );
    expect(form.indexOf('\\r')).toBeLessThan(form.indexOf('"1"'));
  });

  it('equals the output of the package canonicalize, for every JSON value', () => {
    fc.assert(
      fc.property(json, (value) => canonicalJson(value) === canonicalize(value)),
      { numRuns: 2_000 },
    );
  });

  it('stays the same when the value is stored and read again', () => {
    const loose = fc.anything({
      withNullPrototype: true,
      values: [fc.string({ unit: 'binary' }), fc.integer(), fc.boolean(), fc.constantFrom(null, undefined, -0)],
    });
    fc.assert(
      fc.property(
        loose.filter((value) => value !== undefined),
        (value) => {
          expect(canonicalJson(JSON.parse(JSON.stringify(value)))).toBe(canonicalJson(value));
        },
      ),
      { numRuns: 2_000 },
    );
    expect(canonicalJson({ b: -0, a: undefined, c: [undefined] })).toBe('{"b":0,"c":[null]}');
  });

  it.each([
    ['NaN', Number.NaN],
    ['an infinity', -Infinity],
    ['a bigint', 1n],
    ['a function', () => 0],
    ['a symbol', Symbol('s')],
    ['a Date', new Date(0)],
    ['a Map', new Map()],
    ['a lone surrogate', 'a\ud800'],
    ['a lone surrogate in a key', { '\udc00': 1 }],
  ])('does not exist for %s', (_what, value) => {
    expect(() => canonicalJson(value)).toThrow(TypeError);
    expect(() => canonicalJson([{ value }])).toThrow(TypeError);
  });

  it('does not exist for undefined', () => expect(() => canonicalJson(undefined)).toThrow(TypeError));
});

const metadata = {
  tenant: 'default',
  commandId: 'c1',
  $correlationId: 'c1',
  $causationId: 'c1',
  actor: 'user:ada',
  at: '2026-01-02T03:04:05.678Z',
  schemaVersion: 1,
};

const chain = (values: readonly Json[], stream = 'task-default.1'): StoredEvent[] => {
  let head: StreamHead = EMPTY_HEAD;
  return values.map((data, index) => {
    const event = seal(stream, head, { id: `id-${index}`, type: 'TestHappened', data, metadata });
    const revision = BigInt(index);
    head = { revision, hash: event.metadata.hash };
    return { ...event, stream, revision, position: revision * 10n + 1n, recordedAt: '2026-01-02T03:04:06.000Z' };
  });
};

/** The hash as another program would compute it from the rule alone. */
const hashByTheRule = async ({ stream, revision, id, type, data, metadata }: StoredEvent): Promise<string> => {
  const { hash: _, ...rest } = metadata;
  const form = canonicalize({ stream, revision: String(revision), id, type, data, metadata: rest }) as string;
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(form));
  return Buffer.from(digest).toString('hex');
};

describe('a stream chained by hashes', () => {
  it('has the SHA-256 of the canonical form of each event, including the previous hash', async () => {
    const events = chain(['ß', { b: 1, a: [-0, 1.5] }, null]);
    for (const [index, event] of events.entries()) {
      expect(event.metadata.hash).toBe(await hashByTheRule(event));
      expect(event.metadata.prevHash).toBe(index === 0 ? GENESIS_HASH : events[index - 1]?.metadata.hash);
    }
  });

  it('verifies, whole and in pages', () => {
    const events = chain([1, 2, 3, 4, 5]);
    const head = { revision: 4n, hash: events[4]?.metadata.hash };
    expect(verifyStream(events)).toEqual({ ok: true, count: 5, head });
    const first = verifyStream(events.slice(0, 2));
    if (!first.ok) throw new Error(first.problem);
    expect(verifyStream(events.slice(2), first.head)).toEqual({ ok: true, count: 3, head });
    expect(verifyStream([])).toEqual({ ok: true, count: 0, head: EMPTY_HEAD });
  });

  it('verifies for all data, after being stored', () => {
    fc.assert(
      fc.property(fc.array(json, { minLength: 1, maxLength: 5 }), (values) => {
        const read = chain(values).map(({ data, metadata, ...rest }) => ({
          ...rest,
          data: JSON.parse(JSON.stringify(data)) as Json,
          metadata: JSON.parse(JSON.stringify(metadata)) as StoredEvent['metadata'],
        }));
        expect(verifyStream(read)).toMatchObject({ ok: true, count: values.length });
      }),
    );
  });

  const events = chain([{ amount: 1 }, { amount: 2 }, { amount: 3 }]);
  const [first, second, third] = events as [StoredEvent, StoredEvent, StoredEvent];

  it.each<[string, StoredEvent[], bigint, RegExp]>([
    ['an altered payload', [first, { ...second, data: { amount: 20 } }, third], 1n, /carries hash/],
    ['an altered actor', [first, { ...second, metadata: { ...second.metadata, actor: 'eve' } }], 1n, /carries hash/],
    ['an added metadata field', [{ ...first, metadata: { ...first.metadata, x: 1 } as never }], 0n, /carries hash/],
    ['an altered id', [{ ...first, id: 'other' }], 0n, /carries hash/],
    ['an altered type', [{ ...first, type: 'OtherHappened' }], 0n, /carries hash/],
    ['a missing event', [first, third], 1n, /has revision 2, expected 1/],
    ['a missing first event', [second, third], 0n, /has revision 1, expected 0/],
    ['events in another order', [second, first], 0n, /has revision 1, expected 0/],
    ['a removed event and later ones renumbered', [first, { ...third, revision: 1n }], 1n, /builds on hash/],
    ['an event of another stream', [first, { ...second, stream: 'task-default.2' }], 1n, /belongs to stream/],
    ['an event that was never sealed', [{ ...first, metadata: {} as never }], 0n, /builds on hash undefined/],
    ['data without canonical form', [{ ...first, data: '\ud800' }], 0n, /no canonical form/],
  ])('does not verify with %s, and reports where', (_what, tampered, revision, problem) => {
    expect(verifyStream(tampered)).toEqual({ ok: false, revision, problem: expect.stringMatching(problem) });
  });

  it('does not verify when a re-sealed event replaces one in the middle', () => {
    const forged = chain([{ amount: 1 }, { amount: 20 }])[1] as StoredEvent;
    expect(verifyStream([first, forged, third])).toMatchObject({ ok: false, revision: 2n });
  });

  it('notices every flipped character of the stored form', () => {
    const text = JSON.stringify({ data: first.data, metadata: first.metadata });
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom('a', '7', 'Z'), (at, character) => {
        const flipped = text.slice(0, at) + character + text.slice(at + 1);
        fc.pre(flipped !== text);
        let parsed: { readonly data: Json; readonly metadata?: StoredEvent['metadata'] };
        try {
          parsed = JSON.parse(flipped);
        } catch {
          return; // no longer JSON: every reader notices
        }
        const { data, metadata = {} as StoredEvent['metadata'] } = parsed;
        expect(verifyStream([{ ...first, data, metadata }]).ok).toBe(false);
      }),
    );
  });
});
