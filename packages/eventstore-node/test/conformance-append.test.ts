import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { startEventStoreNode } from '../src/index.ts';
import { bytes, Fields, message, varint } from './proto.ts';
import {
  batchOutcome,
  type Expectation,
  expectation,
  fragment,
  MAX_I64,
  MAX_U64,
  proposed,
  RawStreams,
  RPCS,
  type Rpc,
  streamId,
  structuredId,
  textId,
} from './raw-streams.ts';
import { collect, eventually, startNode, temporaryFolder } from './support.ts';

const start = async () => {
  const { node, client } = await startNode();
  return { node, client, raw: new RawStreams(node.port) };
};

type Raw = RawStreams;
const three = (raw: Raw, stream: string) => raw.append('BatchAppend', stream, 'no_stream', [{}, {}, {}]);
const setMetadata = (raw: Raw, stream: string, json: string) =>
  raw.append('Append', `$$${stream}`, 'any', [{ type: '$metadata', data: json }]);

/** Ways a stream can be, by the name of a stream that is so. */
const STATES: Record<string, (raw: Raw, stream: string) => Promise<unknown>> = {
  'that never was': async () => {},
  'with only metadata': (raw, stream) => setMetadata(raw, stream, '{"$maxCount":9}'),
  'of three events': three,
  'of three events, two of them truncated': async (raw, stream) => {
    await three(raw, stream);
    await setMetadata(raw, stream, '{"$maxCount":1}');
  },
  'soft-deleted after three events': async (raw, stream) => {
    await three(raw, stream);
    await raw.delete('Delete', stream, 'any');
  },
  'soft-deleted before it had events': async (raw, stream) => {
    await setMetadata(raw, stream, '{"$maxCount":9}');
    await raw.delete('Delete', stream, 'any');
  },
  tombstoned: async (raw, stream) => {
    await three(raw, stream);
    await raw.delete('Tombstone', stream, 'any');
  },
};

const WRONG = 'wrong';
const DELETED = 'deleted';

/** What becomes of one new event: the revision it gets, or the refusal. */
const RULES: [state: string, Record<string, number | typeof WRONG | typeof DELETED>][] = [
  ['that never was', { any: 0, no_stream: 0, stream_exists: WRONG, '0': WRONG, '2': WRONG, '7': WRONG }],
  ['with only metadata', { any: 0, no_stream: 0, stream_exists: 0, '0': WRONG }],
  ['of three events', { any: 3, no_stream: WRONG, stream_exists: 3, '0': WRONG, '1': WRONG, '2': 3, '3': WRONG }],
  ['of three events, two of them truncated', { any: 3, no_stream: WRONG, stream_exists: 3, '0': WRONG, '2': 3 }],
  ['soft-deleted after three events', { any: 3, no_stream: 3, stream_exists: DELETED, '0': WRONG, '2': 3, '3': WRONG }],
  ['soft-deleted before it had events', { any: 0, no_stream: 0, stream_exists: DELETED, '0': WRONG }],
  ['tombstoned', { any: DELETED, no_stream: DELETED, stream_exists: DELETED, '0': DELETED, '2': DELETED }],
];

const asExpectation = (key: string): Expectation => (/^\d+$/.test(key) ? BigInt(key) : (key as Expectation));

