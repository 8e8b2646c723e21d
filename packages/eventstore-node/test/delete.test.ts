import { END, StreamDeletedError, StreamNotFoundError, WrongExpectedVersionError } from '@eventstore/db-client';
import { describe, expect, it } from 'vitest';
import { collect, event, events, startNode } from './support.ts';

const revisions = (resolved: { event?: { revision: bigint } }[]) => resolved.map(({ event }) => event?.revision);

const withFive = async () => {
  const { client } = await startNode();
  await client.appendToStream('order-1', events(5));
  return client;
};

describe('a soft-deleted stream', () => {
  it('is not found by readers but stays in $all', async () => {
    const client = await withFive();
    const { position } = await client.deleteStream('order-1', { expectedRevision: 4n });
    const all = await collect(client.readAll());

    expect(all.at(-1)?.event).toMatchObject({ streamId: '$$order-1', type: '$metadata', position });
    await expect(collect(client.readStream('order-1'))).rejects.toBeInstanceOf(StreamNotFoundError);
    expect(all.filter(({ event }) => event?.streamId === 'order-1')).toHaveLength(5);
  });

  it.each(['any', 'no_stream', 4n] as const)(
    'comes back with the next revision when %s is expected',
    async (expectedRevision) => {
      const client = await withFive();
      await client.setStreamMetadata('order-1', { maxCount: 100, owner: 'x' } as never);
      await client.deleteStream('order-1');
      const result = await client.appendToStream('order-1', events(2, 5), { expectedRevision });

      expect(result.nextExpectedRevision).toBe(6n);
      expect(revisions(await collect(client.readStream('order-1')))).toEqual([5n, 6n]);
      const { metadata } = await client.getStreamMetadata('order-1');
      expect(metadata?.truncateBefore).toBe(5);
    },
  );

  it('comes back with new metadata, its old events hidden', async () => {
    const client = await withFive();
    await client.deleteStream('order-1');
    await client.setStreamMetadata('order-1', { maxCount: 10 });

    expect(await collect(client.readStream('order-1'))).toEqual([]);
    expect((await client.getStreamMetadata('order-1')).metadata).toMatchObject({ maxCount: 10, truncateBefore: 5 });
    await client.appendToStream('order-1', event(5));
    expect(revisions(await collect(client.readStream('order-1')))).toEqual([5n]);
  });

  it('does not exist for an append that expects it to', async () => {
    const client = await withFive();
    await client.deleteStream('order-1');
    const refused = client.appendToStream('order-1', event(5), { expectedRevision: 'stream_exists' });
    await expect(refused).rejects.toBeInstanceOf(StreamDeletedError);
  });

  it('can be deleted again', async () => {
    const client = await withFive();
    for (const expectedRevision of ['any', 4n, 'no_stream'] as const) {
      await expect(client.deleteStream('order-1', { expectedRevision })).resolves.toBeDefined();
    }
  });
});

describe('deleting', () => {
  it('a stream that never existed is refused, whatever the expected revision', async () => {
    const { client } = await startNode();
    for (const expectedRevision of ['any', 'no_stream', 3n] as const) {
      const refused = await client.deleteStream('nowhere', { expectedRevision }).catch((e) => e);
      expect(refused).toBeInstanceOf(WrongExpectedVersionError);
      expect(refused.streamName).toBe('nowhere');
    }
  });

  it('a stream with only metadata works', async () => {
    const { client } = await startNode();
    await client.setStreamMetadata('order-1', { maxCount: 1 });
    await expect(client.deleteStream('order-1', { expectedRevision: 'no_stream' })).resolves.toBeDefined();
  });

  it('with a wrong revision reports both revisions', async () => {
    const client = await withFive();
    const refused = await client.deleteStream('order-1', { expectedRevision: 2n }).catch((e) => e);
    expect(refused).toBeInstanceOf(WrongExpectedVersionError);
    expect(refused).toMatchObject({ streamName: 'order-1', expectedVersion: 2n, actualVersion: 4n });
  });

  it('reports stream names that are not plain ASCII without breaking the client', async () => {
    const { client } = await startNode();
    await client.appendToStream('größe ✓', event(0));
    const refused = await client.deleteStream('größe ✓', { expectedRevision: 7n }).catch((e) => e);
    expect(refused).toBeInstanceOf(WrongExpectedVersionError);
  });
});

describe('a tombstoned stream', () => {
  it('refuses everything, permanently', async () => {
    const client = await withFive();
    await client.tombstoneStream('order-1', { expectedRevision: 4n });
    const refused = await Promise.all([
      collect(client.readStream('order-1')).catch((e) => e),
      collect(client.readStream('$$order-1')).catch((e) => e),
      client.appendToStream('order-1', event(5)).catch((e) => e),
      client.deleteStream('order-1').catch((e) => e),
      client.tombstoneStream('order-1').catch((e) => e),
      client.setStreamMetadata('order-1', { maxCount: 1 }).catch((e) => e),
    ]);
    for (const error of refused) expect(error).toBeInstanceOf(StreamDeletedError);
  });

  it('ends in $all with its tombstone', async () => {
    const client = await withFive();
    const { position } = await client.tombstoneStream('order-1');
    const [last] = await collect(client.readAll({ direction: 'backwards', fromPosition: END, maxCount: 1 }));
    expect(last?.event).toMatchObject({
      streamId: 'order-1',
      type: '$streamDeleted',
      revision: 2n ** 63n - 1n,
      position,
    });
  });

  it('need not have existed before', async () => {
    const { client } = await startNode();
    await expect(client.tombstoneStream('nowhere', { expectedRevision: 'no_stream' })).resolves.toBeDefined();
    await expect(collect(client.readStream('nowhere'))).rejects.toBeInstanceOf(StreamDeletedError);
  });

  it('needs the right revision to be tombstoned', async () => {
    const client = await withFive();
    const refused = await client.tombstoneStream('order-1', { expectedRevision: 1n }).catch((e) => e);
    expect(refused).toBeInstanceOf(WrongExpectedVersionError);
  });
});
