import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { EventStoreDBClient } from '@eventstore/db-client';
import gossip from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import monitoring from '@eventstore/db-client/generated/monitoring_grpc_pb.js';
import operations from '@eventstore/db-client/generated/operations_grpc_pb.js';
import persistent from '@eventstore/db-client/generated/persistent_grpc_pb.js';
import projections from '@eventstore/db-client/generated/projections_grpc_pb.js';
import features from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import streams from '@eventstore/db-client/generated/streams_grpc_pb.js';
import users from '@eventstore/db-client/generated/users_grpc_pb.js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Fields } from './proto.ts';
import { RawStreams } from './raw-streams.ts';
import { event, startNode } from './support.ts';

type Service = Record<string, { path: string }>;
const paths = (service: unknown) => Object.values(service as Service).map(({ path }) => path);

const SERVED = [
  ...paths(streams.StreamsService),
  ...paths(persistent.PersistentSubscriptionsService),
  ...paths(features.ServerFeaturesService),
  ...paths(gossip.GossipService),
];
const NOT_SERVED = [
  ...paths(projections.ProjectionsService),
  ...paths(operations.OperationsService),
  ...paths(users.UsersService),
  ...paths(monitoring.MonitoringService),
];

const start = async () => {
  const { node, client } = await startNode();
  return { node, client, raw: new RawStreams(node.port) };
};

const answer = async (raw: RawStreams, path: string) => {
  const call = raw.call(path).send(Buffer.alloc(0)).end();
  expect(await call.ended).toMatchObject({ 'grpc-status': '0' });
  return new Fields(call.messages[0] as Buffer);
};

const SUPPORTED = '/event_store.client.server_features.ServerFeatures/GetSupportedMethods';

describe('ServerFeatures', () => {
  it('names exactly the methods that are served', async () => {
    const { raw } = await start();
    const response = await answer(raw, SUPPORTED);
    const named = response.messages(1).map((method) => `/${method.text(2)}/${method.text(1)}`);
    expect(named.toSorted()).toEqual(SERVED.map((path) => path.toLowerCase()).toSorted());
  });

  it('names the features that the client looks for', async () => {
    const { raw } = await start();
    const ofMethod = new Map(
      (await answer(raw, SUPPORTED)).messages(1).map((method) => {
        const service = method.text(2)?.split('.').at(-1);
        return [`${service}/${method.text(1)}`, method.texts(3)];
      }),
    );
    expect(ofMethod.get('streams/read')).toEqual(['position', 'events']);
    expect(ofMethod.get('streams/batchappend')).toEqual(['deadline_duration']);
    for (const method of ['append', 'delete', 'tombstone']) expect(ofMethod.get(`streams/${method}`)).toEqual([]);
  });

  it('reports a version of three numbers', async () => {
    const { raw } = await start();
    expect((await answer(raw, SUPPORTED)).text(2)).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('lets the client append in batches', async () => {
    const { node, client, raw } = await start();
    await client.appendToStream('s', event(0));
    expect(node.connections.calls).toBe(1); // the one shared BatchAppend call stays open
    raw.destroy();
  });
});

describe('Gossip', () => {
  it('reports one member: this node, leader, alive, at its own address', async () => {
    const { node, raw } = await start();
    const before = BigInt(Date.now()) * 10_000n;
    const response = await answer(raw, '/event_store.client.gossip.Gossip/Read');
    expect(response.messages(1)).toHaveLength(1);
    const member = response.message(1);
    expect(member?.message(1)?.text(2)).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    const time = member?.number(2) as bigint;
    expect(time >= before && time <= BigInt(Date.now()) * 10_000n).toBe(true);
    expect([member?.number(3), member?.number(4)]).toEqual([8n, 1n]);
    expect(member?.message(5)?.text(1)).toBe('127.0.0.1');
    expect(member?.message(5)?.number(2)).toBe(BigInt(node.port));
  });

  it.each(['leader', 'follower', 'random', 'read_only_replica'])(
    'serves a client that prefers a %s',
    async (preference) => {
      const { node } = await start();
      const client = EventStoreDBClient.connectionString(
        `esdb+discover://127.0.0.1:${node.port}?tls=false&nodePreference=${preference}`,
      );
      onTestFinished(() => client.dispose());
      await expect(client.appendToStream('s', event(0), { requiresLeader: true })).resolves.toBeDefined();
    },
  );
});

describe('a request that is not served', () => {
  it.each([...NOT_SERVED, '/', '/event_store.client.streams.Streams', '/event_store.client.streams.Streams/append'])(
    'to %s is answered with UNIMPLEMENTED, whether or not it is complete',
    async (path) => {
      const { raw } = await start();
      expect(await raw.call(path).ended).toMatchObject({ 'grpc-status': '12' });
      expect(await raw.call(path).send(Buffer.from('nonsense')).end().ended).toMatchObject({ 'grpc-status': '12' });
    },
  );

  it.each(['/ping', '/streams/s', '/health/live', '/event_store.client.streams.Streams/Append'])(
    'as an HTTP/2 GET of %s gets an answer and disturbs nobody',
    async (path) => {
      const { node, client } = await start();
      const session = connectHttp2(`http://127.0.0.1:${node.port}`);
      onTestFinished(() => session.destroy());
      const status = await new Promise((resolve, reject) => {
        const request = session.request({ ':path': path });
        request.on('response', (headers) => resolve(headers['grpc-status'] ?? headers[':status']));
        request.on('error', reject);
      });
      expect(status).not.toBe('0');
      await expect(client.appendToStream('s', event(0))).resolves.toBeDefined();
    },
  );

  it.each([
    'GET /ping HTTP/1.1\r\nHost: x\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01',
    '\0'.repeat(100),
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nx'.repeat(9),
  ])('in another protocol (%.12j) gets its connection closed and disturbs nobody', async (greeting) => {
    const { node, client } = await start();
    const socket = connectTcp(node.port, '127.0.0.1');
    socket.on('error', () => {}).resume();
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.write(greeting, 'latin1');
    await closed;
    await expect(client.appendToStream('s', event(0))).resolves.toBeDefined();
  });
});