describe.each(RPCS)('an append by %s', (rpc) => {
  it.each(RULES)('to a stream %s is decided by what it expects', async (state, rules) => {
    const { raw } = await start();
    for (const [key, result] of Object.entries(rules)) {
      const stream = `s-${key}`;
      await STATES[state]?.(raw, stream);
      const current = state.includes('never') || state.includes('only') || state.includes('before') ? -1n : 2n;
      const expected = asExpectation(key);
      const outcome = await raw.append(rpc, stream, expected, [{}]);
      if (result === WRONG) expect(outcome, key).toEqual({ wrong: current, expected });
      else if (result === DELETED) expect(outcome, key).toEqual({ deleted: stream });
      else expect(outcome, key).toEqual({ done: BigInt(result), position: expect.any(BigInt) });
    }
  });

  it('that expects 2^64-1 expects no stream; no other value beyond 2^63-1 is accepted', async () => {
    const { raw } = await start();
    expect(await raw.append(rpc, 's', MAX_U64, [{}])).toMatchObject({ done: 0n });
    expect(await raw.append(rpc, 's', MAX_U64, [{}])).toMatchObject({ wrong: 0n });
    expect(await raw.append(rpc, 's', MAX_I64, [{}])).toEqual({ wrong: 0n, expected: MAX_I64 });
    expect(await raw.append(rpc, 's', MAX_I64 + 1n, [{}])).toMatchObject({ failed: 3 });
  });

  it('without an expected revision is invalid', async () => {
    const { raw } = await start();
    const type = rpc === 'Append' ? undefined : 'event_store.client.BadRequest';
    expect(await raw.append(rpc, 's', undefined, [{}])).toEqual({ failed: 3, type });
  });

  it('without events succeeds where an append may, and returns the head of the stream and the position of the log', async () => {
    const { raw } = await start();
    expect(await raw.append(rpc, 's', 'any', [])).toMatchObject({ done: -1n });
    expect(await raw.append(rpc, 's', 'stream_exists', [])).toMatchObject({ wrong: -1n });
    const { position } = (await raw.append(rpc, 's', 'any', [{}, {}, {}])) as { position?: bigint };
    expect(position).toBeDefined();
    for (const expected of ['any', 'stream_exists', 2n] as const) {
      expect(await raw.append(rpc, 's', expected, [])).toEqual({ done: 2n, position });
    }
    for (const expected of ['no_stream', 0n, 9n] as const) {
      expect(await raw.append(rpc, 's', expected, [])).toEqual({ wrong: 2n, expected });
    }
  });

  it.each([
    ['in upper case', (id: string) => textId(id.toUpperCase())],
    ['in two halves', structuredId],
    ['without hyphens', (id: string) => textId(id.replaceAll('-', ''))],
    ['in braces', (id: string) => textId(`{${id}}`)],
    ['in parentheses', (id: string) => textId(`(${id})`)],
    ['with spaces around', (id: string) => textId(` ${id} `)],
  ])('accepts an id %s', async (_, form) => {
    const { client, raw } = await start();
    const id = 'f0a1b2c3-0000-4000-8000-00000000000a';
    await raw.append(rpc, 's', 'no_stream', [{ id: form(id) }]);
    expect(await raw.append(rpc, 's', 'no_stream', [{ id }])).toMatchObject({ done: 0n });
    expect((await collect(client.readStream('s'))).map(({ event }) => event?.id)).toEqual([id]);
  });

  it.each([
    ['that is missing', Buffer.alloc(0)],
    ['that is nil', textId('00000000-0000-0000-0000-000000000000')],
    ['that is empty', textId('')],
    ['of another form', textId('f0a1b2c3-0000-4000-8000-00000000000')],
    ['with a wrong brace', textId('{f0a1b2c3-0000-4000-8000-00000000000a)')],
    ['with misplaced hyphens', textId('{f0a1-b2c300004000-8000-0000-000000000a}')],
    ['that is no text', bytes(2, Buffer.from([0xff, 0xfe]))],
  ])('refuses an id %s', async (_, id) => {
    const { raw } = await start();
    expect(await raw.append(rpc, 's', 'any', [{}, { id }])).toEqual(badRequest(rpc));
    expect(await raw.append(rpc, 's', 'no_stream', [{}])).toMatchObject({ done: 0n });
  });

  it.each([
    ['no type', { type: undefined }],
    ['no content type', { contentType: undefined }],
  ])('refuses an event with %s', async (_, event) => {
    const { raw } = await start();
    const type = rpc === 'Append' ? 'missing-required-metadata-property' : 'event_store.client.BadRequest';
    expect(await raw.append(rpc, 's', 'any', [event])).toEqual({ failed: 3, type });
  });

  it.each([
    ['an empty type', { type: '' }],
    ['a type that is not UTF-8', { type: Buffer.from([0x54, 0xc3]) }],
    ['a type that is too long', { type: 'T'.repeat(60_001) }],
  ])('refuses an event with %s', async (_, event) => {
    const { raw } = await start();
    expect(await raw.append(rpc, 's', 'any', [event])).toEqual(badRequest(rpc));
  });

  it.each(['', '$$', '$all', 'x'.repeat(60_001)])('refuses the stream name %.10s', async (name) => {
    const { raw } = await start();
    expect(await raw.append(rpc, name, 'any', [{}])).toEqual(badRequest(rpc));
  });

  it.each(['a\0b', ' ', '/../%00', 'größe ✓ 🚀', '\u202eabc', 'x'.repeat(60_000)])(
    'accepts the stream name %.10j and returns it unchanged',
    async (name) => {
      const { client, raw } = await start();
      expect(await raw.append(rpc, name, 'no_stream', [{}])).toMatchObject({ done: 0n });
      expect((await collect(client.readStream(name))).map(({ event }) => event?.streamId)).toEqual([name]);
    },
  );

  it('shows bytes of a stream name that are not UTF-8 as replacement characters, the same everywhere', async () => {
    const { client, raw } = await start();
    const name = Buffer.from([0x61, 0xff, 0xed, 0xa0, 0x80]); // a stray byte, a lone surrogate
    await raw.append(rpc, name, 'no_stream', [{}]);
    const seen = name.toString('utf8');
    expect((await collect(client.readStream(seen))).map(({ event }) => event?.streamId)).toEqual([seen]);
    expect(await raw.append(rpc, seen, 0n, [{}])).toMatchObject({ done: 1n });
  });

  it('treats exactly application/json as JSON, and drops unknown keys', async () => {
    const { raw } = await start();
    const types = ['application/json', 'application/json; charset=utf-8', 'text/plain', ''];
    await raw.append(
      rpc,
      's',
      'any',
      types.map((contentType) => ({ contentType, data: 'not json', metadata: '' })),
    );
    const { messages } = await raw.read(readAllOf('s'));
    const kinds = messages.map(
      (answer) =>
        new Map(
          recorded(answer)
            .messages(6)
            .map((e) => [e.text(1), e.text(2)]),
        ),
    );
    expect(kinds.map((kind) => kind.get('content-type'))).toEqual([
      'application/json',
      ...Array.from({ length: 3 }, () => 'application/octet-stream'),
    ]);
    for (const kind of kinds) expect([...kind.keys()].toSorted()).toEqual(['content-type', 'created', 'type']);
  });

  it('counts data but not metadata towards the size limit, over the whole append', async () => {
    const { raw } = await start();
    const half = { data: Buffer.alloc(524_288), metadata: Buffer.alloc(2_000_000) };
    expect(await raw.append(rpc, 's', 'any', [half, half])).toMatchObject({ done: 1n });
    expect(await raw.append(rpc, 's', 'any', [half, half, { data: 'x' }])).toEqual(tooLarge(rpc));
    expect(await raw.append(rpc, 's', 'any', [{ data: Buffer.alloc(6_000_000) }])).toEqual(tooLarge(rpc));
    expect(await raw.append(rpc, 's', 1n, [{}])).toMatchObject({ done: 2n });
  });

  it('refuses a message above 16 MB, which ends only this call', async () => {
    const { raw } = await start();
    expect(await raw.append(rpc, 's', 'any', [{ data: Buffer.alloc(16 * 1024 * 1024) }])).toMatchObject({ failed: 8 });
    expect(await raw.append(rpc, 's', 'no_stream', [{}])).toMatchObject({ done: 0n });
  });

  it('whose last message is cut off does not count as complete', async () => {
    const { raw } = await start();
    const call = raw.call(rpc);
    if (rpc === 'Append') call.send(message(1, streamId('s'), expectation('any'))).send(bytes(2, proposed({})));
    else call.send(fragment({ stream: 's', isFinal: false, events: [{}] }));
    call.stream.end(Buffer.from([0, 0, 0, 0, 200, 10, 1]));
    expect(await call.ended).toMatchObject({ 'grpc-status': '13' });
    expect(await raw.append(rpc, 's', 'no_stream', [{}])).toMatchObject({ done: 0n });
  });

  it('that repeats an older one gets the same answer, without a position once that can no longer be read', async () => {
    const { raw } = await start();
    const ids = [randomUUID(), randomUUID()];
    const repeat = () =>
      raw.append(
        rpc,
        's',
        'no_stream',
        ids.map((id) => ({ id })),
      );
    const first = await repeat();
    await raw.append(rpc, 's', 'any', [{}, {}]);
    expect(await repeat()).toEqual(first);
    await setMetadata(raw, 's', '{"$maxCount":3}');
    expect(await repeat()).toEqual(first);
    await setMetadata(raw, 's', '{"$tb":2}');
    expect(await repeat()).toEqual({ done: 1n, position: undefined });
    await raw.delete('Delete', 's', 'any');
    expect(await repeat()).toEqual({ done: 1n, position: undefined });
  });

  it('that repeats one from before a restart is recognised by its revision, and not without one', async () => {
    const dataDir = await temporaryFolder();
    const ids = [{ id: randomUUID() }, { id: randomUUID() }];
    const before = await startEventStoreNode({ dataDir });
    const first = await new RawStreams(before.port).append(rpc, 's', 'no_stream', ids);
    await before.stop();
    const after = await startEventStoreNode({ dataDir });
    const raw = new RawStreams(after.port);
    expect(await raw.append(rpc, 's', 'no_stream', ids)).toEqual(first);
    expect(await raw.append(rpc, 's', 0n, ids.slice(1))).toEqual(first);
    expect(await raw.append(rpc, 's', 0n, ids)).toEqual({ wrong: 1n, expected: 0n });
    expect(await raw.append(rpc, 's', 'any', ids)).toMatchObject({ done: 3n });
    await after.stop();
  });

  it('may contain the same id twice, and ids of other streams', async () => {
    const { raw } = await start();
    const id = randomUUID();
    expect(await raw.append(rpc, 'a', 'no_stream', [{ id }, { id }])).toMatchObject({ done: 1n });
    expect(await raw.append(rpc, 'b', 'any', [{ id }])).toMatchObject({ done: 0n });
    expect(await raw.append(rpc, 'a', 'any', [{ id }])).toMatchObject({ done: 1n });
    expect(await raw.append(rpc, 'a', 1n, [{ id }])).toMatchObject({ done: 2n });
  });
});

