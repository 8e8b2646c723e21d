import sharedPb from '@eventstore/db-client/generated/shared_pb.js';
import statusPb from '@eventstore/db-client/generated/status_pb.js';
import streamsPb from '@eventstore/db-client/generated/streams_pb.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../domain/json.ts';
import { Checkpoint, decodeAnswer, decodeRead, encodeAppend } from './esdb-wire.ts';
import type { NewEvent } from './event-store.ts';

// The client's generated code is the reference.
const { BatchAppendReq, BatchAppendResp, ReadResp } = streamsPb;

const MAX_U64 = 2n ** 64n - 1n;
const unicode = fc.string({ unit: 'grapheme' });
const json = fc.jsonValue({ stringUnit: 'grapheme' }) as fc.Arbitrary<Json>;
const newEvent = fc.record({
  id: fc.uuid(),
  type: unicode,
  data: json,
  metadata: json as fc.Arbitrary<never>,
}) as fc.Arbitrary<NewEvent>;
const bytesOf = (base64: Uint8Array | string): string =>
  Buffer.from(base64 as string, typeof base64 === 'string' ? 'base64' : undefined).toString();

describe('an append on the wire', () => {
  it('can be read by the generated code', () => {
    const append = fc.record({
      number: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
      stream: unicode,
      events: fc.array(newEvent, { minLength: 1, maxLength: 5 }),
      expectedRevision: fc.oneof(fc.constant('no_stream' as const), fc.bigInt(0n, 2n ** 53n - 1n)),
      deadlineMs: fc.integer({ min: 0, max: 4e12 }),
    });
    fc.assert(
      fc.property(append, (given) => {
        const { number, stream, events, expectedRevision, deadlineMs } = given;
        const request = BatchAppendReq.deserializeBinary(encodeAppend(given));
        expect(Number.parseInt(request.getCorrelationId()?.getString().slice(-12) ?? '', 16)).toBe(number);
        expect(request.getIsFinal()).toBe(true);
        const options = request.getOptions();
        expect(bytesOf(options?.getStreamIdentifier()?.getStreamName() ?? '')).toBe(stream);
        expect(options?.hasNoStream()).toBe(expectedRevision === 'no_stream');
        expect(options?.hasStreamPosition()).toBe(expectedRevision !== 'no_stream');
        if (expectedRevision !== 'no_stream') expect(options?.getStreamPosition()).toBe(String(expectedRevision));
        expect(options?.getDeadline()?.getSeconds()).toBe(Math.ceil(deadlineMs / 1000));
        const messages = request.getProposedMessagesList().map((message) => ({
          id: message.getId()?.getString(),
          entries: Object.fromEntries(message.getMetadataMap().toObject()),
          data: bytesOf(message.getData()),
          metadata: bytesOf(message.getCustomMetadata()),
        }));
        expect(messages).toEqual(
          events.map(({ id, type, data, metadata }) => ({
            id,
            entries: { type, 'content-type': 'application/json' },
            data: JSON.stringify(data),
            metadata: JSON.stringify(metadata),
          })),
        );
      }),
    );
  });

  it('is not affected by an earlier append that could not be encoded', () => {
    const good = { id: 'x', type: 'T', data: 1, metadata: {} } as never as NewEvent;
    const append = { number: 1, stream: 's', events: [good], expectedRevision: 7n, deadlineMs: 0 };
    const expected = encodeAppend(append);
    const bad = { ...good, data: 1n } as never as NewEvent;
    expect(() => encodeAppend({ ...append, events: [bad, good] })).toThrow(TypeError);
    expect(encodeAppend(append)).toEqual(expected);
  });

  it('may be larger than all earlier appends', () => {
    for (const size of [10, 100_000, 1_000_000, 10]) {
      const event = { id: 'x', type: 'T', data: 'y'.repeat(size), metadata: {} } as never as NewEvent;
      const append = { number: 1, stream: 's', events: [event, event], expectedRevision: 7n, deadlineMs: 0 };
      const request = BatchAppendReq.deserializeBinary(encodeAppend(append));
      expect(request.getProposedMessagesList().map((message) => bytesOf(message.getData()).length)).toEqual([
        size + 2,
        size + 2,
      ]);
    }
  });
});

const uuid = (text: string, form: 'string' | 'structured' = 'string') => {
  const message = new sharedPb.UUID();
  if (form === 'string') message.setString(text);
  else {
    const bits = BigInt(`0x${text.replaceAll('-', '')}`);
    const structured = new sharedPb.UUID.Structured();
    structured.setMostSignificantBits(BigInt.asIntN(64, bits >> 64n).toString());
    structured.setLeastSignificantBits(BigInt.asIntN(64, bits).toString());
    message.setStructured(structured);
  }
  return message;
};

/** The correlation id of the append with this number. */
const correlationOf = (number: number): string =>
  BatchAppendReq.deserializeBinary(
    encodeAppend({ number, stream: 's', events: [], expectedRevision: 'no_stream', deadlineMs: 0 }),
  )
    .getCorrelationId()
    ?.getString() ?? '';

const positionOf = (commit: bigint) => {
  const position = new sharedPb.AllStreamPosition();
  position.setCommitPosition(commit.toString());
  position.setPreparePosition(commit.toString());
  return position;
};

