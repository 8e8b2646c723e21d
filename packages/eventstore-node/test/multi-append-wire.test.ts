import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type RunningNode, startEventStoreNode } from '../src/index.ts';
import { bytes, Fields, message, varint } from './proto.ts';
import { rawCalls } from './raw-client.ts';
import { read, textId } from './raw-streams.ts';

const SERVICE = '/kurrentdb.protocol.v2.streams.StreamsService';
type Method = 'AppendSession' | 'AppendRecords';
const METHODS: readonly Method[] = ['AppendSession', 'AppendRecords'];

let node: RunningNode;
beforeAll(async () => {
  node = await startEventStoreNode({ v2: true });
});
afterAll(() => node.stop());

/** One connection for each test. */
let connection: ReturnType<typeof rawCalls> | undefined;
beforeEach(() => {
  connection = undefined;
});
const open = (method: string) => {
  connection ??= rawCalls(node.port);
  return connection(method);
};

const call = async (method: Method, ...messages: Buffer[]) => {
  const sent = open(`${SERVICE}/${method}`);
  for (const content of messages) sent.send(content);
  const headers = await sent.end().ended;
  return { status: Number(headers['grpc-status']), details: detailsOf(headers['grpc-status-details-bin']) };
};

/** Type and content of each detail of the `google.rpc.Status`. */
const detailsOf = (trailer: string | string[] | undefined) =>
  trailer === undefined
    ? []
    : new Fields(Buffer.from(String(trailer), 'base64'))
        .messages(3)
        .map((any) => ({ type: any.text(1)?.replace('type.googleapis.com/', ''), content: any.message(2) as Fields }));

const zigzag = (field: number, value: bigint) => varint(field, value < 0n ? -value * 2n - 1n : value * 2n);
const fixed64 = (field: number, value: number) => {
  const content = Buffer.alloc(9, field * 8 + 1);
  content.writeDoubleLE(value, 1);
  return content;
};
const schema = (format = 1, name: string | Buffer = 'T', id?: string) =>
  message(3, varint(1, format), bytes(2, name), ...(id === undefined ? [] : [bytes(3, id)]));
const property = (key: string, ...value: Buffer[]) => message(2, bytes(1, key), message(2, ...value));
const recordOf = (...fields: Buffer[]) => Buffer.concat([schema(), ...fields]);
const RECORD = recordOf(bytes(4, '{}'));

/** A request of this call that appends these records to the stream. */
const requestOf = (method: Method, stream: string, ...records: Buffer[]): Buffer =>
  method === 'AppendSession'
    ? Buffer.concat([bytes(1, stream), ...records.map((record) => message(2, record))])
    : Buffer.concat(records.map((record) => message(1, record, bytes(5, stream))));

const checkOf = (stream: string, state: bigint) => message(2, message(1, bytes(1, stream), zigzag(2, state)));

/** Type, data and metadata of the stream's events. */
const eventsOf = async (stream: string) => {
  const sent = open('Read');
  const options = [read.stream(stream), read.count(100), read.noFilter, read.textIds];
  await sent.send(message(1, ...options)).end().ended;
  return sent.messages.flatMap((content) => {
    const event = new Fields(content).message(1)?.message(1);
    if (!event) return [];
    const metadata = JSON.parse(event.text(7) ?? 'null');
    return [{ data: event.bytes(8)?.toString(), metadata }];
  });
};