const badRequest = (rpc: Rpc) =>
  rpc === 'Append' ? { failed: 2, type: undefined } : { failed: 3, type: 'event_store.client.BadRequest' };

const tooLarge = (rpc: Rpc) => {
  const type = rpc === 'Append' ? 'maximum-append-size-exceeded' : 'event_store.client.MaximumAppendSizeExceeded';
  return { failed: 3, type };
};

const readAllOf = (stream: string) =>
  Buffer.concat([message(1, streamId(stream), message(3)), varint(5, 100), message(8), message(9, message(2))]);
const recorded = (answer: Fields) => answer.message(1)?.message(1) as Fields;

describe('the answer to a wrong expected revision', () => {
  it.each([
    ['any', [1, 4, 6, 9]],
    ['stream_exists', [1, 5, 6, 10]],
    ['no_stream', [1, 6, 11]],
    [7n, [1, 3, 6, 8]],
  ] as const)('of %s by Append sets one field of each choice, old and new', async (expected, fields) => {
    const { raw } = await start();
    const known = { id: randomUUID() };
    await raw.append('Append', 's', 'any', [known]);
    const call = raw.call('Append').send(message(1, streamId('s'), expectation(expected)));
    for (const event of [known, {}]) call.send(bytes(2, proposed(event))); // known, then new: refused whatever is expected
    await call.end().ended;
    expect(new Fields(call.messages[0] as Buffer).message(2)?.present).toEqual(fields);
  });

  it.each([
    ['any', [1, 4]],
    ['stream_exists', [1, 5]],
    ['no_stream', [1, 6]],
    [7n, [1, 3]],
  ] as const)('of %s by BatchAppend is a status with typed details', async (expected, fields) => {
    const { raw } = await start();
    const known = { id: randomUUID() };
    await raw.append('Append', 's', 'any', [known]);
    const correlation = textId(randomUUID());
    const call = raw.call('BatchAppend').send(fragment({ correlation, stream: 's', expected, events: [known, {}] }));
    await call.end().ended;
    const answer = new Fields(call.messages[0] as Buffer);
    expect(answer.present).toEqual([1, 2, 4]);
    expect(answer.bytes(1)).toEqual(correlation);
    expect(answer.message(4)?.text(3)).toBe('s');
    const status = answer.message(2);
    expect([status?.number(1), status?.text(2)]).toEqual([6n, 'WrongExpectedVersion']);
    expect(status?.message(3)?.text(1)).toBe('type.googleapis.com/event_store.client.WrongExpectedVersion');
    expect(status?.message(3)?.message(2)?.present).toEqual(fields);
  });

  it('names no current revision of a stream that has none', async () => {
    const { raw } = await start();
    const call = raw.call('Append').send(message(1, streamId('s'), expectation(3n)));
    await call.send(bytes(2, proposed({}))).end().ended;
    expect(new Fields(call.messages[0] as Buffer).message(2)?.present).toEqual([2, 3, 7, 8]);
  });
});