describe('the answer to an append', () => {
  it('identifies the append and the place of its last event', () => {
    const arguments_ = [
      fc.integer({ min: 0, max: 2 ** 48 - 1 }),
      fc.constantFrom('string' as const, 'structured' as const),
      fc.bigInt(0n, MAX_U64),
      fc.option(fc.bigInt(1n, MAX_U64), { nil: undefined }),
    ] as const;
    fc.assert(
      fc.property(...arguments_, (number, form, revision, position) => {
        const success = new BatchAppendResp.Success();
        success.setCurrentRevision(revision.toString());
        if (position === undefined) success.setNoPosition(new sharedPb.Empty());
        else success.setPosition(positionOf(position));
        const response = new BatchAppendResp();
        response.setCorrelationId(uuid(correlationOf(number), form));
        response.setSuccess(success);
        response.setNoStream(new sharedPb.Empty());
        const answer = decodeAnswer(Buffer.from(response.serializeBinary()));
        expect([answer.number, answer.revision, answer.position]).toEqual([number, revision, position]);
      }),
    );
  });

  it('has no revision when the append was refused', () => {
    const status = new statusPb.Status();
    status.setMessage('WrongExpectedVersion');
    const response = new BatchAppendResp();
    response.setCorrelationId(uuid(correlationOf(9)));
    response.setError(status);
    const message = Buffer.from(response.serializeBinary());
    expect(decodeAnswer(message)).toEqual({ number: 9, message });
  });
});

type Recorded = {
  readonly id: string;
  readonly stream: string;
  readonly type: string;
  readonly revision: bigint;
  readonly position: bigint;
  readonly createdMs: number;
  readonly contentType: string;
  readonly data: string;
  readonly metadata: string;
};

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const readOf = (given: Recorded): Buffer => {
  const identifier = new sharedPb.StreamIdentifier();
  identifier.setStreamName(base64(given.stream));
  const recorded = new ReadResp.ReadEvent.RecordedEvent();
  recorded.setId(uuid(given.id));
  recorded.setStreamIdentifier(identifier);
  recorded.setStreamRevision(given.revision.toString());
  recorded.setPreparePosition(given.position.toString());
  recorded.setCommitPosition(given.position.toString());
  recorded
    .getMetadataMap()
    .set('type', given.type)
    .set('created', `${given.createdMs}0000`)
    .set('content-type', given.contentType);
  recorded.setCustomMetadata(base64(given.metadata));
  recorded.setData(base64(given.data));
  const event = new ReadResp.ReadEvent();
  event.setEvent(recorded);
  event.setCommitPosition(given.position.toString());
  const response = new ReadResp();
  response.setEvent(event);
  return Buffer.from(response.serializeBinary());
};

describe('an event that is read', () => {
  const recorded = fc.record({
    id: fc.uuid(),
    stream: unicode,
    type: unicode,
    revision: fc.bigInt(0n, MAX_U64),
    position: fc.bigInt(0n, MAX_U64),
    createdMs: fc.integer({ min: 1, max: 4e12 }),
    contentType: fc.constant('application/json'),
    data: json.map((value) => JSON.stringify(value)),
    metadata: fc.dictionary(unicode, json).map((value) => JSON.stringify(value)),
  });

  it('equals what the generated code wrote', () => {
    fc.assert(
      fc.property(recorded, (given) => {
        const { stream, revision, position, id, type } = given;
        expect(decodeRead(readOf(given))).toEqual({
          stream,
          revision,
          position,
          id,
          type,
          data: JSON.parse(given.data),
          metadata: JSON.parse(given.metadata),
          recordedAt: new Date(given.createdMs).toISOString(),
        });
      }),
    );
  });

  it.each([
    ['no metadata', { metadata: '' }, { metadata: {} }],
    ['metadata that is not JSON', { metadata: 'plain' }, { metadata: {} }],
    ['metadata that is not an object', { metadata: 'null' }, { metadata: {} }],
    ['data that is not JSON', { data: '{', contentType: 'application/json' }, { data: null }],
    ['binary data', { data: '1', contentType: 'application/octet-stream' }, { data: null }],
  ])('of another program, with %s, is passed on without it', (_what, change, expected) => {
    const given = { ...(fc.sample(recorded, { numRuns: 1, seed: 1 })[0] as Recorded), ...change };
    expect(decodeRead(readOf(given))).toMatchObject(expected);
  });

  it('that is truncated is refused, not misread', () => {
    const message = readOf(fc.sample(recorded, { numRuns: 1, seed: 1 })[0] as Recorded);
    for (let length = 1; length < message.length; length += 1)
      expect(() => decodeRead(message.subarray(0, length))).toThrow('malformed message');
  });
});

describe('the messages of the server about a read', () => {
  const encoded = (fill: (response: InstanceType<typeof ReadResp>) => void): Buffer => {
    const response = new ReadResp();
    fill(response);
    return Buffer.from(response.serializeBinary());
  };

  it('are distinguished', () => {
    const checkpoint = new ReadResp.Checkpoint();
    checkpoint.setCommitPosition('4711');
    checkpoint.setPreparePosition('4711');
    expect(decodeRead(encoded((response) => response.setCheckpoint(checkpoint)))).toEqual(new Checkpoint(4711n));
    const confirmation = new ReadResp.SubscriptionConfirmation();
    confirmation.setSubscriptionId('id');
    expect(decodeRead(encoded((response) => response.setConfirmation(confirmation)))).toBe('other');
    expect(decodeRead(encoded((response) => response.setCaughtUp(new ReadResp.CaughtUp())))).toBe('caught_up');
    expect(decodeRead(encoded((response) => response.setFellBehind(new ReadResp.FellBehind())))).toBe('other');
    expect(decodeRead(encoded((response) => response.setStreamNotFound(new ReadResp.StreamNotFound())))).toBe(
      'stream_not_found',
    );
    expect(decodeRead(encoded((response) => response.setLastStreamPosition('12')))).toBe('other');
    expect(decodeRead(encoded((response) => response.setEvent(new ReadResp.ReadEvent())))).toBe('other');
    expect(decodeRead(Buffer.alloc(0))).toBe('other');
  });
});