describe.each(METHODS)('%s', (method) => {
  const append = (stream: string, ...records: Buffer[]) => call(method, requestOf(method, stream, ...records));

  it('stores every kind of property as JSON', async () => {
    const nested = message(
      6,
      message(1, varint(4, 1)),
      message(1, message(5, message(1, bytes(1, 'x'), message(2, varint(1, 0))))),
    );
    const stream = `kinds-${method}`;
    const properties = [
      property('null', varint(1, 0)),
      property('number', fixed64(2, -1.5)),
      property('text', bytes(3, 'ä\u0000"')),
      property('no', varint(4, 0)),
      property('nested', nested),
      property('__proto__', bytes(3, 'safe')),
      property('twice', bytes(3, 'first')),
      property('twice', bytes(3, 'last')),
    ];
    expect(await append(stream, recordOf(...properties, bytes(4, '{"n":1}')))).toMatchObject({ status: 0 });
    const [event] = await eventsOf(stream);
    expect(event?.data).toBe('{"n":1}');
    expect(Object.entries(event?.metadata)).toEqual([
      ['null', null],
      ['number', -1.5],
      ['text', 'ä\u0000"'],
      ['no', false],
      ['nested', [true, { x: null }]],
      ['__proto__', 'safe'],
      ['twice', 'last'],
      ['$schema.name', 'T'],
      ['$schema.format', 'Json'],
    ]);
  });

  it('stores the schema of other formats', async () => {
    const stream = `formats-${method}`;
    const id = randomUUID();
    const records = [schema(2, 'a.B$c:d-e_1'), schema(3, 'A', id), schema(4, 'B')];
    expect(await append(stream, ...records)).toMatchObject({ status: 0 });
    expect((await eventsOf(stream)).map(({ metadata }) => metadata)).toEqual([
      { '$schema.format': 'Protobuf', '$schema.name': 'a.B$c:d-e_1' },
      { '$schema.format': 'Avro', '$schema.id': id, '$schema.name': 'A' },
      { '$schema.format': 'Bytes', '$schema.name': 'B' },
    ]);
  });

  const deep = (levels: number): Buffer => {
    let value = varint(4, 1);
    for (let i = 0; i < levels; i++) value = message(6, message(1, value));
    return value;
  };
  it.each<[string, ...Buffer[]]>([
    ['without a schema', bytes(4, '{}')],
    ['of no format', schema(0)],
    ['of an unknown format', schema(99)],
    ['without a type', schema(1, '')],
    ['of a type with other characters', schema(1, 'order placed')],
    ['of a type that is not text', schema(1, Buffer.from([0xff]))],
    ['of a type that is too long', schema(1, 'x'.repeat(60_001))],
    ['with a schema id that is none', schema(1, 'T', 'x')],
    ['with an id that is none', recordOf(bytes(1, 'x'))],
    ['with an empty id', recordOf(bytes(1, '00000000-0000-0000-0000-000000000000'))],
    ['with a property without a key', recordOf(property('', varint(4, 1)))],
    ['with a property without a value', recordOf(message(2, bytes(1, 'k')))],
    ['with a property whose value has no kind', recordOf(property('k'))],
    ['with a member whose value has no kind', recordOf(property('k', message(5, message(1, bytes(1, 'm')))))],
    ['with a number that JSON does not have', recordOf(property('k', fixed64(2, Number.NaN)))],
    ['with a number that is cut', recordOf(message(2, bytes(1, 'k'), message(2, fixed64(2, 1).subarray(0, 5))))],
    ['with a property that is nested too deep', recordOf(property('k', deep(200)))],
  ])('refuses a record %s, with all others of the append', async (_, ...record) => {
    const stream = `refused-${method}`;
    const { status, details } = await append(stream, RECORD, Buffer.concat(record));
    expect(status).toBe(3);
    expect(details.map(({ type }) => type)).toEqual(['google.rpc.ErrorInfo', 'google.rpc.BadRequest']);
    expect(await eventsOf(stream)).toEqual([]);
  });

  it.each(['', ' ', '$$', '$all', 'x'.repeat(60_001)])('refuses the stream name "%.5s"', async (stream) => {
    expect((await append(stream, RECORD)).status).toBe(3);
  });

  it('answers spoiled requests with INVALID_ARGUMENT and goes on', async () => {
    const whole = requestOf(method, `spoiled-${method}`, recordOf(property('k', deep(3)), textId(randomUUID())));
    let refused = 0;
    for (let at = 1; at < whole.length; at += 3) {
      const cut = whole.subarray(0, at);
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] as number) ^ 0xff;
      for (const spoiled of [cut, flipped]) {
        const { status } = await call(method, spoiled);
        expect([0, 3]).toContain(status);
        if (status === 3) refused++;
      }
    }
    expect(refused).toBeGreaterThan(20);
    expect((await call(method, Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]))).status).toBe(3);
    expect((await append(`after-${method}`, RECORD)).status).toBe(0);
  });

  it('names its errors as the real server does', async () => {
    const stream = `errors-${method}`;
    await append(stream, RECORD);
    const conflict = Buffer.concat([
      requestOf(method, stream, RECORD),
      method === 'AppendSession' ? zigzag(3, 5n) : checkOf(stream, 5n),
    ]);
    const { status, details } = await call(method, conflict);
    const name = method === 'AppendSession' ? 'StreamRevisionConflict' : 'AppendConsistencyViolation';
    const reason = method === 'AppendSession' ? 'STREAM_REVISION_CONFLICT' : 'APPEND_CONSISTENCY_VIOLATION';
    expect(status).toBe(9);
    expect([details[0]?.content.text(1), details[0]?.content.text(2)]).toEqual([reason, 'streams']);
    expect(details[1]?.type).toBe(`kurrentdb.protocol.v2.streams.errors.${name}ErrorDetails`);
  });
});