describe('a BatchAppend call', () => {
  const timestamp = (ms: number) => message(6, varint(1, BigInt(Math.floor(ms / 1000))), varint(2, (ms % 1000) * 1e6));
  const duration = (ms: number) =>
    message(7, varint(1, BigInt(Math.trunc(ms / 1000))), varint(2, Math.trunc((ms % 1000) * 1e6)));
  const timeout = { failed: 4, type: 'event_store.client.Timeout' };

  it.each([
    ['a deadline in the past', timestamp(Date.now() - 5_000)],
    ['a deadline before 1970', timestamp(-5_000_000)],
    ['a negative time to live', duration(-50)],
  ])('answers an append with %s with a timeout', async (_, deadline) => {
    const { raw } = await start();
    const call = raw.call('BatchAppend').send(fragment({ stream: 's', options: [deadline], events: [{}] }));
    await call.end().ended;
    expect(call.messages.map(batchOutcome)).toEqual([timeout]);
    expect(await raw.append('BatchAppend', 's', 'no_stream', [{}])).toMatchObject({ done: 0n });
  });

  it.each([
    ['deadline', () => timestamp(Date.now() + 200)],
    ['time to live', () => duration(200)],
  ])('answers an append whose %s ends between its fragments once, and ignores the rest', async (_, deadline) => {
    const { raw } = await start();
    const correlation = textId(randomUUID());
    const call = raw.call('BatchAppend');
    call.send(fragment({ correlation, stream: 's', options: [deadline()], events: [{}], isFinal: false }));
    await eventually(() => call.messages.length === 1);
    call.send(fragment({ correlation, events: [{}], isFinal: false }));
    call.send(fragment({ correlation, stream: 's', events: [{}], isFinal: false }));
    call.send(fragment({ correlation, events: [{}] }));
    call.send(fragment({ correlation, stream: 's', events: [{}] })); // the same id once more is a new append
    await call.end().ended;
    expect(call.messages.map(batchOutcome)).toMatchObject([timeout, { done: 0n }]);
  });

  it('completes an append whose deadline is ahead', async () => {
    const { raw } = await start();
    for (const options of [[timestamp(Date.now() + 60_000)], [duration(60_000)], [timestamp(253_402_300_799_000)]]) {
      const call = raw.call('BatchAppend').send(fragment({ stream: 's', options, events: [{}] }));
      await call.end().ended;
      expect(call.messages.map(batchOutcome)).toMatchObject([{ done: expect.any(BigInt) }]);
    }
  });

  it('answers each of its appends exactly once, whatever happens to it', async () => {
    const { raw } = await start();
    await raw.delete('Tombstone', 'gone', 'any');
    const sent = new Map<string, string>();
    const call = raw.call('BatchAppend');
    const send = (kind: string, parts: Parameters<typeof fragment>[0]) => {
      const id = randomUUID();
      sent.set(id, kind);
      call.send(fragment({ correlation: textId(id), ...parts }));
      if (parts.isFinal === false) call.send(fragment({ correlation: textId(id), events: [{}] }));
    };
    for (let round = 0; round < 20; round++) {
      send('done', { stream: 'a', events: [{}] });
      send('done', { stream: 'a', events: [{}], isFinal: false });
      send('wrong', { stream: 'a', expected: 99_999n, events: [{}] });
      send('deleted', { stream: 'gone', events: [{}] });
      send('deleted', { stream: 'gone', events: [{}], isFinal: false });
      send('failed', { stream: '', events: [{}] });
      send('failed', { stream: '', events: [{}], isFinal: false });
      send('failed', { stream: 'a', events: [{ type: '' }], isFinal: false });
      send('failed', { stream: 'a', expected: undefined, events: [{}] });
      send('failed', { stream: 'a', events: [{ data: Buffer.alloc(1_048_577) }], isFinal: false });
      send('failed', { stream: 'a', options: [timestamp(1)], events: [{}], isFinal: false });
      call.send(fragment({ events: [{}] })); // of an append that was never opened
    }
    expect(await call.end().ended).toMatchObject({ 'grpc-status': '0' });
    const answered = call.messages.map((answer) => new Fields(answer).message(1)?.text(2));
    expect(answered.toSorted()).toEqual([...sent.keys()].toSorted());
    for (const [i, answer] of call.messages.entries()) {
      expect(Object.keys(batchOutcome(answer))[0]).toBe(sent.get(answered[i] as string));
      const fields = new Fields(answer);
      expect(fields.present).toEqual(fields.has(3) ? [1, 3] : [1, 2, 4]);
    }
  });

  it('is ended when it opens ever more appends and completes none of them', async () => {
    const { raw } = await start();
    const call = raw.call('BatchAppend');
    for (let n = 0; n < 10_000; n++) call.send(fragment({ stream: n % 2 ? 's' : '', isFinal: false }));
    await eventually(() => call.messages.length === 5_000); // those without a name have failed
    call.send(fragment({ stream: 's', isFinal: false }));
    expect(await call.ended).toMatchObject({ 'grpc-status': '8' });
  });

  it('returns the correlation id in the form in which it came', async () => {
    const { raw } = await start();
    const correlation = structuredId(randomUUID());
    const call = raw.call('BatchAppend').send(fragment({ correlation, stream: 's', events: [{}] }));
    await call.end().ended;
    expect(new Fields(call.messages[0] as Buffer).bytes(1)).toEqual(correlation);
  });

  it('fails on an append without a correlation id', async () => {
    const { raw } = await start();
    const call = raw.call('BatchAppend').send(fragment({ correlation: undefined, stream: 's', events: [{}] }));
    expect(await call.ended).toMatchObject({ 'grpc-status': '3' });
  });

  it('buffers no more than 64 MB of incomplete appends', async () => {
    const { raw } = await start();
    const call = raw.call('BatchAppend');
    const large = { metadata: Buffer.alloc(10_000_000) };
    for (let i = 0; i < 8; i++) call.send(fragment({ stream: 's', events: [large], isFinal: false }));
    await eventually(() => call.messages.length === 2);
    const refused = { failed: 14, type: 'google.protobuf.Empty' };
    expect(call.messages.map(batchOutcome)).toEqual([refused, refused]);
    call.send(fragment({ stream: 's', events: [{}] }));
    await eventually(() => call.messages.length === 3);
  });
});
