import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { DomainEvent } from '../domain/events.ts';
import { eventIdOf } from '../domain/ids.ts';
import { createCodec, decodeEvent, type EventContext, encodeEvents, headAfter, UnknownSchemaVersion } from './codec.ts';
import type { NewEvent, StoredEvent } from './event-store.ts';
import { EMPTY_HEAD, verifyStream } from './provenance.ts';

const at = '2026-01-02T03:04:05.678Z';
const taskId = '3f2c1d7e-0b5a-5e4c-9a7b-1c2d3e4f5a6b';
const commandId = 'b330162b-a053-55b6-8c77-1434906c3b5b';
const stream = `task-default.${taskId}`;
const context: EventContext = {
  tenant: 'default',
  commandId,
  correlationId: 'flow-1',
  causationId: 'cause-1',
  actor: 'user:ada',
  at,
};
const started: DomainEvent = {
  type: 'TaskAttemptStarted',
  data: { taskId, attempt: 1, agentId: 'agent-1', startedAt: at },
};
const completed: DomainEvent = {
  type: 'TaskCompleted',
  data: {
    taskId,
    attempt: 1,
    agentId: 'agent-1',
    result: { answer: -0, gone: undefined } as never,
    durationMs: 1,
    completedAt: at,
  },
};

const store = (events: readonly NewEvent[], first = 0): StoredEvent[] =>
  events.map((event, index) => ({
    ...(JSON.parse(JSON.stringify(event)) as NewEvent),
    stream,
    revision: BigInt(first + index),
    position: BigInt(first + index + 1),
    recordedAt: at,
  }));