describe('AppendSession', () => {
  it('takes no expected revision for any, and refuses those that do not exist', async () => {
    const expecting = (revision: bigint) =>
      call('AppendSession', Buffer.concat([requestOf('AppendSession', 'expecting', RECORD), zigzag(3, revision)]));
    for (const revision of [-3n, -5n, -6n, -(2n ** 63n)]) expect((await expecting(revision)).status).toBe(3);
    expect((await call('AppendSession', requestOf('AppendSession', 'expecting', RECORD))).status).toBe(0);
    expect((await expecting(2n ** 63n - 1n)).status).toBe(9);
  });

  it('reports a deleted stream that should exist as tombstoned', async () => {
    const sent = open('Delete');
    expect((await call('AppendSession', requestOf('AppendSession', 'deleted', RECORD))).status).toBe(0);
    await sent.send(message(1, message(1, bytes(3, 'deleted')), message(4))).end().ended;
    const again = Buffer.concat([requestOf('AppendSession', 'deleted', RECORD), zigzag(3, -4n)]);
    const { details } = await call('AppendSession', again);
    expect(details[1]?.type).toBe('kurrentdb.protocol.v2.streams.errors.StreamTombstonedErrorDetails');
  });

  it('refuses more than 16 MiB of requests', async () => {
    const padding = bytes(15, Buffer.alloc(9 * 1024 * 1024));
    const part = (stream: string) => Buffer.concat([requestOf('AppendSession', stream, RECORD), padding]);
    const { status, details } = await call('AppendSession', part('padded-1'), part('padded-2'));
    expect([status, details[0]?.content.text(1)]).toEqual([10, 'APPEND_TRANSACTION_SIZE_EXCEEDED']);
    expect(await eventsOf('padded-1')).toEqual([]);
  });
});

describe('AppendRecords', () => {
  const expecting = (stream: string, state: bigint) =>
    call('AppendRecords', Buffer.concat([requestOf('AppendRecords', 'checked-by', RECORD), checkOf(stream, state)]));

  it('can check that a stream is deleted or tombstoned', async () => {
    await call(
      'AppendRecords',
      Buffer.concat([requestOf('AppendRecords', 'was', RECORD), requestOf('AppendRecords', 'never-again', RECORD)]),
    );
    const target = (stream: string) => message(1, message(1, bytes(3, stream)), message(4));
    await open('Delete').send(target('was')).end().ended;
    await open('Tombstone').send(target('never-again')).end().ended;
    const statuses = async (stream: string) => [
      (await expecting(stream, -5n)).status,
      (await expecting(stream, -6n)).status,
    ];
    expect(await statuses('was')).toEqual([0, 9]);
    expect(await statuses('never-again')).toEqual([9, 0]);
    expect(await statuses('nothing')).toEqual([9, 9]);
  });

  it('answers hundreds of failed checks with as many as a client can take', async () => {
    const checks = Array.from({ length: 300 }, (_, i) => checkOf(`${'long'.repeat(50)}-${i}`, 7n));
    const { status, details } = await call(
      'AppendRecords',
      Buffer.concat([requestOf('AppendRecords', 'x', RECORD), ...checks]),
    );
    const violations = details[1]?.content.messages(1) ?? [];
    expect([status, violations.length > 10 && violations.length < 300]).toEqual([9, true]);
  });

  it('refuses a check of nothing, a second request, and none', async () => {
    const request = requestOf('AppendRecords', 'y', RECORD);
    expect((await call('AppendRecords', Buffer.concat([request, message(2)]))).status).toBe(3);
    expect((await call('AppendRecords', request, request)).status).toBe(13);
    expect((await call('AppendRecords')).status).toBe(3);
    expect(await eventsOf('y')).toEqual([]);
  });

  it('refuses more than 100,000 records', async () => {
    const one = requestOf('AppendRecords', 'many', schema());
    expect((await call('AppendRecords', Buffer.concat(Array(100_001).fill(one)))).status).toBe(3);
  });
});
