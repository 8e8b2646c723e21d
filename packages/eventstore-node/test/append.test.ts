import { randomUUID } from 'node:crypto';
import {
  binaryEvent,
  DeadlineExceededError,
  END,
  type EventStoreDBClient,
  jsonEvent,
  MaxAppendSizeExceededError,
  StreamDeletedError,
  UnknownError,
  WrongExpectedVersionError,
} from '@eventstore/db-client';
import { describe, expect, it } from 'vitest';
import { collect, connect, dataOf, event, events, PATHS, startNode } from './support.ts';

const readIds = async (client: EventStoreDBClient, stream: string) =>
  (await collect(client.readStream(stream))).map(({ event }) => event?.id);

describe.each(PATHS)('an append by %s', (_, options) => {
  it('returns the revision and the position of its last event', async () => {
    const { client } = await startNode();
    const first = await client.appendToStream('order-1', events(2), { expectedRevision: 'no_stream', ...options });
    const second = await client.appendToStream('order-1', event(2), { expectedRevision: 1n, ...options });

    expect([first.nextExpectedRevision, second.nextExpectedRevision]).toEqual([1n, 2n]);
    const stored = await collect(client.readStream('order-1'));
    expect(stored.map(({ event }) => event?.revision)).toEqual([0n, 1n, 2n]);
    expect(stored.map(({ event }) => event?.position)).toEqual([expect.anything(), first.position, second.position]);
  });

  it('keeps type, id, data, metadata, content type and the time of writing', async () => {
    const { client } = await startNode();
    const before = Date.now();
    const json = jsonEvent({ type: 'Größe/✓', data: { a: [1, 'ü', null] }, metadata: { m: true } });
    const binary = binaryEvent({ type: 'Raw', data: Uint8Array.of(0, 255, 7), metadata: Uint8Array.of(1, 2, 3) });
    await client.appendToStream('names/ with spaces ✓', [json, binary], options);

    const [first, second] = await collect(client.readStream('names/ with spaces ✓'));
    expect(first?.event).toMatchObject({
      streamId: 'names/ with spaces ✓',
      id: json.id,
      type: 'Größe/✓',
      isJson: true,
      data: { a: [1, 'ü', null] },
      metadata: { m: true },
    });
    expect(first?.event?.created.getTime()).toBeGreaterThanOrEqual(before);
    expect(first?.event?.created.getTime()).toBeLessThanOrEqual(Date.now());
    expect(second?.event).toMatchObject({ id: binary.id, type: 'Raw', isJson: false });
    expect(Buffer.from(second?.event?.data as Uint8Array)).toEqual(Buffer.from([0, 255, 7]));
    expect(Buffer.from(second?.event?.metadata as Uint8Array)).toEqual(Buffer.from([1, 2, 3]));
  });

  it.each([
    { expected: 0n, current: 2n },
    { expected: 7n, current: 2n },
    { expected: 'no_stream', current: 2n },
  ] as const)('is refused when it expects $expected of a stream at 2', async ({ expected, current }) => {
    const { client } = await startNode();
    await client.appendToStream('order-1', events(3), options);
    const refused = await client
      .appendToStream('order-1', event(9), { expectedRevision: expected, ...options })
      .catch((e) => e);

    expect(refused).toBeInstanceOf(WrongExpectedVersionError);
    expect(refused).toMatchObject({ streamName: 'order-1', expectedVersion: expected, actualVersion: current });
  });

  it.each([{ expected: 0n }, { expected: 'stream_exists' }] as const)(
    'is refused when it expects $expected of a stream that never was',
    async ({ expected }) => {
      const { client } = await startNode();
      const refused = await client
        .appendToStream('order-1', event(9), { expectedRevision: expected, ...options })
        .catch((e) => e);

      expect(refused).toBeInstanceOf(WrongExpectedVersionError);
      expect(refused).toMatchObject({ expectedVersion: expected, actualVersion: 'no_stream' });
    },
  );

  it('treats a stream with only metadata as existing, but also as without events', async () => {
    const { client } = await startNode();
    await client.setStreamMetadata('order-1', { maxCount: 5 });
    await expect(
      client.appendToStream('order-1', event(0), { expectedRevision: 'stream_exists', ...options }),
    ).resolves.toBeDefined();
    await client.setStreamMetadata('order-2', { maxCount: 5 });
    await expect(
      client.appendToStream('order-2', event(0), { expectedRevision: 'no_stream', ...options }),
    ).resolves.toBeDefined();
  });

  it('that repeats one before the head succeeds again with the same result', async () => {
    const { client } = await startNode();
    const batch = events(3);
    const first = await client.appendToStream('order-1', batch, { expectedRevision: 'no_stream', ...options });
    await client.appendToStream('order-1', events(2), options);
    const again = await client.appendToStream('order-1', batch, { expectedRevision: 'no_stream', ...options });

    expect(again).toEqual(first);
    expect(await readIds(client, 'order-1')).toHaveLength(5);
  });

  it('that repeats only the beginning of what is stored, or more than that, is refused or recognised', async () => {
    const { client } = await startNode();
    const batch = events(3);
    await client.appendToStream('order-1', batch, { expectedRevision: 'no_stream', ...options });
    const some = client.appendToStream('order-1', batch.slice(0, 2), { expectedRevision: 'no_stream', ...options });
    await expect(some).resolves.toMatchObject({ nextExpectedRevision: 1n });
    const more = client.appendToStream('order-1', [...batch, event(9)], { expectedRevision: 'no_stream', ...options });
    await expect(more).rejects.toBeInstanceOf(WrongExpectedVersionError);
    const mixed = client.appendToStream('order-1', [batch[0] as never, event(9)], {
      expectedRevision: 'no_stream',
      ...options,
    });
    await expect(mixed).rejects.toBeInstanceOf(WrongExpectedVersionError);
  });

  it('with known ids at the head is a new append', async () => {
    const { client } = await startNode();
    const batch = events(2);
    await client.appendToStream('order-1', batch, { expectedRevision: 'no_stream', ...options });
    const again = await client.appendToStream('order-1', batch, { expectedRevision: 1n, ...options });

    expect(again.nextExpectedRevision).toBe(3n);
    expect(await readIds(client, 'order-1')).toEqual([...batch, ...batch].map(({ id }) => id));
  });

  it.each(['any', 'stream_exists'] as const)('that expects %s is recognised by its ids', async (expectedRevision) => {
    const { client } = await startNode();
    await client.appendToStream('order-1', event(0), options);
    const batch = events(2, 1);
    const first = await client.appendToStream('order-1', batch, { expectedRevision, ...options });
    await client.appendToStream('order-1', event(3), options);

    expect(await client.appendToStream('order-1', batch, { expectedRevision, ...options })).toEqual(first);
    const partly = client.appendToStream('order-1', [batch[0] as never, event(9)], { expectedRevision, ...options });
    await expect(partly).rejects.toBeInstanceOf(WrongExpectedVersionError);
    const elsewhere = await client.appendToStream('order-2', batch, options);
    expect(elsewhere.nextExpectedRevision).toBe(1n);
    expect(await readIds(client, 'order-1')).toHaveLength(4);
  });

  it('without events writes nothing and returns the current revision', async () => {
    const { client } = await startNode();
    expect(await client.appendToStream('order-1', [], options)).toMatchObject({
      success: true,
      nextExpectedRevision: 0n,
    });
    const { position } = await client.appendToStream('order-1', events(3), options);
    expect(await client.appendToStream('order-1', [], options)).toMatchObject({ nextExpectedRevision: 2n, position });
  });

  it('may be as large as the size limit in total, and no larger', async () => {
    const { client } = await startNode();
    const half = () => binaryEvent({ type: 'Big', data: new Uint8Array(524_288) });
    await expect(client.appendToStream('big', [half(), half()], options)).resolves.toBeDefined();
    const tooLarge = await client.appendToStream('big', [half(), half(), event(1)], options).catch((e) => e);

    expect(tooLarge).toBeInstanceOf(MaxAppendSizeExceededError);
    expect(tooLarge.maxAppendSize).toBe(1_048_576);
    expect(await collect(client.readStream('big'))).toHaveLength(2);
  });

  it('to a tombstoned stream is refused', async () => {
    const { client } = await startNode();
    await client.appendToStream('order-1', event(0), options);
    await client.tombstoneStream('order-1');
    for (const expectedRevision of ['any', 'no_stream', 'stream_exists', 0n] as const) {
      const refused = await client
        .appendToStream('order-1', event(1), { expectedRevision, ...options })
        .catch((e) => e);
      expect(refused).toBeInstanceOf(StreamDeletedError);
      expect(refused.streamName).toBe('order-1');
    }
  });

  it('to an invalid stream name is refused', async () => {
    const { client } = await startNode();
    for (const name of ['$$', '$all']) {
      await expect(client.appendToStream(name, event(0), options)).rejects.toBeInstanceOf(UnknownError);
    }
  });

  it('is atomic among others: each batch is contiguous in its stream and in $all', async () => {
    const { client } = await startNode();
    const batches = Array.from({ length: 40 }, (_, n) =>
      client.appendToStream(
        `s-${n % 3}`,
        Array.from({ length: 5 }, () => event(n)),
        options,
      ),
    );
    await Promise.all(batches);

    const all = (await collect(client.readAll())).filter(({ event }) => event?.streamId.startsWith('s-'));
    const numbers = all.map(({ event }) => dataOf<{ n: number }>(event).n);
    for (let i = 0; i < numbers.length; i += 5) expect(new Set(numbers.slice(i, i + 5)).size).toBe(1);
    expect(numbers).toHaveLength(200);
  });

  it('lets exactly one of many writers with the same expected revision win', async () => {
    const { client } = await startNode();
    const results = await Promise.allSettled(
      Array.from({ length: 30 }, (_, n) =>
        client.appendToStream('contested', event(n), { expectedRevision: 'no_stream', ...options }),
      ),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});

describe('a batch append', () => {
  it('in many fragments counts as one append', async () => {
    const { client } = await startNode();
    const many = events(2_000);
    const result = await client.appendToStream('many', many, { batchAppendSize: 512 });

    expect(result.nextExpectedRevision).toBe(1_999n);
    expect(await readIds(client, 'many')).toEqual(many.map(({ id }) => id));
  });

  it('that is too large is answered once, even if its fragments keep coming', async () => {
    const { client } = await startNode();
    const many = Array.from({ length: 20_000 }, (_, n) => jsonEvent({ type: 'T', data: { n, pad: 'x'.repeat(60) } }));
    const refused = await client.appendToStream('many', many, { batchAppendSize: 64 * 1024 }).catch((e) => e);

    expect(refused).toBeInstanceOf(MaxAppendSizeExceededError);
    await expect(client.appendToStream('many', event(0), { expectedRevision: 'no_stream' })).resolves.toBeDefined();
  });

  it('whose deadline has passed is answered with a timeout and not written', async () => {
    const { client } = await startNode();
    await client.appendToStream('warm', event(0));
    const late = client.appendToStream('late', events(30_000), { deadline: 1 });
    await expect(late).rejects.toBeInstanceOf(DeadlineExceededError);
    await expect(client.appendToStream('late', event(0), { expectedRevision: 'no_stream' })).resolves.toBeDefined();
  });

  it('reports a wrong expected version in its result if the client is configured not to throw', async () => {
    const { node } = await startNode();
    const client = connect(`${node.connectionString}&throwOnAppendFailure=false`);
    await client.appendToStream('order-1', events(3));
    const result = await client.appendToStream('order-1', event(0), { expectedRevision: 9n });

    expect(result.success).toBe(false);
  });

  it('answers a flood of appends sent at once', async () => {
    const { client } = await startNode();
    const results = await Promise.all(
      Array.from({ length: 3_000 }, (_, n) => client.appendToStream(`flood-${n % 50}`, event(n))),
    );

    expect(results.every(({ success }) => success)).toBe(true);
    expect(
      await collect(client.readStream('flood-0', { direction: 'backwards', fromRevision: END, maxCount: 1 })),
    ).toMatchObject([{ event: { revision: 59n } }]);
  }, 60_000);

  it('treats ids in upper case as the same ids', async () => {
    const { client } = await startNode();
    const id = randomUUID();
    await client.appendToStream('order-1', [event(0, id.toUpperCase())], { expectedRevision: 'no_stream' });
    await client.appendToStream('order-1', [event(0, id)], { expectedRevision: 'no_stream' });
    expect(await readIds(client, 'order-1')).toEqual([id]);
  });
});