describe('encoding the events of a command', () => {
  it('derives ids from the command, and metadata from the context', () => {
    const encoded = encodeEvents(stream, context, [started, completed], EMPTY_HEAD);
    expect(encoded.map(({ id }) => id)).toEqual([eventIdOf(commandId, 0), eventIdOf(commandId, 1)]);
    expect(encoded[0]?.metadata).toEqual({
      tenant: 'default',
      commandId,
      $correlationId: 'flow-1',
      $causationId: 'cause-1',
      actor: 'user:ada',
      at,
      schemaVersion: 1,
      prevHash: EMPTY_HEAD.hash,
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(encoded[0]?.data).toEqual(started.data);
  });

  it('keeps fingerprint and trace parent if they are given', () => {
    const given = { fingerprint: 'abc', traceparent: '00-1-2-01' };
    const [encoded] = encodeEvents(stream, { ...context, ...given }, [started], EMPTY_HEAD);
    expect(encoded?.metadata).toMatchObject(given);
  });

  it('can derive ids from something other than the command', () => {
    const [plain] = encodeEvents(stream, context, [started], EMPTY_HEAD);
    const [other] = encodeEvents(stream, { ...context, idsFrom: 'call-1' }, [started], EMPTY_HEAD);
    expect(other?.id).toBe(eventIdOf('call-1', 0));
    expect({ ...other?.metadata, hash: '' }).toEqual({ ...plain?.metadata, hash: '' });
  });

  it('continues the chain of the stream, over several commands', () => {
    const first = encodeEvents(stream, context, [started, completed], EMPTY_HEAD);
    const head = headAfter(first);
    expect(head).toEqual({ revision: 1n, hash: first[1]?.metadata.hash });
    const second = encodeEvents(stream, { ...context, commandId: taskId }, [started, started], head);
    expect(headAfter(second, head)).toEqual({ revision: 3n, hash: second[1]?.metadata.hash });
    expect(verifyStream([...store(first), ...store(second, 2)])).toMatchObject({ ok: true, count: 4 });
  });

  it('returns nothing for no events', () => {
    const head = { revision: 5n, hash: 'a'.repeat(64) };
    expect(encodeEvents(stream, context, [], head)).toEqual([]);
    expect(headAfter([], head)).toBe(head);
    expect(headAfter([])).toEqual(EMPTY_HEAD);
  });

  it('gives the same result for the same command', () => {
    const encode = () => encodeEvents(stream, context, [started, completed], EMPTY_HEAD);
    expect(encode()).toEqual(encode());
  });

  const withResult = (result: unknown): DomainEvent => ({ ...completed, data: { ...completed.data, result } }) as never;

  it.each<[string, DomainEvent]>([
    ['a missing field', { ...started, data: { taskId } } as never],
    ['an unknown field', { ...started, data: { ...started.data, extra: 1 } } as never],
    ['an unknown type', { type: 'TaskTeleported', data: {} } as never],
    ['a name of Object.prototype as type', { type: 'constructor', data: {} } as never],
    ['U+0000 in the payload', withResult({ text: 'a\u0000b' })],
    ['U+0000 outside the payload', { type: 'TaskCancelled', data: { taskId, reason: '\u0000', cancelledAt: at } }],
    ['a lone surrogate', { type: 'TaskCancelled', data: { taskId, reason: '\ud800', cancelledAt: at } }],
    ['an unsafe integer', withResult(2 ** 53)],
    ['NaN', withResult([Number.NaN])],
    ['a forbidden key', withResult(JSON.parse('{"__proto__":1}'))],
    ['a Date', withResult(new Date(0))],
    ['a bigint', withResult(1n)],
  ])('refuses %s as a bug', (_what, event) => {
    const refused = () => encodeEvents(stream, context, [event], EMPTY_HEAD);
    expect(refused).toThrow(Error);
    expect(refused).not.toThrow(expect.objectContaining({ name: 'AppError' }));
  });

  it.each([
    ['of another tenant', 'task-other.1'],
    ['of a tenant whose name begins the same', 'task-default2.1'],
    ['without tenant', 'task-1'],
    ['without category', 'default.1'],
    ['of the store itself', '$task-default.1'],
  ])('refuses a stream %s', (_what, name) => {
    expect(() => encodeEvents(name, context, [started], EMPTY_HEAD)).toThrow(/not a stream of tenant/);
  });

  it('refuses a context that a reader could not store', () => {
    expect(() => encodeEvents(stream, { ...context, actor: 'a\u0000' }, [started], EMPTY_HEAD)).toThrow(/actor/);
    expect(() => encodeEvents('task-.1', { ...context, tenant: '' }, [started], EMPTY_HEAD)).toThrow(/tenant/);
  });
});

describe('decoding a stored event', () => {
  const [stored] = store(encodeEvents(stream, context, [completed], EMPTY_HEAD)) as [StoredEvent];
  const withVersion = (schemaVersion: unknown): StoredEvent =>
    ({ ...stored, metadata: { ...stored.metadata, schemaVersion } }) as StoredEvent;

  it('returns type and data as they were encoded and as JSON keeps them', () => {
    expect(decodeEvent(stored)).toEqual({ type: 'TaskCompleted', data: { ...completed.data, result: { answer: 0 } } });
  });

  it('returns the data without copying it', () => {
    expect(decodeEvent(stored)?.data).toBe(stored.data);
  });

  it('returns undefined for a type that this build does not know', () => {
    expect(decodeEvent({ ...stored, type: 'TaskTeleported' })).toBeUndefined();
    expect(decodeEvent({ ...stored, type: 'constructor' })).toBeUndefined();
  });

  it.each([[99], [2], [0], [-1], [1.5], ['1'], [null], [undefined]])('refuses schema version %s', (schemaVersion) => {
    const refused = () => decodeEvent(withVersion(schemaVersion));
    expect(refused).toThrow(UnknownSchemaVersion);
    expect(refused).toThrow(`has schema version ${schemaVersion}, this build knows 1 to 1`);
    expect(refused).toThrow(
      expect.objectContaining({ event: { stream, revision: 0n, position: 1n, type: 'TaskCompleted' } }),
    );
  });
});

describe('a type with three schema versions', () => {
  const definitions = {
    OrderPlaced: {
      schemaVersion: 3,
      schema: z.strictObject({ totalCents: z.int(), currency: z.string(), lines: z.array(z.string()) }),
    },
    OrderShipped: { schemaVersion: 1, schema: z.strictObject({ carrier: z.string() }) },
  };
  const upcasters = {
    'OrderPlaced@1': ({ total, ...rest }: { total: number }) => ({ ...rest, totalCents: Math.round(total * 100) }),
    'OrderPlaced@2': (data: { totalCents: number }) => ({ currency: 'EUR', lines: [], ...data }),
  };
  const orders = createCodec(definitions, upcasters);
  const stored = (type: string, schemaVersion: number, data: unknown): StoredEvent =>
    ({ type, data, metadata: { schemaVersion }, stream, revision: 0n, position: 1n }) as never;

  const newest = { totalCents: 1999, currency: 'EUR', lines: [] };

  it.each<[number, object]>([
    [1, { total: 19.99 }],
    [2, { totalCents: 1999 }],
    [3, newest],
  ])('reads version %i as the newest, which fits the schema', (version, data) => {
    const before = structuredClone(data);
    const decoded = orders.decodeEvent(stored('OrderPlaced', version, data));
    expect(decoded).toEqual({ type: 'OrderPlaced', data: newest });
    expect(definitions.OrderPlaced.schema.parse(decoded?.data)).toEqual(newest);
    expect(data).toEqual(before);
  });

  it('writes the newest', () => {
    const event = { type: 'OrderPlaced' as const, data: newest };
    const [encoded] = orders.encodeEvents('order-default.1', context, [event], EMPTY_HEAD);
    expect(encoded?.metadata.schemaVersion).toBe(3);
  });

  it('refuses version 4', () => {
    expect(() => orders.decodeEvent(stored('OrderPlaced', 4, newest))).toThrow(/version 4, this build knows 1 to 3/);
  });

  it('cannot be built with a gap in the chain of upcasters', () => {
    expect(() => createCodec(definitions, { 'OrderPlaced@1': upcasters['OrderPlaced@1'] })).toThrow(
      'no upcaster OrderPlaced@2',
    );
  });

  it.each(['OrderPlaced@3', 'OrderShipped@1', 'OrderReturned@1'])('cannot be built with upcaster %s', (key) => {
    expect(() => createCodec(definitions, { ...upcasters, [key]: (data: never) => data })).toThrow(key);
  });
});
