import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  appendEvent,
  appendOptions,
  batchFragment,
  parseBatchResponse,
  parseReadResponse,
  rawCalls,
  readWithStructuredIds,
} from './raw-client.ts';
import { collect, event, eventually, startNode } from './support.ts';

const start = async () => {
  const { node, client } = await startNode();
  return { node, client, call: rawCalls(node.port) };
};

const pause = () => new Promise((resolve) => setTimeout(resolve, 50));

describe('an Append call', () => {
  it.each([
    ['cancelled', 8],
    ['reset without an error', 0],
  ])('that is %s before it is complete writes nothing', async (_, code) => {
    const { client, call } = await start();
    const { stream } = call('Append').send(appendOptions('cut')).send(appendEvent());
    await pause();
    stream.close(code);
    await pause();
    expect((await collect(client.readAll())).filter(({ event }) => event?.streamId === 'cut')).toEqual([]);
  });

  it('fails on an event before the options, and on a second set of options', async () => {
    const { call } = await start();
    expect(await call('Append').send(appendEvent()).end().ended).toMatchObject({ 'grpc-status': '2' });
    const twice = call('Append').send(appendOptions('s')).send(appendOptions('s')).end();
    expect(await twice.ended).toMatchObject({ 'grpc-status': '2' });
  });

  it('names the metadata that an event lacks', async () => {
    const { call } = await start();
    const incomplete = call('Append')
      .send(appendOptions('s'))
      .send(appendEvent({ type: 'T' }))
      .end();
    expect(await incomplete.ended).toMatchObject({
      'grpc-status': '3',
      exception: 'missing-required-metadata-property',
      'required-metadata-properties': 'type,content-type',
    });
  });
});

describe('a BatchAppend call', () => {
  it('assembles fragments of interleaved appends by correlation id', async () => {
    const { client, call } = await start();
    const [a, b] = [randomUUID(), randomUUID()];
    const batch = call('BatchAppend')
      .send(batchFragment({ correlation: a, stream: 'a' }))
      .send(batchFragment({ correlation: b, stream: 'b' }))
      .send(batchFragment({ correlation: a }))
      .send(batchFragment({ correlation: b, isFinal: true }))
      .send(batchFragment({ correlation: a, isFinal: true }))
      .end();
    expect(await batch.ended).toMatchObject({ 'grpc-status': '0' });
    const answers = batch.messages.map(parseBatchResponse);
    expect(answers.map((answer) => answer.getCorrelationId()?.getString()).toSorted()).toEqual([a, b].toSorted());
    expect(await collect(client.readStream('a'))).toHaveLength(3);
    expect(await collect(client.readStream('b'))).toHaveLength(2);
  });

  it('answers an append that is never completed at its deadline, once', async () => {
    const { client, call } = await start();
    const correlation = randomUUID();
    const batch = call('BatchAppend').send(batchFragment({ correlation, stream: 'late', timeoutMs: 150 }));
    await eventually(() => batch.messages.length === 1);
    batch.send(batchFragment({ correlation, isFinal: true }));
    batch.send(batchFragment({ correlation: randomUUID(), stream: 'next', isFinal: true }));
    await eventually(() => batch.messages.length === 2);
    const [late, next] = batch.messages.map(parseBatchResponse);
    expect(late?.getError()?.getCode()).toBe(4);
    expect(late?.getError()?.getDetails()?.getTypeName()).toBe('event_store.client.Timeout');
    expect(late?.getStreamIdentifier()).toBeDefined();
    expect(next?.hasSuccess()).toBe(true);
    await expect(collect(client.readStream('late'))).rejects.toThrow();
  });

  it('reports a bad event within the call, which continues', async () => {
    const { call } = await start();
    const batch = call('BatchAppend')
      .send(batchFragment({ correlation: randomUUID(), stream: 's', metadata: { type: 'T' }, isFinal: true }))
      .send(batchFragment({ correlation: randomUUID(), stream: '', isFinal: true }))
      .send(batchFragment({ correlation: randomUUID(), stream: 's', isFinal: true }))
      .end();
    expect(await batch.ended).toMatchObject({ 'grpc-status': '0' });
    const types = batch.messages.map((message) => parseBatchResponse(message).getError()?.getDetails()?.getTypeName());
    expect(types).toEqual(['event_store.client.BadRequest', 'event_store.client.BadRequest', undefined]);
  });

  it('fails rather than completes when the node stops', async () => {
    const { node, call } = await start();
    const batch = call('BatchAppend').send(batchFragment({ correlation: randomUUID(), stream: 's', isFinal: true }));
    await eventually(() => batch.messages.length === 1);
    batch.send(batchFragment({ correlation: randomUUID(), stream: 's' }));
    await pause();
    await node.stop();
    expect(await batch.ended).toMatchObject({ 'grpc-status': '14' });
  });
});

describe('any call', () => {
  it('to an unknown method is answered with UNIMPLEMENTED', async () => {
    const { call } = await start();
    expect(await call('Nonsense').ended).toMatchObject({ 'grpc-status': '12' });
  });

  it.each(['Append', 'BatchAppend', 'Read', 'Delete'])(
    'to %s with bytes that are not a message fails and disturbs no other',
    async (method) => {
      const { client, call } = await start();
      const broken = call(method)
        .send(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]))
        .end();
      expect(Number((await broken.ended)['grpc-status'])).toBeGreaterThan(0);
      await expect(client.appendToStream('order-1', event(0))).resolves.toBeDefined();
    },
  );

  it('gets ids in two halves if it asks for them', async () => {
    const { client, call } = await start();
    const appended = event(0);
    await client.appendToStream('order-1', appended);
    const read = call('Read').send(readWithStructuredIds('order-1')).end();
    await read.ended;
    const recorded = parseReadResponse(read.messages[0] as Buffer)
      .getEvent()
      ?.getEvent();
    const halves = recorded?.getId()?.getStructured();
    const hex = [halves?.getMostSignificantBits(), halves?.getLeastSignificantBits()].map((half) =>
      BigInt.asUintN(64, BigInt(half ?? 0))
        .toString(16)
        .padStart(16, '0'),
    );
    expect(hex.join('')).toBe(appended.id.replaceAll('-', ''));
    expect(Buffer.from(recorded?.getData_asU8() ?? []).toString()).toBe('{"n":0}');
  });
});
